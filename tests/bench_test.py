#!/usr/bin/env python3
"""Runs the benches that need a lab for a moment, so that they cannot rot.

Usage: bench_test.py FATHOM SCENARIOS

All of it lives in a private mount and network namespace. Nobody judges times.
"""

import pathlib
import re
import shutil
import signal
import subprocess
import sys

import lab_wire_test
import tap

BENCH = pathlib.Path(__file__).resolve().parent.parent / "bench"
STATE = pathlib.Path("/run/fathom-lab")
NETNS = pathlib.Path("/run/netns")


def table(text):
    """The rows of the one table in a text, by column name."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")]
                      for line in lines]
    assert rows and all(len(row) == len(head) for row in rows), text
    return [dict(zip(head, row)) for row in rows]


def number(text):
    return float(re.sub(r"[,%+ ]", "", text))


class Cases:
    def __init__(self, binary, _, directory):
        self.directory = pathlib.Path(directory)
        self.fathom = tap.Fathom(binary, directory)

    def command(self, bench, *options):
        return [sys.executable, "-B", str(BENCH / bench), "--fathom",
                self.fathom.binary, "--name", "bench-test",
                *[str(option) for option in options]]

    def run(self, bench, *options, code=0):
        done = subprocess.run(self.command(bench, *options),
                              cwd=self.directory, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=200,
                              check=False)
        assert done.returncode == code, (done.returncode, done.stdout,
                                         done.stderr)
        left = [p.name for place in (NETNS, STATE) if place.exists()
                for p in place.iterdir()]
        assert not left, left
        return done.stdout if code == 0 else done.stderr

    def test_full_loop_has_rows_for_each_backend(self):
        rows = table(self.run("full_loop", "--seconds", 0.2, "--steps", 1))
        names = {row["backend"].split(",")[0] for row in rows}
        assert "io_uring" in names, rows
        for name in names:
            mine = {row["backend"].partition(", ")[2]: row for row in rows
                    if row["backend"].startswith(name + ",")}
            assert {"best", "at 200,000"} <= set(mine), rows
            for row in mine.values():
                if row["heard"] == "-":
                    continue
                assert 0 < number(row["heard"]) <= 100, row
                assert number(row["pps"]) > 0, row
                assert number(row["answers"]) > 0, row

    def test_full_loop_takes_one_backend_and_says_what_fails(self):
        said = self.run("full_loop", "--backends", "nosuch", "--seconds", 0.1,
                        code=1)
        assert "nosuch" in said, said

    def test_evenness_has_a_row_for_each_scanner_and_rate(self):
        rows = table(self.run("evenness", "--seconds", 0.5,
                              "--rates", "1000,20000"))
        assert len(rows) == 8, rows
        for row in rows:
            name = row["scanner"]
            here = name == "fathom" or shutil.which(name)
            if not here or "at most" in row["notes"]:
                assert row["pps"] == "-" and row["notes"], row
                continue
            assert number(row["pps"]) > 0, row
            # The busiest cannot be below the mean, but for windows cut short.
            assert number(row["busiest ms"]) >= 1, row
            assert number(row["busiest ms"]) >= number(row["p99 ms"]), row

    def test_refuse_what_cannot_be_meant(self):
        for bench, *options in (
                ("full_loop", "--seconds", "100"),
                ("full_loop", "--steps", "-1"),
                ("full_loop", "--name", "Bad/Name"),
                ("evenness", "--rates", "fast"),
                ("evenness", "--rates", "0"),
                ("evenness", "--scanners", "nosuch"),
                ("evenness", "--seconds", "0")):
            self.run(bench, *options, code=2)

    def test_take_all_down_when_interrupted(self):
        for bench in ("full_loop", "evenness"):
            process = subprocess.Popen(
                self.command(bench, "--seconds", 10), cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            # As soon as there is something to take down.
            while not (STATE / "bench-test" / "ready").exists():
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 130
            assert not list(NETNS.iterdir()) and not list(STATE.iterdir())


if __name__ == "__main__":
    sys.exit(lab_wire_test.main(Cases))
