#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Two runs of svcbench beside each other, cell by cell: tests/vm/compare_runs.py [--within PERCENT] ONE TWO

Takes two --json files of one command (compare, path or ebpf) and tells how far their medians are apart, and
how many of their 95 % intervals overlap. With --within it exits with 1 if a cell's medians of the path or of
the programs differ by more than that, and names each.
"""
import argparse
import json
import sys


def cells(run):
    """(scenario, id) -> the cell, which has a median with its interval."""
    return {(cell["scenario"], cell["id"]): cell for cell in run["cells"]
            if cell["origin"] == "measured" and cell["scenario"] in ("path", "program", "update", "sync")}


def overlap(one, other):
    return one["interval"][0] <= other["interval"][1] and other["interval"][0] <= one["interval"][1]


def quantile(ascending, share):
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--within", type=float, metavar="PERCENT", help="largest difference of two medians")
    parser.add_argument("--show", type=int, default=5, metavar="N", help="the N cells that differ most (5)")
    parser.add_argument("runs", nargs=2, metavar="RUN.json")
    arguments = parser.parse_args()
    one, two = (json.load(open(path, encoding="utf-8")) for path in arguments.runs)
    first, second = cells(one), cells(two)
    for key in sorted(first.keys() ^ second.keys()):
        print(f"in one run only: {', '.join(key)}")
    both = [key for key in first if key in second]
    if not both:
        sys.exit("compare_runs: the two have no cell in common")

    bad = len(first.keys() ^ second.keys())
    for what in ("path", "program", "update", "sync"):
        keys = [key for key in both if key[0] == what]
        if not keys:
            continue
        apart = {key: 100 * abs(second[key]["value"] / first[key]["value"] - 1) for key in keys}
        ascending = sorted(apart.values())
        print(f"{what}: {len(keys)} cells; their medians differ by {quantile(ascending, 0.5):.3f} % (p50), "
              f"{quantile(ascending, 0.9):.3f} % (p90), {ascending[-1]:.3f} % (most); "
              f"the same in {sum(share == 0 for share in ascending)}")
        with_interval = [key for key in keys if first[key]["interval"] and second[key]["interval"]]
        hold = [key for key in with_interval if overlap(first[key], second[key])]
        print(f"  95 % intervals overlap in {len(hold)} of {len(with_interval)}")
        strict = arguments.within is not None and what in ("path", "program")
        for place, key in enumerate(sorted(keys, key=apart.get, reverse=True)):
            over = strict and apart[key] > arguments.within
            bad += over
            if over or place < arguments.show:
                print(f"  {apart[key]:7.3f} %  {', '.join(key[1:])}: {first[key]['value']:.1f} and "
                      f"{second[key]['value']:.1f} {first[key]['quantity']['unit']}{': too far apart' if over else ''}")
    if arguments.within is not None:
        if bad:
            sys.exit(f"compare_runs: {bad} cells are more than {arguments.within} % apart, or in one run only")
        print(f"every median of the path and of the programs came back within {arguments.within} %")


if __name__ == "__main__":
    main()
