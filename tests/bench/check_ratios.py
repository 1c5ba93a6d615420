#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The performance that svcbench itself must reach, as ratios inside one run.

    tests/bench/check_ratios.py RUN.json

RUN.json is of `svcbench ebpf --services 100000 --sweep 5000 --json RUN.json` (the target `bench` runs it).
Ends with 1 where a ratio's interval lies wholly beyond its limit.
"""
import json
import statistics
import sys


def cell(cells, **wanted):
    return next(c for c in cells if all(c[k] == v for k, v in wanted.items()))


def program(run, depth, destination):
    found = cell(run["programs"], hook="xdp", depth=depth, destination=destination, services=5000, family="IPv4")
    return found["p50_ns"]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        run = json.load(file)
    empty = cell(run["programs"], hook="xdp", depth="empty", family="IPv4")["p50_ns"]["value"]
    rewind = cell(run["programs"], hook="xdp", depth="rewind", family="IPv4")["p50_ns"]["value"]
    bare = program(run, "bare", "uniform")
    dnat = program(run, "dnat", "uniform")
    rows = [("lookup + DNAT on XDP over the floor and one bare hash lookup, uniform, 5,000 services",
             dnat["value"] / bare["value"], dnat["interval"][0] / bare["interval"][1], "at most", 2.0)]
    for row in run["ratios"]:
        if row["services"] == 5000:
            ratio = row["ebpf_over_bare"]
            rows.append((f"{row['operation']} over its bare map syscall, 5,000 services", ratio["value"],
                         ratio["interval"][0], "at most", 1.3))
    single = cell(run["fills"], writes="single", services=100000)["ns"]
    mapped = cell(run["fills"], writes="mapped", services=100000)["ns"]
    batch = cell(run["fills"], writes="batch", services=100000)["ns"]
    gain = statistics.median(single) / statistics.median(mapped)
    rows.append(("fill of 100,000 services, single over batched and mapped", gain, max(single) / min(mapped),
                 "at least", 4.0))
    rows.append(("  (both maps by BPF_MAP_UPDATE_BATCH: the kernel's share, no limit of ours)",
                 statistics.median(single) / statistics.median(batch), None, "", None))

    print(f"XDP, ns a packet: empty {empty:.1f}, rewind {rewind:.1f}, bare lookup {bare['value']:.1f}, "
          f"lookup + DNAT {dnat['value']:.1f}")
    failed = 0
    for name, value, best, sense, limit in rows:
        if limit is None:
            print(f"      {value:6.2f}                  {name}")
            continue
        missed = best > limit if sense == "at most" else best < limit
        failed += missed
        print(f"{'FAIL' if missed else 'ok':4}  {value:6.2f}  {sense} {limit:4.1f}  {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
