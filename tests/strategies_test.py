#!/usr/bin/env python3
"""bench/strategies and bench/plot_curves, on a few /24s.

Usage: strategies_test.py FATHOM_WITH_BASELINES SCENARIOS
"""

import csv
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import tap

BENCH = pathlib.Path(__file__).resolve().parent.parent / "bench"
HERE = None  # A directory of the test's own.


def run(*command, code=0):
    done = subprocess.run([sys.executable, "-B", *map(str, command)], cwd=HERE,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=200, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def strategies(*options, code=0):
    return run(BENCH / "strategies", "--fathom", pathlib.Path(sys.argv[1])
               .resolve(), "--targets", "256", *options, code=code)


def cells(line):
    return [cell.strip() for cell in line.strip("|\n ").split("|")]


def test_the_table_says_what_the_manifests_say():
    done = strategies("--json", "runs.json", "--curve", "curve.csv")
    rows = [cells(line) for line in done.stdout.splitlines()
            if line.startswith("| ")][2:]
    runs = json.loads((HERE / "runs.json").read_text())["runs"]
    assert len(rows) == len(runs) >= 3, done.stdout
    for row, one in zip(rows, runs):
        assert row[0] == one["strategy"], row
        sent = one["manifest"]["probes"]["sent"]
        assert int(row[3].replace(",", "")) == sent > 0, row
        assert one["score"]["links"]["true"] > 0, row
    # The first is what the others are measured by.
    assert rows[0][0] == "sweep" and rows[0][6] == "100.0 %", rows[0]


def test_curves_end_where_the_scans_end():
    with open(HERE / "curve.csv", newline="", encoding="ascii") as file:
        curve = list(csv.DictReader(file))
    runs = json.loads((HERE / "runs.json").read_text())["runs"]
    for one in runs:
        last = [row for row in curve if row["strategy"] == one["strategy"]][-1]
        assert int(last["sent"]) == one["manifest"]["probes"]["sent"], last


def test_plot_has_a_line_for_each_strategy():
    if not shutil.which("gnuplot"):
        raise tap.Skip("there is no gnuplot; scripts/setup test installs it")
    for of in ("links", "interfaces"):
        run(BENCH / "plot_curves", "curve.csv", f"{of}.svg", "--of", of)
        picture = (HERE / f"{of}.svg").read_text()
        names = {row["strategy"] for row in csv.DictReader(
            (HERE / "curve.csv").read_text().splitlines())}
        drawn = re.findall(r'id="gnuplot_plot_\d+"', picture)
        assert len(set(drawn)) == len(names), picture


def test_scenarios_can_be_changed():
    done = strategies("--strategies", "sweep", "--no-limits", "--set",
                      "silent_routers=1", "--scenario", "clean", "--json",
                      "silent.json", "--trusted")
    assert "silent_routers=1" in done.stdout, done.stdout
    assert "without a doubt" in done.stdout, done.stdout
    (one,) = json.loads((HERE / "silent.json").read_text())["runs"]
    assert one["score"]["interfaces"]["true_routers"] == 0, one


def test_refuse_what_cannot_be_meant():
    strategies("--pps", "fast", code=2)
    strategies("--pps", "0", code=2)
    strategies("--strategies", "nosuch", code=1)
    strategies("--scenario", "nosuch", "--strategies", "sweep", code=1)
    run(BENCH / "plot_curves", "nosuch.csv", "out.svg", code=2)
    (HERE / "bad.csv").write_text("a,b\n1,2\n")
    run(BENCH / "plot_curves", "bad.csv", "out.svg", code=2)


def main():
    global HERE
    with tempfile.TemporaryDirectory() as directory:
        HERE = pathlib.Path(directory)
        return tap.run_cases([case for name, case in globals().items()
                              if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
