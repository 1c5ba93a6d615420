#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A small but whole run out of a real one: tests/shrink_run.py RUN.json > tests/data/runs/NAME.json

Cells are left out, and blocks of samples are cut; what is then made of the samples is made anew. For the files
that tests/unit/old_runs_test.cpp reads.
"""
import collections
import json
import os
import statistics
import sys

CELLS = 2  # of a scenario, plane and sort
SAMPLES = 3  # of a block


def shrink(cell):
    if "blocks" in cell:
        cell["blocks"] = [block[:SAMPLES] for block in cell["blocks"]]
        medians = [statistics.median(block) for block in cell["blocks"] if block]
        cell["value"] = statistics.median(medians)
        cell["interval"] = [min(medians), max(medians)] if len(medians) >= 6 else None
        cell["samples"] = sum(len(block) for block in cell["blocks"])
        cell["parts"] = {name: [block[:SAMPLES] for block in part] if len(part) > 1 else part
                         for name, part in cell.get("parts", {}).items()}
    return cell


def sort_of(cell):
    at = cell.get("at", {})
    return (cell["scenario"], cell["plane"], cell["origin"], at.get("position"), at.get("way"), at.get("depth"),
            at.get("kept"), at.get("call"), at.get("phase"))


def main():
    run = json.load(open(sys.argv[1], encoding="utf-8"))
    line = run["run"]["command_line"].split()
    run["run"]["command_line"] = " ".join(["./svcbench"] + [os.path.basename(word) for word in line[1:]])
    run["run"]["git_revision"] = run["run"]["git_revision"].removesuffix("-dirty")
    seen = collections.Counter()
    kept = []
    for cell in run["cells"]:
        seen[sort_of(cell)] += 1
        if seen[sort_of(cell)] <= CELLS:
            kept.append(shrink(cell))
    run["cells"] = kept
    churn = run["details"].get("churn")
    if churn:
        churn["changes"]["step_due_issued_committed_ns"] = churn["changes"]["step_due_issued_committed_ns"][:10]
    json.dump(run, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main()
