#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How often printed 95 % intervals hold: over the runs that run.py made.

    tests/campaign/coverage.py FOLDER

Of every figure that all results have, by kind, once as the multiple of known work and once as it is:

  holds the truth      how many of the intervals hold the mean of all other results' figures
  holds another        how many of the intervals that `diff` and `rerun` go by (of the ratio of two results,
                       taken in turn) hold 1

and both for results whose runs are not those that followed each other, but the same runs dealt out anew, so
that each result's are spread over the whole campaign, as --across makes them ("spread"). Each share has its
interval (Clopper and Pearson), as if figures were independent, which those of one result are not: take it as a
lower bound on its width. Also in how many pairs `diff` told any difference, and how known work scattered: what
the machine did.
"""
import collections
import csv
import json
import math
import pathlib
import statistics
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
    """Each result against the next one, by svcbench's own diff. Returns what each figure's control is, and of
    how many pairs how many had a difference."""
    controls, different = {}, 0
    for before, after in zip(files, files[1:]):
        for way, options in (("times known work", []), ("as it is", ["--absolute"])):
            done = subprocess.run([PROGRAM, "diff", before, after, "--json", "-", *options],
                                  stdout=subprocess.PIPE, text=True, check=True)
            figures = json.loads(done.stdout)["figures"]
            if not options:
                controls = {figure["id"]: figure.get("control") for figure in figures}
                different += any(figure["change"] in ("slower", "faster", "more", "less")
                                 for figure in figures)
            for figure in figures:
                ratio = figure["ratio"]
                if ratio and ratio["interval"] and figure["scenario"] != "instrument":
                    low, high = ratio["interval"]
                    counts[figure["id"].split("/")[0], way, "holds another"].append(low <= 1 <= high)
    return controls, len(files) - 1, different


def student(freedom):
    """Student's 97.5 % quantile: by bisection of the density's integral (Simpson)."""
    def half(t, steps=400):
        width = t / steps
        density = [(1 + (i * width) ** 2 / freedom) ** (-(freedom + 1) / 2) for i in range(steps + 1)]
        return width / 3 * (density[0] + density[-1] + 4 * sum(density[1:-1:2]) + 2 * sum(density[2:-1:2]))

    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi * freedom)
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if scale * half(middle) < 0.475 else (low, middle)
    return low


def runs_of(path):
    """{id: the logarithm of each run's figure}, of the cells that all runs of this result have."""
    document = json.loads(path.read_text(encoding="utf-8"))
    count = len(document["run"]["runs"])
    out = {}
    for cell in document["cells"]:
        values = [statistics.median(block) for block in cell.get("blocks", []) if block] or cell.get("values", [])
        if len(values) == count and min(values) > 0:
            out[cell["id"]] = [math.log(value) for value in values]
    return out


def spread_over(results, runs, groups):
    """The same runs in other results: of each group's every `groups`-th result another run."""
    return [[[results[group + groups * j][(i + j) % runs] for j in range(runs)] for i in range(runs)]
            for group in range(groups)]


def count_spread(files, controls, counts):
    results = [runs_of(path.with_suffix(".json")) for path in files]
    runs = min((len(values) for result in results for values in result.values()), default=0)
    groups = len(results) // runs if runs > 1 else 0
    if groups < 2:
        return
    quantile = {freedom: student(freedom) for freedom in range(runs - 1, 2 * runs - 1)}
    ids = set.intersection(*(set(result) for result in results))
    for name in ids & set(controls):
        if name.startswith("instrument/"):
            continue
        for way, control in (("times known work", controls[name]), ("as it is", None)):
            if way == "times known work" and control not in ids:
                continue
            of_results = [[value - (result[control][i] if control else 0) for i, value in
                           enumerate(result[name])] for result in results]
            truth = statistics.mean(value for values in of_results for value in values)
            dealt = spread_over(of_results, runs, groups)
            kind = name.split("/")[0]
            for values in (values for group in dealt for values in group):
                error = math.sqrt(statistics.variance(values) / runs)
                counts[kind, way, "spread: holds the truth"].append(
                    abs(statistics.mean(values) - truth) <= quantile[runs - 1] * error)
            for one, other in zip(dealt, dealt[1:]):
                for a, b in zip(one, other):
                    errors = [statistics.variance(values) / runs for values in (a, b)]
                    freedom = runs - 1 if sum(errors) == 0 else int(
                        sum(errors) ** 2 * (runs - 1) / sum(error ** 2 for error in errors))
                    counts[kind, way, "spread: holds another"].append(
                        abs(statistics.mean(a) - statistics.mean(b)) <=
                        quantile[freedom] * math.sqrt(sum(errors)))


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
    told = []
    for name, files in groups.items():
        count_truth([figures_of(path) for path in files], counts)
        controls, pairs, different = count_reruns([path.with_suffix(".json") for path in files], counts)
        count_spread(files, controls, counts)
        told.append(f"{name}: diff tells a difference in {different} of {pairs} pairs")
    print(f"{'figures':<12} {'told':<17} {'interval':<23} {'of':>6} {'hold':>6}  share")
    for (scenario, way, what), held in sorted(counts.items()):
        low, high = beta_interval(sum(held), len(held))
        print(f"{scenario:<12} {way:<17} {what:<23} {len(held):>6} {sum(held):>6}  "
              f"{100 * sum(held) / len(held):.1f} % [{100 * low:.1f}, {100 * high:.1f}]")
    print()
    print("\n".join(told))
    machine(folder)


if __name__ == "__main__":
    main()
