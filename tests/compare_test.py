#!/usr/bin/env python3
"""Compares the scanners that are here on a small lab, by bench/compare.

Usage: compare_test.py FATHOM SCENARIOS

All of it lives in a private mount and network namespace.
"""

import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tomllib

import lab_wire_test
import tap

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPARE = ROOT / "bench" / "compare"
sys.dont_write_bytecode = True
sys.path.insert(0, str(COMPARE))
import descriptions  # pylint: disable=wrong-import-position
import running  # pylint: disable=wrong-import-position

STATE = pathlib.Path("/run/fathom-lab")
NETNS = pathlib.Path("/run/netns")
DESCRIPTIONS = COMPARE / "scanners"
TARGETS = 32
RATE = 2000
NOWHERE = """
about = "is nowhere"
kind = "host"
program = "no-such-scanner"
command = ["{program}"]
each = true
fixed_seconds = 0
format = "zmap"
"""


def wait_for_end(pid):
    """Of a process that is no child of ours."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([handle], [], [], 30)
    os.close(handle)
    assert ended, f"{pid} goes on"


class Cases:
    def __init__(self, binary, scenarios, directory):
        self.directory = pathlib.Path(directory)
        self.fathom = tap.Fathom(binary, directory)
        scenario = pathlib.Path(scenarios).resolve() / "clean.lab"
        (self.directory / "clean.lab").symlink_to(scenario)
        (self.directory / "wire.lab").symlink_to(
            scenario.with_name("wire.lab"))
        # With hosts everywhere no trace has to wait for silence.
        self.scenario = self.write("hosts.lab", "include = clean.lab\n"
                                   "hosts = 1\n")
        self.result = None

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def describe(self, name, **descriptions):
        """A directory of descriptions of our own."""
        directory = self.directory / name
        directory.mkdir()
        for stem, text in descriptions.items():
            (directory / f"{stem}.toml").write_text(text)
        return directory

    def command(self, out, *options):
        return [sys.executable, "-B", str(COMPARE / "compare"),
                "--fathom", self.fathom.binary, "--name", "compare-test",
                "--scenario", str(self.scenario), "--targets", str(TARGETS),
                "--rate", str(RATE), "--out", str(self.directory / out),
                *[str(o) for o in options]]

    def run(self, *arguments):
        return subprocess.run(self.command(*arguments), cwd=self.directory,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=300, check=False)

    def left_behind(self):
        """Namespaces, notes, and processes that know our directory."""
        left = [p.name for place in (NETNS, STATE)
                for p in place.iterdir()]
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_text(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(self.directory) in command:
                left.append(command.split("\0"))
        return left

    def compared(self):
        """The rows of one comparison of all that is here, by scanner."""
        if self.result is None:
            mine = self.describe("all", nosuch=NOWHERE)
            for path in DESCRIPTIONS.glob("*.toml"):
                shutil.copy(path, mine)
            done = self.run("results", "--descriptions", mine, "--instant")
            assert done.returncode == 0, (done.stdout, done.stderr)
            assert "at most" in done.stdout.splitlines()[0], done.stdout
            self.text = done.stdout
            self.result = json.loads(
                (self.directory / "results" / "compare.json").read_text())
            for row in self.result["rows"]:
                for run in row["runs"]:
                    print(f"# {row['scanner']}: {run['wall_seconds']:.1f} s")
        return {row["scanner"]: row for row in self.result["rows"]}

    def plan(self, targets):
        return running.Plan(
            fathom="fathom", scenario=str(self.scenario),
            directory=self.directory / "nowhere", targets=targets, seed=1,
            ttl=32, name="compare-test", lab_options=[])

    def test_descriptions_can_all_be_filled_in(self):
        scanners = descriptions.read_all(None, "fathom", DESCRIPTIONS)
        assert len(scanners) >= 10
        for scanner in scanners:
            scanner.found = "program"
            for rate in (RATE, 0):
                run = running.Run(scanner, self.plan(["10.0.0.1"]), rate, 1)
                values = run.values() | {"target": "10.0.0.1"}
                words = descriptions.words(
                    scanner.command + (scanner.companion or []), values)
                words += [descriptions.fill(t, values) for t in (
                    scanner.stdin or "", scanner.stdout or "",
                    *scanner.environment.values())]
                assert not any("{" in word for word in words), words
                told = any(str(RATE) in word for word in words)
                assert told == (rate != 0 and scanner.paced()), words
                assert 0 < run.expected < run.limit

    def test_writes_each_hop_of_each_target_once(self):
        (scanner,) = descriptions.read_all(["caracal"], "", DESCRIPTIONS)
        targets = [f"10.0.{i}.1" for i in range(50)]
        running.write_input(scanner, self.plan(targets), targets,
                            self.directory / "input")
        lines = (self.directory / "input").read_text().split()
        assert sorted(lines) == sorted(
            f"{t},24000,33434,{hop},icmp" for t in targets
            for hop in range(1, 33))

    def test_gives_every_description_a_row(self):
        rows = self.compared()
        for path in DESCRIPTIONS.glob("*.toml"):
            program = tomllib.loads(path.read_text())["program"]
            here = program == "{fathom}" or shutil.which(program)
            row = rows[path.stem]
            assert bool(row["runs"]) == bool(here), row
            assert here or row["why"] == "not installed", row
            lines = [line for line in self.text.splitlines()
                     if line.startswith(f"| {path.stem} ")]
            assert len(lines) == (2 if here else 1), self.text
            assert ("not installed" in lines[0]) == (not here), lines
        assert rows["nosuch"]["why"] == "not installed"
        saved = (self.directory / "results" / "compare.md").read_text()
        assert self.text.endswith(saved)

    def test_numbers_add_up(self):
        runs = [run for row in self.compared().values() for run in row["runs"]]
        assert len(runs) >= 2
        for run in runs:
            name, heard = run["scanner"], run["heard"]
            interfaces = run["score"]["interfaces"]
            links = run["score"]["links"]
            assert run["targets"] == TARGETS and not run["stopped"], name
            assert heard["probes"] >= heard["replies"] >= \
                interfaces["found"] > 0, (name, heard)
            assert heard["probes"] == sum(heard["fates"].values()), name
            assert heard["kernel_drops"] == 0, name
            assert links["asserted"] == links["true"] + links["false"], name
            assert interfaces["found"] == \
                interfaces["true"] + interfaces["false"], name
            assert (links["asserted"] > 0) == (run["kind"] == "path"), name
            assert run["wall_seconds"] >= heard["seconds"] > 0, name
            assert 0 < run["cpu_seconds"], name
            # Who takes a moment for a target may be gone when looked at.
            assert 2**18 < (run["peak_bytes"] or 2**20) < 2**30, name
            assert run["peak_bytes"] or not run["paced"], name

    def test_measures_the_scanner_alone(self):
        for row in self.compared().values():
            for run in row["runs"]:
                if run["scanner"] in ("zmap", "masscan"):
                    # Neither a companion's frames nor ARP count.
                    assert run["heard"]["probes"] == TARGETS, run

    def test_fathom_finds_what_one_flow_sees_and_nothing_else(self):
        for name in ("fathom", "fathom-2"):
            (run,) = self.compared()[name]["runs"]
            score = run["score"]
            assert score["links"]["precision"] == 1, score
            assert score["interfaces"]["precision"] == 1, score
            assert score["links"]["of_one_flow"] > 0.99, score
            assert score["interfaces"]["true_hosts"] == TARGETS, score
        sent = self.compared()["fathom"]["runs"][0]["heard"]
        assert sent["probes"] == TARGETS * 32, sent

    def test_gives_all_the_same_targets(self):
        self.compared()
        targets = (self.directory / "results" / "targets").read_text().split()
        assert len(set(targets)) == TARGETS
        # No address of a router.
        assert all(1 <= int(t.split(".")[3]) <= 224 for t in targets)
        again = self.run("again", "--descriptions",
                         self.describe("nowhere", nosuch=NOWHERE))
        assert again.returncode == 0, again.stderr
        assert (self.directory / "again" / "targets").read_text().split() == \
            targets

    def test_says_which_scanner_failed_and_goes_on(self):
        mine = self.describe("failing", broken="""
            about = "says why and goes"
            kind = "path"
            program = "sh"
            command = ["{program}", "-c", "echo the ink is dry >&2; exit 3"]
            at_rate = []
            at_full_speed = []
            fixed_seconds = 1
            format = "csv" """, liar="""
            about = "writes what is no result"
            kind = "host"
            program = "sh"
            command = ["{program}", "-c", "echo nonsense"]
            stdout = "{output}"
            at_rate = []
            at_full_speed = []
            fixed_seconds = 1
            format = "masscan" """)
        done = self.run("failed", "--descriptions", mine)
        assert done.returncode == 4, (done.stdout, done.stderr)
        rows = {row["scanner"]: row for row in json.loads(
            (self.directory / "failed" / "compare.json").read_text())["rows"]}
        assert "exit code 3" in rows["broken"]["why"]
        assert "the ink is dry" in rows["broken"]["why"]
        assert "masscan -oL" in rows["liar"]["why"], rows["liar"]
        assert not self.left_behind(), self.left_behind()

    def test_knows_whom_it_began_when_interrupted_then(self):
        class Interrupted(running.Child):
            """Ctrl-C comes as soon as the process is there."""

            def __init__(self, *arguments, **options):
                super().__init__(*arguments, **options)
                signal.raise_signal(signal.SIGINT)

        class Nowhere:
            """Runs commands where we are."""

            def inside(self, command):
                return command

        (scanner,) = descriptions.read_all(
            None, "", self.describe("sleeper", sleeper="""
                about = "sleeps"
                kind = "path"
                program = "sleep"
                command = ["{program}", "1000"]
                at_rate = []
                at_full_speed = []
                fixed_seconds = 1
                format = "csv" """))
        plan = self.plan(["10.0.0.1"])
        plan.directory = self.directory / "sleeping"
        run = running.Run(scanner, plan, RATE, 1)
        run.prepare()
        real, running.Child = running.Child, Interrupted
        try:
            run.start(Nowhere(), run.values())
            assert False, "the interrupt was lost"
        except KeyboardInterrupt:
            assert len(run.children) == 1
        finally:
            running.Child = real
            for child in run.children:
                child.stop(signal.SIGKILL)

    def test_takes_all_down_when_interrupted(self):
        fifo = self.directory / "fifo"
        os.mkfifo(fifo)
        mine = self.describe("endless", endless=f"""
            about = "would go on for a long time, and has a child that would"
            kind = "path"
            program = "sh"
            command = ["{{program}}", "-c",
                       "sleep 1000 & echo $$ $! >{fifo}; wait"]
            at_rate = []
            at_full_speed = []
            companion = ["sleep", "1000"]
            fixed_seconds = 1000
            format = "csv" """)
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen(
                self.command(f"endless-{int(number)}", "--descriptions", mine),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            pids = [int(pid) for pid in fifo.read_text().split()]
            assert len(pids) == 2
            process.send_signal(number)
            assert process.wait(timeout=60) == 130
            for pid in pids:
                wait_for_end(pid)
            assert not self.left_behind(), self.left_behind()

    def test_leaves_nothing_behind(self):
        self.compared()
        assert not self.left_behind(), self.left_behind()

    def test_refuses_what_cannot_be_meant(self):
        for options, what in (
                (("--scanners", "fathom,nosuch"), "nosuch"),
                (("--rate", "fast"), "fast"),
                (("--rate", "0"), "0"),
                (("--targets", "0"), "--targets"),
                (("--scenario", "nosuch.lab"), "nosuch.lab"),
                (("--descriptions", "nosuch"), "nosuch"),
                (("--fathom", "nosuch"), "fathom")):
            done = self.run("refused", *options)
            assert done.returncode == 2, (options, done)
            assert what in done.stderr, (options, done.stderr)
            assert not (self.directory / "refused").exists()
        self.write("there", "")
        assert self.run("there").returncode == 2
        bad = self.describe("bad", one='kind = "path"\ncolour = "red"\n')
        done = self.run("refused", "--descriptions", bad)
        assert done.returncode == 2 and "one.toml" in done.stderr, done


if __name__ == "__main__":
    sys.exit(lab_wire_test.main(Cases))
