#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A small but whole result out of a real one: tests/shrink_run.py RUN.json > tests/data/runs/NAME.json

Cells are left out, and blocks of samples are cut; what is then made of the samples is made anew. For the files
that tests/unit/old_runs_test.cpp reads.
"""
import collections
import json
import os
import statistics
import sys

SAMPLES = 3  # of a block


def estimate(values, samples):
    enough = len(values) >= 6
    return {"value": statistics.median(values), "interval": [min(values), max(values)] if enough else None,
            "samples": samples}


def cut_blocks(blocks):
    return [block[:SAMPLES] for block in blocks]


def of_blocks(blocks):
    return estimate([statistics.median(block) for block in blocks], sum(len(block) for block in blocks))


def shrink_update(cell, whole):
    if "commit_ns" not in cell or not cell["commit_ns"]:
        return cell
    for key in ("commit_ns", "stage_ns"):
        cell[key] = cut_blocks(cell[key])
    both = [[c + s for c, s in zip(*pair)] for pair in zip(cell["commit_ns"], cell["stage_ns"])]
    cell["p50_ns"] = of_blocks(both if whole else cell["commit_ns"])
    if "p99_ns" in cell:
        cell.update(p99_ns=None, p99_interval_ns=None, max_ns=max(max(b) for b in cell["commit_ns"]),
                    stage_p50_ns=of_blocks(cell["stage_ns"]))
    return cell


def keep_path(cell):
    return cell["position"] in ("last", "random") and cell["plane"] in ("null", "ebpf-xdp", "ebpf-tc", "sink")


def first_of_each(cells, key, count=1):
    seen = collections.Counter()
    kept = []
    for cell in cells:
        seen[key(cell)] += 1
        if seen[key(cell)] <= count:
            kept.append(cell)
    return kept


def main():
    run = json.load(open(sys.argv[1], encoding="utf-8"))
    command = run["run"]["command"]
    line = run["run"]["command_line"].split()
    run["run"]["command_line"] = " ".join(["./svcbench"] + [os.path.basename(word) for word in line[1:]])
    run["run"]["git_revision"] = run["run"]["git_revision"].removesuffix("-dirty")
    if "paths" in run:
        run["paths"] = first_of_each([cell for cell in run["paths"] if keep_path(cell)],
                                     lambda cell: (cell["plane"], cell["services"], cell["position"]))
    if "updates" in run:
        run["updates"] = [shrink_update(cell, command != "ebpf") for cell in run["updates"]]
        run["updates"] = first_of_each(run["updates"], lambda cell: (cell["plane"], cell.get("way")), 2)
    for cell in run.get("programs", []):
        cell["ns_per_packet"] = cut_blocks(cell["ns_per_packet"])
        cell["p50_ns"] = of_blocks(cell["ns_per_packet"])
    if "programs" in run:
        run["programs"] = first_of_each(run["programs"], lambda cell: cell["depth"])
    for key in ("growth", "path_growth", "crossings"):
        if key in run:
            run[key] = run[key][:3]
    if command == "churn":
        run["effect_ns"] = run["effect_ns"][:10]
        changes = run["changes"]
        changes["step_due_issued_committed_ns"] = changes["step_due_issued_committed_ns"][:5]
        for phase in run["phases"]:
            for flows in ("new_flows", "established_flows"):
                for which in ("changing", "steady"):
                    phase[flows][which]["latency_ns"] = phase[flows][which]["latency_ns"][:5]
    for plane in run.get("planes", []) if command == "connect" else []:
        for key in ("udp_connect_ns", "tcp_connect_ns", "first_packet_ns"):
            plane[key]["blocks"] = cut_blocks(plane[key]["blocks"])
            plane[key]["p50"] = of_blocks(plane[key]["blocks"]) if plane[key]["blocks"] else None
    json.dump(run, sys.stdout, separators=(",", ":"), sort_keys=True)
    print()


if __name__ == "__main__":
    main()
