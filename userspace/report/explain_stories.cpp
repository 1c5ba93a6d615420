// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The texts of `svcbench explain`: one row a kind of figure.
#include <algorithm>
#include <array>

#include "report/explain.h"
#include "run/cells.h"

namespace svcbench {

namespace {

constexpr std::string_view path_checked =
    "every packet, where it comes out: the right backend, from the right source, with a right checksum "
    "over all of it; as many come out as went in. A volley of which one does not is no figure but an "
    "error; one that overran the node's ingress queue (a busy machine) is thrown away whole, counted in "
    "the run's notes and sent again.";
constexpr std::string_view path_bias =
    "veth devices stand for NICs, so there is no driver, no DMA, no interrupt. One CPU does all the work, "
    "with warm caches: a real node's packets meet colder ones. Both readings of the clock lie inside the "
    "figure, and are not subtracted; the histogram's buckets are 1/128 of their value wide. Flows of a "
    "volley are new to the node, but the tracker's table is empty at its beginning.";
constexpr std::string_view established_bias =
    "it is not the same work for every plane: netfilter's go by a connection tracker, which looks at each "
    "segment's window and checksum and tracks what is for no Service, eBPF's by a flow table that does not "
    "(docs/method.md: what conntrack does). For the rest as for a new flow's packet: veth devices stand "
    "for NICs, one CPU does all the work with warm caches, and both readings of the clock lie inside the "
    "figure.";
constexpr std::string_view read_back_now_and_then =
    "the kernel is asked how many services it holds at the first and every fifth repeat: N, or it is an "
    "error.";
constexpr std::string_view update_checked =
    "every fifth block each changed service is read back from the kernel (of added and removed ones the "
    "last), and at the end of the run the number of services: as they were to be, or it is an error.";
constexpr std::string_view read_back_each_block =
    "after each block of changes every changed service is read back from the kernel (of added and removed "
    "ones the last): as it was to be, or it is an error.";
constexpr std::string_view tools_bias =
    "a tool's fork, exec and exit are in it, as they are for a real controller. Page cache and dynamic "
    "linker are warm. The namespace has no traffic, so nothing contends for the tables.";

constexpr std::array stories{
    Story{
        "sync", "", "",
        "the whole installation of N services from nothing: generating the text or the messages, then, for "
        "a plane that runs a tool, launch to exit of the tool; else the system calls. CLOCK_MONOTONIC.",
        "the making and removal of the network namespace; a controller's watch, queue and API server; the "
        "removal of what was installed.",
        read_back_now_and_then, "one installation into a new network namespace", tools_bias},
    Story{
        "whole-sync", "", "",
        "everything that kube-proxy does at one sync, in parts that follow each other without a gap: "
        "chains "
        "out of use deleted by a run of their own, chains and jumps made sure of (when it starts), what "
        "the "
        "kernel has listed or saved and parsed, the text generated, the tool from launch to exit, stale "
        "UDP "
        "flows looked for and deleted. CLOCK_MONOTONIC.",
        "kube-proxy's own walk over all services in Go (here the changed one is generated alone, where "
        "syncs "
        "are partial), its watch and queue, health checks, and the second that it waits before chains are "
        "deleted.",
        "at the first and every fifth visit the services are counted in the kernel, and each changed one "
        "is "
        "read back: as they were to be, or it is an error.",
        "one sync in a new network namespace: from nothing, once more, and at single changes", tools_bias},
    Story{
        "update", "ebpf", "bare",
        "one bpf(2) call over maps of its own: the least that any loader's update makes the kernel do.",
        "everything else that an update needs.", read_back_each_block,
        "the median of a block of changes, one block a round",
        "no loader can reach it: it is a floor to hold the others to. Its maps are separate, so caches are "
        "its own."},
    Story{
        "update", "ebpf", "ebpf",
        "from the change in hand to the kernel having it: the loader's bookkeeping, the fresh range of "
        "backends written through mapped memory, one bpf(2) call. CLOCK_MONOTONIC.",
        "a controller's watch, queue and API server; what the loader computed before (stage_ns).",
        read_back_each_block, "the median of a block of changes, one block a round",
        "changes of a block come one after the other, so the loader's memory is warm; no packets meet the "
        "maps meanwhile."},
    Story{
        "update", "ebpf", "",
        "launch to exit of iptables-restore with the whole nat table: three rules a service and seven, in "
        "the chapter's shape, after a change of one service. CLOCK_MONOTONIC.",
        "making the text (stage_ns).",
        "every fifth block iptables-save is read: 3N + 7 rules, and the changed service as it was to be.",
        "one reload, one a round",
        "the chapter's table is not kube-proxy's, which has more rules and a partial sync. A tool's fork, "
        "exec and exit are in it."},
    Story{
        "update", "", "",
        "one change of one service in the plane's real way: generating what the plane needs of it (stage), "
        "and handing it over until the kernel has it (commit). CLOCK_MONOTONIC.",
        "a controller's watch, queue and API server; choosing the service and its new endpoints.",
        update_checked,
        "the median of a block of changes, one block a round; a dear change is a block alone",
        "changes of a block come one after the other, so memory and page cache are warm. The namespace has "
        "no traffic, so nothing contends for the tables."},
    Story{"fill", "", "", "all N services and their backends into new, empty maps. CLOCK_MONOTONIC.",
          "making the maps, loading and attaching the programs.",
          "the entries are counted, the first and the last read back.", "one fill of new maps",
          "preallocated maps: their memory is there before. No program reads them meanwhile."},
    Story{
        "path", "", "reply",
        "the backend's answer to a packet of an established flow: from the clock reading at the backend's "
        "end to the one at the client's. bpf_ktime_get_ns() at both, on one CPU.",
        "the packet that is answered; a server's work; a NIC, a real wire, sockets.",
        "every packet is answered, and every answer reaches the client from the address that it had "
        "dialled, or it is an error; the packets themselves are checked as on the way there.",
        "the median of a volley's answers, one volley a visit", path_bias},
    Story{
        "path", "", "established",
        "a packet of a flow that the node knows: from the clock reading that the generator writes into it, "
        "last thing before it sends it, to the sink's when it comes out at the backend's device. "
        "bpf_ktime_get_ns() at both ends, on one CPU; each packet has arrived before the next one leaves.",
        "the flow's first packet and its answer, which have opened it; a NIC, its driver and interrupt, a "
        "real wire, sockets, the way back.",
        path_checked, "the median of a volley (`packets` of the run's JSON), one volley a visit",
        established_bias},
    Story{
        "path", "", "",
        "from the clock reading that the generator writes into a packet, last thing before it sends it, to "
        "the sink's reading when it comes out at the backend's device: client, veth, the node with the "
        "data plane, veth, backend. bpf_ktime_get_ns() at both ends, on one CPU; each packet has arrived "
        "before the next one leaves.",
        "a NIC, its driver and interrupt, a real wire, sockets, the way back.", path_checked,
        "the median of a volley (`packets` of the run's JSON), one volley a visit", path_bias},
    Story{
        "throughput", "", "",
        "4,000 packets in batches of 64, to random services: from the first packet's stamp to the last "
        "one's arrival, generator and sink on the same CPU.",
        "what setting the volley up takes; a NIC's queues and their spreading over CPUs.", path_checked,
        "one volley, every third visit to the cell",
        "one CPU generates, forwards and counts, so it is less than a node forwards that gets its packets "
        "from NICs; ratios between planes count, not the number."},
    Story{
        "program", "", "",
        "packets of a BPF_PROG_TEST_RUN, by the program's own reading of the clock at every 4,096th: so "
        "the kernel's loop and the program, and one reading in 4,096.",
        "the path of a packet through a node: no NIC, no skb allocation, no routing, no other hook; nor, "
        "in dnat, the flow table and the way on to the backend's device.",
        "before: verdict, counters and all bytes of 256 packets of each kind against what user space works "
        "out with checksums summed in full; after: every packet counted as a hit (a miss, for misses), the "
        "last one's bytes.",
        "the median of one BPF_PROG_TEST_RUN's 16 bursts, one a round",
        "caches and branch predictors are warm, `hot` destinations most of all; `zipf` and `uniform` show "
        "how much that is. Each run rewrites its packet first (`rewind`), which is in lookup and dnat and "
        "shown by itself."},
    Story{
        "state", "", "conntrack",
        "nothing is timed: entries of the node's connection tracker after 1,000 new flows of a packet each "
        "to random services, its table empty before.",
        "what flows keep outside of the tracker: eBPF planes have a table of their own (flow-table).",
        "every packet of the volley comes out right.", "one count",
        "one count, not repeated: it is exact where the tracker is; entries that expire meanwhile are not "
        "counted."},
    Story{
        "state", "", "flow-table",
        "nothing is timed: entries in the plane's own flow table after 1,000 new flows of a packet each to "
        "random services, the table empty before.",
        "entries of the kernel's connection tracker.", "every packet of the volley comes out right.",
        "one count", "one count, not repeated; a translated flow has two entries, one for each direction."},
    Story{"state", "", "kernel-memory",
          "nothing is timed: for eBPF planes the maps' own accounting; else SUnreclaim + VmallocUsed + "
          "Percpu of /proc/meminfo before an installation, with it and after its removal, six times over.",
          "what the kernel takes as bare pages; connection tracking.",
          "given only where the interval lies above zero and reaches no further from the value than the "
          "value itself.",
          "one installation and removal (not kept in the file)",
          "whatever else the machine allocates meanwhile: the interval shows it. Slabs are counted whole, "
          "about 0.1 MiB either way."},
    Story{
        "state", "", "user-memory",
        "nothing is timed: growth of VmHWM of svcbench over one installation, free memory returned before, "
        "and the VmHWM of the largest tool as it ends.",
        "a controller's caches of the API server.", "that the tools could be traced to their end.",
        "one installation",
        "one installation, not repeated; memory comes in pages and the allocator's steps."},
    Story{
        "chapter", "", "",
        "launch to exit of iptables-restore with the chapter's whole nat table, 3N + 7 rules: `first` into "
        "a network namespace that no rule was ever in, `reload` over one that is in place after a change "
        "of one service. CLOCK_MONOTONIC; the tool's CPU time by wait4().",
        "making the text (generate_ns), the namespace, reading the rules back.",
        "the rules are read back from the kernel at the first and every fifth repeat: 3N + 7, and the "
        "changed service as it was to be.",
        "one load", tools_bias},
    Story{
        "ruleset", "", "",
        "launch to exit of iptables-restore (of nft -f, ipvsadm -R) with the user's whole ruleset: `first` "
        "into a network namespace that no rule was ever in, `reload` over itself, where it is in place. "
        "CLOCK_MONOTONIC; the tool's CPU time by wait4().",
        "the namespace, reading the file, reading the rules back; what a controller would change before it "
        "reloads.",
        "after the first load and the first reload of each back end the tables are read back: they have "
        "the file's number of rules, or there is no figure.",
        "one load", tools_bias},
    Story{"floor", "", "",
          "launch to exit of a process that has nothing to do: `exec` a child that does nothing, `empty "
          "transaction` the tool with a table without rules of ours.",
          "everything that services cost.", "its exit code.", "the median of a visit's samples",
          "it is in every figure of that tool, and is shown, not subtracted."},
    Story{"calibration", "", "",
          "a known amount of work, many times over: what one of it takes. CLOCK_MONOTONIC; `child` is "
          "launch to exit of a program that does nothing.",
          "everything that services cost.", "nothing: it has no result.",
          "one visit, spread over each round",
          "a visit may come on cold caches, as those of what is measured do."},
    Story{
        "connect", "", "first-packet",
        "a new unconnected UDP socket's request and its reply, both ends played by one thread on one CPU.",
        "waking a server's thread: there is none.",
        "payload, client, backend and the reply's source of each.",
        "the median of a block, one block a round",
        "system calls and the way back are in it: hold it to the plain one. One CPU, warm caches."},
    Story{
        "connect", "", "",
        "connect() of a bound socket, from call to return; for TCP that holds SYN and SYN+ACK across the "
        "testbed, for UDP no packet is sent.",
        "socket() and bind(); waking a server's thread: there is none.",
        "every connection at the other end: whence it comes, and at which backend it arrives.",
        "the median of a block, one block a round",
        "one thread plays both ends on one CPU, so nothing is scheduled in between, and caches are warm. A "
        "plane at the socket does its work here, another one when the first packet passes."},
    Story{"churn", "", "effect", "from the moment a change is issued to the first packet that shows it.",
          "changes that no packet can show.",
          "each packet is held against what its service was to be while it was on its way.",
          "one change that was seen",
          "it cannot be finer than the gap between two packets to that service."},
    Story{"churn", "", "highest-rate",
          "changes a second that the plane kept up with: all but one in a hundred done when they were due.",
          "", "as for every packet of the run.", "one search",
          "a few rates are tried, downwards from what is reached without pauses: the truth lies between "
          "this one and the next higher one that was tried."},
    Story{
        "churn", "", "",
        "packets from wire to wire while services change (latencies), and what became of each (counts).",
        "a NIC, a real wire, sockets.",
        "each packet is held against what its service was to be while it was on its way; what the ingress "
        "queue lost before the plane saw it is told apart (`overrun`).",
        "all packets of a phase",
        "one run of its phases, not repeated: the counts are what was seen, not how often it happens."},
    Story{"instrument", "", "",
          "one reading of bpf_ktime_get_ns(), in a loop of 1,000 inside a BPF program.", "", "nothing.",
          "one loop",
          "a path's figure holds about one of these: the end of the first and the beginning of "
          "the second reading."},
    Story{"growth", "", "",
          "nothing is timed: the exponent b of cost ~ N^b, the least-squares slope of the logarithms over "
          "the sizes of each round, and the median of the rounds' slopes.",
          "", "that each round has two sizes at least, and every cost is positive.",
          "one round's slope (not kept in the file)",
          "a cost with a fixed part in it shows less than its true exponent at small N; few sizes cannot "
          "tell a curve from a line."},
};

bool has_part(std::string_view id, std::string_view part) {
  if (part.empty()) {
    return true;
  }
  while (!id.empty()) {
    const std::size_t end = std::min(id.find('/'), id.size());
    if (id.substr(0, end) == part) {
      return true;
    }
    id.remove_prefix(std::min(end + 1, id.size()));
  }
  return false;
}

}  // namespace

const Story* story_of(const Run& run, const Cell& cell) {
  const auto* const found = std::find_if(stories.begin(), stories.end(), [&](const Story& story) {
    return story.scenario == cell.scenario && (story.command.empty() || story.command == run.command) &&
           has_part(cell.id, story.part);
  });
  // Of a scenario that has no story, what its cells say of themselves.
  static constexpr Story plain{"", "", "", "what its name says.", "", "", "one visit", ""};
  return found != stories.end() ? found : is_plain(cell.scenario) ? &plain : nullptr;
}

}  // namespace svcbench
