#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How often printed 95 % intervals hold: over the runs that run.py made.

    tests/campaign/coverage.py FOLDER

Of every figure that all runs have, by kind, once as the multiple of known work and once as it is:

  holds the truth      how many of the intervals hold the mean of all other runs' figures
  holds another run    how many of the intervals that `diff` and `rerun` go by (of the ratio of two runs,
                       taken in turn) hold 1

with the interval of each share (Clopper and Pearson) as if figures were independent, which those of one run
are not: take it as a lower bound on its width. Also how known work scattered: what the machine did.
"""
import collections
import csv
import json
import math
import pathlib
import subprocess
import sys

PROGRAM = pathlib.Path(__file__).resolve().parent.parent.parent / "svcbench"


def beta_interval(hits, count):
    """Clopper and Pearson's 95 % interval of a share, by bisection of the binomial's tails."""
    def tail(share, low, high):
        return sum(math.exp(math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) +
                            k * math.log(share) + (count - k) * math.log1p(-share))
                   for k in range(low, high + 1))

    def solve(low, high, rises):
        bottom, top = 1e-12, 1 - 1e-12
        for _ in range(60):
            middle = (bottom + top) / 2
            if (tail(middle, low, high) < 0.025) == rises:
                bottom = middle
            else:
                top = middle
        return (bottom + top) / 2

    return (0.0 if hits == 0 else solve(hits, count, True),
            1.0 if hits == count else solve(0, hits, False))


def unit_column(row):
    """The column of its median, low and high: of the one unit that the row has."""
    for name in row:
        if name.startswith("median_") and row[name]:
            return name[len("median_"):]
    return None


def figures_of(path):
    """{(id, "times known work" or "as it is"): (value, low, high)}"""
    out = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            # Known work itself, and what the wire is measured with, is held against nothing.
            if row["scenario"] != "growth" and (row["scenario"] == "instrument" or not row.get("times_known_work")):
                continue
            unit = unit_column(row)
            if unit and row[f"low_{unit}"]:
                out[row["id"], "as it is"] = tuple(
                    float(row[f"{part}_{unit}"]) for part in ("median", "low", "high"))
            if row.get("times_known_work_low"):
                out[row["id"], "times known work"] = tuple(
                    float(row[f"times_known_work{part}"]) for part in ("", "_low", "_high"))
    return out


def mean_of(values, by_factors):
    if by_factors:
        return math.exp(sum(math.log(value) for value in values) / len(values))
    return sum(values) / len(values)


def count_truth(runs, counts):
    """Each interval, against the mean of the other runs."""
    for key in set.intersection(*(set(run) for run in runs)):
        scenario = key[0].split("/")[0]
        by_factors = all(run[key][0] > 0 for run in runs) and scenario != "growth"
        for i, run in enumerate(runs):
            others = [one[key][0] for j, one in enumerate(runs) if j != i]
            truth = mean_of(others, by_factors)
            _, low, high = run[key]
            counts[scenario, key[1], "holds the truth"].append(low <= truth <= high)


def count_reruns(files, counts):
    """Each run against the next one, by svcbench's own diff."""
    for before, after in zip(files, files[1:]):
        for way, options in (("times known work", []), ("as it is", ["--absolute"])):
            done = subprocess.run([PROGRAM, "diff", before, after, "--json", "-", *options],
                                  stdout=subprocess.PIPE, text=True, check=True)
            for figure in json.loads(done.stdout)["figures"]:
                ratio = figure["ratio"]
                if ratio and ratio["interval"] and figure["scenario"] != "instrument":
                    low, high = ratio["interval"]
                    counts[figure["id"].split("/")[0], way, "holds another run"].append(low <= 1 <= high)


def machine(folder):
    """What known work took, run by run."""
    took = collections.defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["scenario"] == "calibration":
                took[cell["quantity"]["name"]].extend(cell.get("values") or
                                                      [sorted(block)[len(block) // 2]
                                                       for block in cell["blocks"]])
    for name, values in took.items():
        values.sort()
        print(f"{name}: {len(values)} runs, {values[0]:.3g} to {values[-1]:.3g} ns "
              f"(x {values[-1] / values[0]:.2f})")


def main():
    folder = pathlib.Path(sys.argv[1])
    counts = collections.defaultdict(list)
    groups = collections.defaultdict(list)
    for path in sorted(folder.glob("*.csv")):
        groups[path.stem.rsplit("-", 1)[0]].append(path)
    if not groups or min(len(files) for files in groups.values()) < 3:
        sys.exit(f"coverage: {folder}: there are no three runs of a command: make them by run.py")
    for files in groups.values():
        count_truth([figures_of(path) for path in files], counts)
        count_reruns([path.with_suffix(".json") for path in files], counts)
    print(f"{'figures':<12} {'told':<17} {'interval':<18} {'of':>6} {'hold':>6}  share")
    for (scenario, way, what), held in sorted(counts.items()):
        low, high = beta_interval(sum(held), len(held))
        print(f"{scenario:<12} {way:<17} {what:<18} {len(held):>6} {sum(held):>6}  "
              f"{100 * sum(held) / len(held):.1f} % [{100 * low:.1f}, {100 * high:.1f}]")
    print()
    machine(folder)


if __name__ == "__main__":
    main()
