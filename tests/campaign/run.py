#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Many runs of the main cells, spread over time: what coverage.py holds the printed intervals against.

    sudo tests/campaign/run.py --out FOLDER [--times 20] [--across 2h] [--runs 5] [--short]

Each time every command below is run once, with --runs, and its --json and --csv go to FOLDER/COMMAND-NN.json
and .csv. What is there already is kept: the same command line goes on with a campaign that was cut off.
"""
import argparse
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# The main cells: every kind of packet's path through three planes, a change of them, and the main job's maps
# and programs. Budgets with room for all of it: a figure that one of a result's runs lacks is no figure.
COMMANDS = {
    "path": ["path", "--plane", "nftables,ebpf-xdp,ebpf-tc", "--services", "1000", "--sweep", "1000",
             "--rounds", "6", "--budget", "30"],
    "update": ["compare", "--planes", "nftables,ebpf-xdp", "--scenarios", "update",
               "--services", "1000", "--sweep", "1000", "--rounds", "8", "--budget", "15"],
    "ebpf": ["ebpf", "--services", "1000", "--sweep", "100,1000", "--rounds", "12", "--budget", "20"],
}
SHORT = {
    "compare": ["compare", "--planes", "ebpf-xdp", "--scenarios", "path,update", "--services", "20",
                "--sweep", "20", "--rounds", "6", "--packets", "100", "--budget", "12"],
}
VERDICTS = (0, 3, 4)


def seconds(text):
    """ "90", "90s", "30m", "2h". """
    unit = {"s": 1, "m": 60, "h": 3600}
    return float(text[:-1]) * unit[text[-1]] if text[-1] in unit else float(text)


def measure(program, command, stem, runs):
    whole = [program, *command, "--runs", str(runs), "--quiet",
             "--json", f"{stem}.json", "--csv", f"{stem}.csv"]
    done = subprocess.run(whole, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in VERDICTS:
        sys.exit(f"campaign: {' '.join(whole)} ended with exit code {done.returncode}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--across", type=seconds, default=7200.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=sorted(COMMANDS), action="append", help="one command, or several")
    parser.add_argument("--short", action="store_true", help="few small cells: for the gate")
    parser.add_argument("--program", default=str(ROOT / "svcbench"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    for turn in range(given.times):
        due = begin + turn * given.across / max(1, given.times - 1)
        for name, command in (SHORT if given.short else COMMANDS).items():
            if given.only and name not in given.only:
                continue
            stem = given.out / f"{name}-{turn + 1:02d}"
            if stem.with_suffix(".csv").exists():
                continue
            time.sleep(max(0.0, due - time.monotonic()))
            measure(given.program, command, stem, given.runs)
            print(f"{time.strftime('%H:%M:%S')} {stem.name}", flush=True)


if __name__ == "__main__":
    main()
