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


def cell(run, name):
    return next(c for c in run["cells"] if c["id"] == name)


def program(run, depth, destination):
    return cell(run, f"program/ebpf-xdp/5000/{depth}/{destination}/IPv4")


def medians(found):
    return [statistics.median(block) for block in found["blocks"]]


def update_rows(run):
    """What each operation costs over its bare map syscall, in pairs of blocks of one round."""
    for operation in ("change", "add", "remove"):
        ours = medians(cell(run, f"update/ebpf/5000/{operation}"))
        bare = medians(cell(run, f"update/bare/5000/{operation}"))
        ratios = sorted(a / b for a, b in zip(ours, bare))
        # The order statistics of a 95 % interval of 12 rounds' median: the third, and the third last.
        low = ratios[len(ratios) // 4 - 1] if len(ratios) >= 8 else ratios[0]
        yield f"{operation} over its bare map syscall, 5,000 services", statistics.median(ratios), low, "at most", 1.3


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        run = json.load(file)
    floors = {}
    for depth in ("empty", "rewind"):
        floors[depth] = next(c["value"] for c in run["cells"] if c["scenario"] == "program"
                             and c["at"]["hook"] == "xdp" and c["at"]["depth"] == depth
                             and c["at"]["family"] == "IPv4")
    bare = program(run, "bare", "uniform")
    dnat = program(run, "dnat", "uniform")
    rows = [("lookup + DNAT on XDP over the floor and one bare hash lookup, uniform, 5,000 services",
             dnat["value"] / bare["value"], dnat["interval"][0] / bare["interval"][1], "at most", 2.0)]
    rows.extend(update_rows(run))
    single, mapped, batch = (cell(run, f"fill/ebpf/100000/{writes}")["values"]
                             for writes in ("single", "mapped", "batch"))
    gain = statistics.median(single) / statistics.median(mapped)
    rows.append(("fill of 100,000 services, single over batched and mapped", gain, max(single) / min(mapped),
                 "at least", 4.0))
    rows.append(("  (both maps by BPF_MAP_UPDATE_BATCH: the kernel's share, no limit of ours)",
                 statistics.median(single) / statistics.median(batch), None, "", None))

    print(f"XDP, ns a packet: empty {floors['empty']:.1f}, rewind {floors['rewind']:.1f}, bare lookup {bare['value']:.1f}, "
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
