// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The tables of a page, as data. A cell of one is a text, or an object: `cell` (index of a figure), `text`
// instead of the figure, `beside` it in a lighter hand, `note` under it, `mood` (good, bad, none), `to`
// (what it links to); null where there is nothing.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "plane/registry.h"
#include "report/html/page_run.h"
#include "report/json_parts.h"
#include "run/cells.h"
#include "service/text.h"

namespace svcbench::html {

namespace {

using nlohmann::json;

std::string whole(double services) {
  return grouped(static_cast<std::size_t>(std::lround(std::max(services, 0.0))));
}

json linked(const PageRun& run, const Cell* cell) {
  return cell == nullptr ? json() : json{{"cell", run.place(*cell)}};
}

// Without its folders, which are nobody's business.
std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// "0.45"; never "-0.00".
std::string exponent(double value) {
  const std::string text = fmt::format("{:.2f}", value);
  return text == "-0.00" ? "0.00" : text;
}

json trend_cell(const PageRun& run, const Cell* growth) {
  if (growth == nullptr) {
    return nullptr;
  }
  const std::string interval = growth->interval ? fmt::format(" [{}, {}]", exponent(growth->interval->low),
                                                              exponent(growth->interval->high))
                                                : " [too few rounds]";
  return {{"text", trend_of(*growth)},
          {"beside", fmt::format("N^{}{}", exponent(growth->value), interval)},
          {"cell", run.place(*growth)}};
}

// ---- borrowed columns ----

// What another run lent: planes that this kernel lacks.
class Loan {
 public:
  explicit Loan(const PageRun& run) : run_(&run) {
    for (const Field& one : run.document().at("borrowed").elements()) {
      lent_ = one;
    }
  }

  [[nodiscard]] std::vector<std::string> planes() const {
    std::vector<std::string> names;
    if (lent_) {
      for (const Field& plane : lent_->at("planes").elements()) {
        names.push_back(plane.text());
      }
    }
    return names;
  }
  [[nodiscard]] std::string source() const {
    const std::string emulated = lent_->at("source").at("emulated").text_if_any();
    return fmt::format("borrowed: {}{}{}", lent_->at("source").at("kernel").text_if_any(),
                       emulated.empty() ? "" : ", ", emulated);
  }
  [[nodiscard]] json path(const std::string& plane, std::size_t services, std::string_view flow,
                          std::string_view position) const {
    return figure(plane, services, [&](const Field& one) { return is_path(one, flow, position); });
  }
  [[nodiscard]] json change(const std::string& plane, std::size_t services) const {
    return figure(plane, services,
                  [](const Field& one) { return one.at("operation").text_if_any() == "change endpoints"; });
  }
  [[nodiscard]] json entries(const std::string& plane, std::size_t services) const {
    for (const Field& one : list("counts")) {
      if (one.at("plane").text() == plane && one.at("services").count() == services) {
        return {{"text", whole(one.at("conntrack_entries_per_1000_new_flows").number())}, {"to", anchor()}};
      }
    }
    return nullptr;
  }
  // Of the lending run itself.
  [[nodiscard]] json path_trend(const std::string& plane, std::string_view flow,
                                std::string_view position) const {
    for (const Field& one : list("growth")) {
      if (one.at("plane").text() == plane && is_path(one, flow, position)) {
        const double exponent_there = one.at("exponent").number();
        return {{"text", one.at("trend").text()},
                {"beside", fmt::format("N^{}", exponent(exponent_there))},
                {"to", anchor()}};
      }
    }
    return nullptr;
  }
  [[nodiscard]] std::string anchor() const { return fmt::format("borrowed-{}", run_->index()); }

 private:
  [[nodiscard]] bool is_path(const Field& one, std::string_view flow, std::string_view position) const {
    return one.at("flow").text_if_any() == flow && one.at("position").text_if_any() == position &&
           one.at("protocol").text_if_any() == run_->protocol();
  }
  [[nodiscard]] std::vector<Field> list(const char* name) const {
    return lent_ ? lent_->at(name).elements() : std::vector<Field>();
  }
  template <typename Is>
  [[nodiscard]] json figure(const std::string& plane, std::size_t services, const Is& is) const {
    for (const Field& one : list("cells")) {
      const auto ns = one.at("scaled_ns").estimate();
      if (one.at("plane").text() == plane && one.at("services").count() == services && is(one) && ns) {
        return {{"value", ns->value},
                {"low", ns->interval ? json(ns->interval->low) : json()},
                {"high", ns->interval ? json(ns->interval->high) : json()},
                {"unit", "ns"},
                {"to", anchor()}};
      }
    }
    return nullptr;
  }

  const PageRun* run_;
  std::optional<Field> lent_{};
};

// ---- what planes were seen to do before they were timed ----

// Of a comparison: "looked_at", "planes", "failed", "not_done"; null where there was no such look.
Field quick_look(const PageRun& run) { return run.document().at("behaviours"); }

std::string failed_behaviours(const PageRun& run, const std::string& plane) {
  std::string out;
  for (const Field& one : quick_look(run).at("failed").elements()) {
    if (one.at("plane").text() == plane) {
      out += (out.empty() ? "" : ", ") + one.at("behaviour").text();
    }
  }
  return out;
}

void add_quick_look(const PageRun& run, json& lines) {
  const Field look = quick_look(run);
  for (const Field& one : look.at("failed").elements()) {
    lines.push_back(fmt::format("{} fails: {} ({}): {}", label_of(one.at("plane").text()),
                                one.at("behaviour").text(), one.at("variants").text_if_any(),
                                one.at("evidence").text_if_any()));
  }
  std::string tried;
  for (const Field& one : look.at("looked_at").elements()) {
    tried += (tried.empty() ? "" : ", ") + one.text();
  }
  const std::string not_done = look.at("not_done").text_if_any();
  if (!not_done.empty()) {
    lines.push_back("What the planes do was not looked at: " + not_done);
  } else if (!tried.empty()) {
    lines.push_back(fmt::format("Before they were timed, the planes were tried with real sockets: {}{}",
                                tried, look.at("failed").elements().empty() ? "; all passed" : ""));
  }
}

// ---- Table 4.2 ----

class ChapterTable {
 public:
  explicit ChapterTable(const PageRun& run)
      : run_(run), loan_(run), own_(run.planes({"path", "update", "sync"})) {
    const auto sizes = run.sizes({"path", "update", "sync"});
    services_ = sizes.empty() ? 0 : sizes.back();
    lent_ = loan_.planes();
  }

  [[nodiscard]] bool is_comparison() const { return own_.size() + lent_.size() > 1 && services_ > 0; }
  [[nodiscard]] std::size_t services() const { return services_; }

  [[nodiscard]] json head() const {
    json head = json::array({""});
    for (const std::string& plane : own_) {
      const std::string failed = failed_behaviours(run_, plane);
      json column{{"plane", plane}};
      if (!failed.empty()) {
        column["note"] = "fails: " + failed;
      }
      head.push_back(std::move(column));
    }
    for (const std::string& plane : lent_) {
      head.push_back({{"plane", plane}, {"note", loan_.source()}});
    }
    return head;
  }

  json rows() {
    group("Data-path lookup", "the book: iptables linear scan, O(n); IPVS hash, O(1); eBPF hash map, O(1)");
    row(
        "grows with N", [&](const std::string& plane) { return path_trend(plane); },
        [&](const std::string& plane) { return loan_.path_trend(plane, "new flow", "last"); });
    group("Lookup latency", "the book: iptables grows with Services; IPVS constant; eBPF about 2-5 us");
    row(
        "first packet, last Service", [&](const std::string& plane) { return path(plane, "new", "last"); },
        [&](const std::string& plane) { return loan_.path(plane, services_, "new flow", "last"); });
    row(
        "first packet, random Service",
        [&](const std::string& plane) { return path(plane, "new", "random"); },
        [&](const std::string& plane) { return loan_.path(plane, services_, "new flow", "random"); });
    row(
        "later packets, random Service",
        [&](const std::string& plane) { return path(plane, "established", "random"); },
        [&](const std::string& plane) {
          return loan_.path(plane, services_, "established flow", "random");
        });
    group("Sync on change",
          "the book: iptables full-table reload; IPVS incremental; eBPF map update, flat");
    row(
        "endpoints of one Service", [&](const std::string& plane) { return change(plane, 0); },
        [&](const std::string& plane) { return loan_.change(plane, services_); });
    row("grows with N", [&](const std::string& plane) { return change_trend(plane); });
    row("the same, by the whole table", [&](const std::string& plane) { return change(plane, 1); });
    row("all N from nothing", [&](const std::string& plane) {
      return linked(run_, run_.find(cell_id("sync", plane, services_, "")));
    });
    group("Connection tracking", "the book: iptables yes; IPVS yes; eBPF reducible, supports DSR");
    row(
        "entries for 1,000 new flows", [&](const std::string& plane) { return state(plane, "conntrack"); },
        [&](const std::string& plane) { return loan_.entries(plane, services_); });
    row("own flows per 1,000 new flows",
        [&](const std::string& plane) { return state(plane, "flow-table"); });
    group("Kernel requirement", "the book: iptables universal; IPVS a module; eBPF a recent kernel");
    row("needs", needs, needs);
    group("Memory", "not in the book");
    row("in the kernel", [&](const std::string& plane) { return state(plane, "kernel-memory"); });
    row("in user space, peak", [&](const std::string& plane) { return state(plane, "user-memory"); });
    return std::move(rows_);
  }

 private:
  void group(std::string_view name, std::string_view book) { group_ = {{"group", name}, {"book", book}}; }

  // Left out where no plane has anything.
  template <typename Own, typename Lent>
  void row(std::string_view title, const Own& own, const Lent& lent) {
    json row = json::array({title});
    bool any = false;
    for (const std::string& plane : own_) {
      row.push_back(own(plane));
      any = any || !row.back().is_null();
    }
    for (const std::string& plane : lent_) {
      row.push_back(lent(plane));
      any = any || !row.back().is_null();
    }
    if (!any) {
      return;
    }
    if (!group_.is_null()) {
      rows_.push_back(std::exchange(group_, nullptr));
    }
    rows_.push_back(std::move(row));
  }
  template <typename Own>
  void row(std::string_view title, const Own& own) {
    row(title, own, [](const std::string&) { return json(); });
  }

  [[nodiscard]] json path(const std::string& plane, std::string_view flow,
                          std::string_view position) const {
    return linked(run_, run_.find(cell_id("path", plane, services_,
                                          fmt::format("{}/{}/{}", flow, position, run_.protocol()))));
  }
  [[nodiscard]] json path_trend(const std::string& plane) const {
    return trend_cell(run_, run_.find(growth_id(plane, fmt::format("new flow, last {}", run_.protocol()))));
  }
  [[nodiscard]] std::optional<std::string> way(const std::string& plane, std::size_t which) const {
    const auto ways = run_.ways(plane);
    return which < ways.size() ? std::optional(ways[which]) : std::nullopt;
  }
  [[nodiscard]] json change(const std::string& plane, std::size_t which) const {
    const auto chosen = way(plane, which);
    if (!chosen) {
      return nullptr;
    }
    json out = linked(run_, run_.find(cell_id("update", plane, services_,
                                              chosen->empty() ? "change" : "change/" + *chosen)));
    if (!out.is_null() && !chosen->empty()) {
      out["note"] = *chosen;
    }
    return out;
  }
  [[nodiscard]] json change_trend(const std::string& plane) const {
    const auto chosen = way(plane, 0);
    if (!chosen) {
      return nullptr;
    }
    return trend_cell(
        run_, run_.find(growth_id(plane, chosen->empty() ? std::string("change endpoints")
                                                         : fmt::format("change endpoints ({})", *chosen))));
  }
  [[nodiscard]] json state(const std::string& plane, std::string_view what) const {
    return linked(run_, run_.find(cell_id("state", plane, services_, what)));
  }
  static json needs(const std::string& plane) {
    const PlaneRow* row = find_plane(plane);
    return row == nullptr ? json() : json(row->requires_kernel);
  }

  const PageRun& run_;
  Loan loan_;
  std::vector<std::string> own_;
  std::vector<std::string> lent_{};
  std::size_t services_ = 0;
  json group_{};
  json rows_ = json::array();
};

// ---- crossings ----

// `a` beside `b`, told from a's side, or from b's.
std::string course_text(const Field& one, bool other_side) {
  std::string course = one.at("course").text();
  const auto services = one.at("services").number_if_any();
  const auto interval = one.at("interval").interval();
  const bool dearer = (course.find("dearer") != std::string::npos) != other_side;
  const std::string_view word = dearer ? "dearer" : "cheaper";
  if (course.starts_with("becomes") && services && interval) {
    return fmt::format("{} from N = {} on [{}, {}]", word, whole(*services), whole(interval->low),
                       whole(interval->high));
  }
  return course.ends_with("throughout") ? fmt::format("{} at every N", word) : "inconclusive";
}

void add_crossing_table(const PageRun& run, const std::string& what, const std::vector<Field>& crossings,
                        json& blocks) {
  std::vector<std::string> planes;
  std::map<std::pair<std::string, std::string>, std::string> courses;
  std::vector<double> sizes;
  for (const Field& one : crossings) {
    if (one.at("what").text() != what) {
      continue;
    }
    const std::string plane = one.at("plane").text();
    const std::string beside = one.at("beside").text();
    add_unique(planes, plane);
    add_unique(planes, beside);
    courses[{plane, beside}] = course_text(one, false);
    courses[{beside, plane}] = course_text(one, true);
    sizes = one.at("sizes").numbers();
  }
  json head = json::array({"is … than"});
  json rows = json::array();
  for (const std::string& plane : planes) {
    head.push_back({{"plane", plane}});
    json row = json::array({label_of(plane)});
    for (const std::string& beside : planes) {
      const auto found = courses.find({plane, beside});
      row.push_back(found == courses.end() ? json() : json(found->second));
    }
    rows.push_back(std::move(row));
  }
  blocks.push_back(
      {{"id", fmt::format("crossings-{}-{}", run.index(), blocks.size())},
       {"run", run.index()},
       {"classes", "even"},
       {"title", fmt::format("Who is dearer: {}", what)},
       {"caption", sizes.size() == 2
                       ? fmt::format("Between {} and {} Services. A course is told when 97.5 % of 1,000 "
                                     "resamples of the rounds take it.",
                                     whole(sizes[0]), whole(sizes[1]))
                       : ""},
       {"head", std::move(head)},
       {"rows", std::move(rows)}});
}

// ---- verify ----

struct Behaviour {
  std::vector<std::string> passed{};
  std::vector<std::string> failed{};
  std::vector<std::string> not_offered{};
};

json behaviour_cell(const Behaviour& one) {
  if (!one.failed.empty()) {
    return {{"text", "✕ fails"}, {"mood", "bad"}, {"note", fmt::format("{}", fmt::join(one.failed, ", "))}};
  }
  if (!one.passed.empty()) {
    json out{{"text", "✓ passes"}, {"mood", "good"}};
    if (!one.not_offered.empty()) {
      out["note"] = fmt::format("not offered: {}", fmt::join(one.not_offered, ", "));
    }
    return out;
  }
  return one.not_offered.empty() ? json() : json{{"text", "not offered"}, {"mood", "none"}};
}

}  // namespace

void add_chapter_table(const PageRun& run, json& blocks) {
  ChapterTable table(run);
  if (!table.is_comparison()) {
    return;
  }
  json after = json::array();
  add_quick_look(run, after);
  for (const Field& missing : run.document().at("missing").elements()) {
    after.push_back(fmt::format("{} was not measured: {}", label_of(missing.at("plane").text()),
                                missing.at("why").text()));
  }
  blocks.push_back(
      {{"id", fmt::format("table-4-2-{}", run.index())},
       {"run", run.index()},
       {"title", fmt::format("At {} Services", grouped(table.services()))},
       {"caption",
        "Medians with 95 % intervals; paths are from wire to wire through a node's veth devices. Every "
        "figure links to its evidence."},
       {"head", table.head()},
       {"rows", table.rows()},
       {"after", std::move(after)}});
}

void add_crossings(const PageRun& run, json& blocks) {
  if (!run.document().at("crossings").json().is_array() || run.file().command == "iptables") {
    return;
  }
  const auto crossings = run.document().at("crossings").elements();
  std::vector<std::string> whats;
  for (const Field& one : crossings) {
    add_unique(whats, one.at("what").text());
  }
  for (const std::string& what : whats) {
    add_crossing_table(run, what, crossings, blocks);
  }
}

void add_borrowed(const PageRun& run, json& blocks) {
  for (const Field& lent : run.document().at("borrowed").elements()) {
    json rows = json::array();
    for (const Field& one : lent.at("cells").elements()) {
      std::string what = one.at("flow").text_if_any();
      what = what.empty() ? one.at("operation").text_if_any()
                          : fmt::format("{}, {} {}", what, one.at("position").text_if_any(),
                                        one.at("protocol").text_if_any());
      std::string vias;
      for (const Field& via : one.at("via").elements()) {
        const auto ratio = via.at("ratio").estimate();
        vias += fmt::format("{}{:.2f} x {}", vias.empty() ? "" : "; ", ratio ? ratio->value : 0,
                            via.at("plane").text());
      }
      const auto ns = one.at("scaled_ns").estimate();
      rows.push_back({label_of(one.at("plane").text()), grouped(one.at("services").count()),
                      what.empty() ? "sync" : what,
                      ns ? json{{"value", ns->value},
                                {"low", ns->interval ? json(ns->interval->low) : json()},
                                {"high", ns->interval ? json(ns->interval->high) : json()},
                                {"unit", "ns"}}
                         : json(),
                      vias});
    }
    const Field source = lent.at("source");
    const std::string emulated = source.at("emulated").text_if_any();
    blocks.push_back(
        {{"id", fmt::format("borrowed-{}", run.index())},
         {"run", run.index()},
         {"title", "Borrowed figures"},
         {"folded", true},
         {"caption",
          fmt::format("From {} (kernel {}{}): the ratio to a plane that both runs measured, there, times "
                      "what that plane costs here. Not measured on this machine.",
                      file_name(source.at("file").text_if_any()), source.at("kernel").text_if_any(),
                      emulated.empty() ? "" : ", emulated: " + emulated)},
         {"head", {"plane", "services", "what", "estimate", "by way of"}},
         {"rows", std::move(rows)}});
  }
}

void add_behaviours(const PageRun& run, json& blocks) {
  if (run.file().command != "verify") {
    return;
  }
  const Field document = run.document();
  std::vector<std::string> planes;
  std::vector<std::string> names;
  std::map<std::pair<std::string, std::string>, Behaviour> matrix;
  json evidence = json::array();
  for (const Field& one : document.at("cases").elements()) {
    const std::string plane = one.at("plane").text();
    const std::string name = one.at("behaviour").text();
    const std::string outcome = one.at("outcome").text();
    const std::string variant = one.at("family").text() + " " + one.at("protocol").text();
    add_unique(planes, plane);
    add_unique(names, name);
    Behaviour& cell = matrix[{name, plane}];
    (outcome == "pass"   ? cell.passed
     : outcome == "fail" ? cell.failed
                         : cell.not_offered)
        .push_back(variant);
    evidence.push_back({name, label_of(plane), variant, outcome, one.at("evidence").text_if_any()});
  }
  json head = json::array({"behaviour"});
  for (const std::string& plane : planes) {
    head.push_back({{"plane", plane}});
  }
  json rows = json::array();
  for (const std::string& name : names) {
    const Field about = document.at("behaviours").at(name.c_str());
    json row = json::array();
    row.push_back({{"text", about.at("title").text_if_any()}, {"note", about.at("demands").text_if_any()}});
    for (const std::string& plane : planes) {
      row.push_back(behaviour_cell(matrix[{name, plane}]));
    }
    rows.push_back(std::move(row));
  }
  json after = json::array();
  for (const Field& missing : document.at("missing").elements()) {
    after.push_back(fmt::format("{} was not tried: {}", label_of(missing.at("plane").text()),
                                missing.at("why").text()));
  }
  blocks.push_back({{"id", fmt::format("behaviours-{}", run.index())},
                    {"run", run.index()},
                    {"title", "What each plane does"},
                    {"caption", "Real clients and servers talk through every plane, set up alike."},
                    {"head", std::move(head)},
                    {"rows", std::move(rows)},
                    {"after", std::move(after)}});
  blocks.push_back({{"id", fmt::format("behaviour-evidence-{}", run.index())},
                    {"run", run.index()},
                    {"title", "What was seen"},
                    {"folded", true},
                    {"head", {"behaviour", "plane", "variant", "outcome", "evidence"}},
                    {"rows", std::move(evidence)}});
}

void add_churn(const PageRun& run, json& blocks) {
  if (run.file().command != "churn") {
    return;
  }
  const Field document = run.document();
  json rows = json::array();
  for (const Field& phase : document.at("phases").elements()) {
    for (const auto& [key, flow] :
         {std::pair{"new_flows", "new flows"}, std::pair{"established_flows", "established flows"}}) {
      for (const char* which : {"changing", "steady"}) {
        const Field tally = phase.at(key).at(which);
        const auto count = [&](const char* name) { return json(grouped(tally.at(name).count())); };
        const auto time = [&](const char* name) {
          const auto ns = tally.at(name).number_if_any();
          return ns ? json{{"value", *ns}, {"low", json()}, {"high", json()}, {"unit", "ns"}} : json();
        };
        const auto delayed = tally.at("delayed").number_if_any();
        rows.push_back({phase.at("name").text(), fmt::format("{}, {} Services", flow, which), count("sent"),
                        count("wrong"), count("half_changed"), count("damaged"), count("lost"),
                        delayed ? json(whole(*delayed)) : json(), time("p50_ns"), time("p99_ns")});
      }
    }
  }
  json after = json::array();
  const Field changes = document.at("changes");
  const auto rate = changes.at("rate").number_if_any();
  after.push_back(fmt::format("{} changes in {:.1f} s: {:.1f} a second{}",
                              grouped(changes.at("done").count()), changes.at("seconds").number(),
                              changes.at("rate_reached").number(),
                              rate ? fmt::format(", {:.1f} asked for", *rate) : ""));
  for (const Cell& cell : run.file().cells) {
    if (cell.id.ends_with("/effect")) {
      after.push_back(
          fmt::format("from a change to the first packet that shows it: median {:.2f} ms, {} changes",
                      cell.value / 1e6, grouped(cell.samples)));
    }
    if (cell.id.ends_with("/highest-rate")) {
      after.push_back(fmt::format("highest rate of changes kept up with: {:.1f} a second", cell.value));
    }
  }
  for (const Field& example : document.at("examples").elements()) {
    after.push_back("seen: " + example.text());
  }
  blocks.push_back(
      {{"id", fmt::format("churn-{}", run.index())},
       {"run", run.index()},
       {"title", fmt::format("{}, {} Services", label_of(document.at("plane").text()),
                             grouped(document.at("services").count()))},
       {"caption",
        "What became of every packet while Services changed. Wrong: at a backend of another Service, or "
        "one that its "
        "Service no longer, or not yet, has. Half changed: at an address that is nobody's backend."},
       {"head",
        {"phase", "packets", "sent", "wrong", "half changed", "damaged", "lost", "delayed", "p50", "p99"}},
       {"rows", std::move(rows)},
       {"after", std::move(after)}});
}

void add_ruleset(const PageRun& run, json& blocks) {
  const Field ruleset = run.document().at("ruleset");
  if (ruleset.is_null()) {
    return;
  }
  json rows = json::array();
  json after = json::array();
  for (const Field& one : run.document().at("loads").elements()) {
    const std::string load = one.at("load").text();
    const std::string missing = one.at("missing").text_if_any();
    const Cell* cell = run.find(
        fmt::format("ruleset/{}/{}", id_part("iptables-" + one.at("backend").text()), id_part(load)));
    if (cell == nullptr) {
      if (load == "first") {
        after.push_back(fmt::format("{} was not measured: {}", one.at("label").text(), missing));
      }
      continue;
    }
    const auto part = [&](const char* name) {
      const auto found = cell->also.find(name);
      return found == cell->also.end()
                 ? json()
                 : json{{"value", found->second}, {"low", json()}, {"high", json()}, {"unit", "ns"}};
    };
    rows.push_back({one.at("label").text(), load == "first" ? "first load" : load, linked(run, cell),
                    part("tool_user_ns"), part("tool_system_ns"), grouped(cell->samples)});
  }
  blocks.push_back(
      {{"id", fmt::format("ruleset-{}", run.index())},
       {"run", run.index()},
       {"title", fmt::format("{} rules of {}, {} chains", grouped(ruleset.at("rules").count()),
                             ruleset.at("family").text(), grouped(ruleset.at("chains").count()))},
       {"caption",
        "iptables-restore of the whole ruleset, launch to exit: medians with 95 % intervals. First load: "
        "into "
        "a network namespace without rules; reload: over itself, where it is in place."},
       {"head", {"back end", "load", "time", "user", "system", "loads"}},
       {"rows", std::move(rows)},
       {"after", std::move(after)}});
}

void add_connects(const PageRun& run, json& blocks) {
  if (run.file().command != "connect") {
    return;
  }
  std::vector<std::string> whats;
  for (const Cell& cell : run.file().cells) {
    if (cell.scenario == "connect") {
      add_unique(whats, cell.what);
    }
  }
  json head = json::array({"plane"});
  for (const std::string& what : whats) {
    head.push_back(what);
  }
  json rows = json::array();
  for (const std::string& plane : run.planes({"connect"})) {
    json row = json::array({label_of(plane)});
    for (const std::string& what : whats) {
      const auto found =
          std::find_if(run.file().cells.begin(), run.file().cells.end(), [&](const Cell& cell) {
            return cell.scenario == "connect" && cell.plane == plane && cell.what == what;
          });
      row.push_back(found == run.file().cells.end() ? json() : linked(run, &*found));
    }
    rows.push_back(std::move(row));
  }
  json after = json::array();
  for (const Field& plane : run.document().at("planes").elements()) {
    const std::string why = plane.at("tcp_not_offered").text_if_any();
    if (!why.empty()) {
      after.push_back(fmt::format("{}: TCP {}", label_of(plane.at("plane").text()), why));
    }
  }
  blocks.push_back(
      {{"id", fmt::format("connect-{}", run.index())},
       {"run", run.index()},
       {"title", fmt::format("At {} Services", grouped(run.document().at("services").count()))},
       {"caption", "Real sockets of a pod; medians with 95 % intervals."},
       {"head", std::move(head)},
       {"rows", std::move(rows)},
       {"after", std::move(after)}});
}

}  // namespace svcbench::html
