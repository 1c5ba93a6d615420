# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Runs as svcbench writes them, made up: small, and with whatever text a test wants in them."""

PLANES = {"null": (1800, 0), "iptables-legacy": (4000, 0.15), "iptables-nft": (5000, 0.45),
          "nftables": (4200, 0), "ebpf-xdp": (1000, 0), "ebpf-tc": (2000, 0)}


def estimate(value, samples=12):
    return {"value": value, "interval": [value * 0.95, value * 1.1], "samples": samples}


def head(command, seconds=3):
    return {
        "schema_version": 1,
        "environment": {
            "kernel": {"release": "6.12.0", "version": "#1", "machine": "x86_64"},
            "distribution": "Debian GNU/Linux 13", "clocksource": "tsc", "memory_total_kib": 16777216,
            "cpu": {"model": "A CPU", "logical": 8, "hypervisor": False, "governor": "performance", "boost": False,
                    "governor_reason": None, "smt_active": False, "vulnerabilities": {"mds": "Not affected"}},
            "bpf": {"jit_enable": 1, "jit_harden": 0}, "versions": {"iptables": "iptables-nft 1.8.11"},
            "load_average": [0.1, 0.2, 0.3], "emulated": None, "kernel_source": None},
        "run": {"command": command, "command_line": f"./svcbench {command}", "svcbench_version": "0.1.0",
                "git_revision": "0123456789ab", "started_unix_seconds": 1790000000, "seed": 1, "rounds": 20,
                "budget_seconds": 300.0, "sweep": [100, 500, 1000], "workload": "1,000 services of 3 endpoints",
                "notes": [], "bpf_compiler": "clang"},
        "seconds": seconds,
        "verdicts": [],
    }


def verdict(outcome="holds", claim="iptables looks a service up by a linear scan"):
    return {"id": "a-claim", "claim": claim, "outcome": outcome, "summary": f"{outcome}: a reason",
            "evidence": ["b = 0.45 [0.43, 0.47]"], "would_settle": "more rounds" if outcome == "inconclusive" else None}


def path(plane, services, flow, position, p50, protocol="UDP"):
    return {"plane": plane, "services": services, "flow": flow, "position": position, "protocol": protocol,
            "family": "IPv4", "packets": 20000, "p50_ns": estimate(p50), "p90_ns": p50 * 1.2, "p99_ns": p50 * 2,
            "p999_ns": p50 * 8, "volley_p50_ns": [p50], "volley_p99_ns": [p50 * 2], "packets_per_second": [],
            "histogram_relative_error": 0.0078125,
            "histogram": [[round(p50 * (1 + i / 20)), 20000 // 2 ** (i + 1)] for i in range(14)]}


def growth(plane, what, exponent):
    return {"plane": plane, "what": what, "exponent": exponent, "interval": [exponent - 0.02, exponent + 0.02],
            "rounds": 12, "trend": "flat", "ns_per_service": estimate(exponent)}


def compare(sizes=(100, 500, 1000), planes=None, positions=("first", "last", "random", "missing"),
            protocols=("UDP",)):
    planes = PLANES if planes is None else planes
    run = head("compare")
    run.update(planes=list(planes), missing=[{"plane": "ipvs", "why": "this kernel has no IPVS"}], syncs=[], updates=[],
               paths=[], states=[], growth=[], borrowed=[], crossings=[], agreements=[], sync_checks=[], notes=[],
               instrument={"clock_ns": 30.0})
    for plane, (base, b) in planes.items():
        for n in sizes:
            for flow, share in (("new flow", 1.0), ("established flow", 0.5)):
                for position in positions:
                    for protocol in protocols:
                        cost = base * share * (n / 100) ** (b if flow == "new flow" else 0)
                        run["paths"].append(path(plane, n, flow, position, cost, protocol))
                        if position == "random" and (plane, flow) != ("nftables", "established flow"):
                            run["paths"][-1]["packets_per_second"] = [1e9 / cost * (1 + i / 100) for i in range(7)]
            if plane == "null":
                continue
            ebpf = plane.startswith("ebpf")
            for way in (["partial", "full"] if plane.startswith("iptables") else [None]):
                cost = {"partial": 2e4, "full": 9e4}.get(way, 100) * n + (2.5e6 if plane == "nftables" else 0)
                run["updates"].append({
                    "plane": plane, "way": way, "services": n, "operation": "change endpoints", "p50_ns": estimate(cost),
                    "commit_ns": [[cost]] * 6, "stage_ns": [[1.0]] * 6})
            run["syncs"].append({
                "plane": plane, "services": n, "p50_ns": estimate(n * 1e5),
                "repeats": [{"generate_ns": n * 1e4, "commit_ns": n * 9e4, "user_us": 0 if ebpf else n * 20,
                             "system_us": 0 if ebpf else n * 30, "tools": 0 if ebpf else 1,
                             "input_bytes": 0 if ebpf else 9}] * 6})
            run["states"].append({
                "plane": plane, "services": n, "conntrack_entries_per_1000_new_flows": 0 if ebpf else 1000,
                "flow_table_entries_per_1000_new_flows": 2000 if ebpf else None,
                "kernel_bytes": 1e6, "kernel_bytes_interval": [9e5, 2e6], "kernel_bytes_method": "maps",
                "user_peak": {"bytes": 3e6, "own_bytes": 1e6, "tool_bytes": 2e6, "method": "VmHWM"}})
        run["growth"].append(growth(plane, "new flow, last UDP", b))
    run["crossings"] = [{
        "what": "change endpoints (usual way)", "plane": "iptables-legacy", "beside": "nftables",
        "course": "becomes dearer", "services": 125.0, "interval": [110.0, 140.0], "sizes": [100.0, 1000.0],
        "rounds": 12}]
    run["verdicts"] = [verdict(), verdict("does not hold", "eBPF is free"), verdict("inconclusive", "updates stay flat")]
    return run


def ebpf():
    run = head("ebpf")
    run.update(updates=[], ratios=[], growth=[], fills=[], programs=[], account_checks=[], paths=[], path_growth=[],
               path_notes=[], instrument={"clock_ns": 30.0})
    for writes, ns in (("single", 9e6), ("batch", 3e6), ("mapped", 1e6)):
        for n in (100, 1000):
            run["fills"].append({"writes": writes, "services": n, "backends": 3 * n, "batched": True, "map_bytes": 4096,
                                 "p50_ns": estimate(ns * n / 1000), "ns": [ns * n / 1000] * 6})
    for hook in ("xdp", "tc"):
        for depth, ns, destinations in (("empty", 30, [None]), ("rewind", 31, [None]),
                                        ("lookup", 70, ["hot", "uniform"]), ("dnat", 130, ["hot", "uniform"])):
            for destination in destinations:
                run["programs"].append({
                    "hook": hook, "depth": depth, "family": "IPv4", "destination": destination, "services": 1000,
                    "packets_per_sample": 4096, "p50_ns": estimate(float(ns)), "ns_per_packet": [[float(ns)]] * 6,
                    "kernel_ns_per_packet": [float(ns)]})
    return run


def chapter():
    run = head("iptables")
    run.update(chapter={}, backends=[], loads=[], floors=[], growth=[], crossings=[])
    for backend in ("legacy", "nft"):
        for load in ("first load", "reload"):
            for n in (100, 1000, 10000):
                run["loads"].append({
                    "backend": backend, "load": load, "services": n, "rules": 3 * n + 7, "input_bytes": 1,
                    "wall_p50_ns": estimate(n * 6e4), "user_p50_ns": None, "system_p50_ns": None,
                    "generate_p50_ns": None, "chapter_ns": None, "times_chapter": None, "wall_ns": [n * 6e4] * 6,
                    "user_ns": [], "system_ns": [], "generate_ns": []})
    return run


def verify():
    run = head("verify")
    run.update(planes=["nftables", "ebpf-tc"], missing=[],
               behaviours={"spread": {"title": "spreads flows", "demands": "every endpoint gets its share"}}, cases=[])
    for plane, outcome in (("nftables", "pass"), ("ebpf-tc", "fail")):
        for family in ("IPv4", "IPv6"):
            run["cases"].append({"plane": plane, "behaviour": "spread", "family": family, "protocol": "TCP",
                                 "outcome": outcome, "evidence": "p = 0.4", "seconds": 0.1})
    return run


def churn():
    def tally():
        return {"sent": 1000, "right": 1000, "kept": 0, "no_endpoint": 0, "wrong": 0, "half_changed": 0, "damaged": 0,
                "lost": 0, "reset": 0, "delayed": 0, "p50_ns": 2000.0, "p99_ns": 9000.0, "latency_ns": []}
    run = head("churn")
    flows = {"changing": tally(), "steady": tally()}
    run.update(plane="ebpf-xdp", services=1000, wrong=0, half_changed=0, damaged=0, effect_ns=[1e6] * 7, search=None,
               phases=[{"name": name, "new_flows": flows, "established_flows": flows}
                       for name in ("before", "during", "after")],
               changes={"rate": 10, "seconds": 2, "due": 20, "done": 20, "rate_reached": 10, "kept_up": True}, examples=[])
    return run
