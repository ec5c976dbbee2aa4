"""Runs a scanner in the lab and measures it.

Every run has a lab of its own, by scripts/lab, so that what the lab heard is
what this run sent. The scanner runs in the lab's second namespace; the CPU time
and memory are what the kernel says of it and of all it started and waited for.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import time

import descriptions

HERE = pathlib.Path(__file__).resolve().parent
LAB = HERE.parent.parent / "scripts" / "lab"
# What scripts/lab promises of its wire.
WIRE = {"interface": "scan0", "source": "198.18.0.1",
        "gateway": "198.18.0.2", "gateway_mac": "02:00:c6:12:00:02"}
LOOK_SECONDS = 0.02
GRACE_SECONDS = 5  # From a polite signal to SIGKILL.


class Failed(Exception):
    """This run has no result; the text says why."""


class Denied(Exception):
    """The lab may not be made here."""


@dataclasses.dataclass
class Plan:
    """What all runs have in common."""
    fathom: str
    scenario: str
    directory: pathlib.Path
    targets: list
    seed: int
    ttl: int
    name: str
    lab_options: list


@contextlib.contextmanager
def undisturbed():
    """Puts off Ctrl-C and SIGTERM to its end.

    Blocking them would not do: whatever is started inherits that.
    """
    came = []
    before = {number: signal.signal(number, lambda n, _: came.append(n))
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            raise KeyboardInterrupt


class Lab:
    """A lab for one run; as a context, up from start to end."""

    def __init__(self, plan, stats):
        self.namespace = f"/run/netns/{plan.name}-scan"
        self.command = [str(LAB), "--name", plan.name, "--fathom", plan.fathom,
                        "--scenario", plan.scenario, "--stats", str(stats),
                        *plan.lab_options]

    def call(self, word):
        with undisturbed():
            done = subprocess.run(
                self.command + [word], stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=60,
                start_new_session=True, check=False)
        if done.returncode == 3:
            raise Denied(done.stderr.strip())
        if done.returncode != 0:
            raise Failed(f"the lab did not go {word}: {done.stderr.strip()}")

    def __enter__(self):
        try:
            self.call("up")
        except BaseException:
            self.call("down")
            raise
        return self

    def __exit__(self, *_):
        self.call("down")

    def inside(self, command):
        return ["nsenter", f"--net={self.namespace}", *command]


def peak_kib(pid):
    """The most memory of a process that runs; 0 if it has none any more."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


class Child:
    """A process with all it starts, in a session of its own."""

    def __init__(self, command, **options):
        # What a process is given when it begins counts as its memory too.
        self.inherited_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.process = subprocess.Popen(command, start_new_session=True,
                                        **options)
        self.sampled_kib = 0
        self.usage = None
        self.code = None

    def ended(self):
        """Looks whether it ended, and how."""
        if self.code is not None:
            return True
        pid = self.process.pid
        self.sampled_kib = max(self.sampled_kib, peak_kib(pid))
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found == 0:
            return False
        self.usage = usage
        self.code = os.waitstatus_to_exitcode(status)
        self.process.returncode = self.code
        self.signal_all(signal.SIGKILL)  # Whom it left behind.
        return True

    def signal_all(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def stop(self, number=signal.SIGTERM):
        """Asks it to end, and in the end makes it."""
        if self.ended():
            return
        self.signal_all(number)
        give_up = time.monotonic() + GRACE_SECONDS
        while not self.ended():
            if time.monotonic() > give_up:
                self.signal_all(signal.SIGKILL)
            time.sleep(LOOK_SECONDS)

    def cpu_seconds(self):
        return self.usage.ru_utime + self.usage.ru_stime

    def peak_kib(self):
        """Exact if more than what was inherited; else what was seen, 0 if it
        was too quick for that."""
        if self.usage.ru_maxrss > self.inherited_kib:
            return self.usage.ru_maxrss
        return self.sampled_kib


def write_input(scanner, plan, targets, path):
    """The targets in the form that the scanner reads.

    A form that names {hop} has a line for each TTL, in random order.
    """
    hops = range(1, plan.ttl + 1) if "{hop}" in scanner.input else [0]
    lines = [descriptions.fill(scanner.input, {"target": t, "hop": h})
             for t in targets for h in hops]
    if len(hops) > 1:
        random.Random(plan.seed).shuffle(lines)
    path.write_text("\n".join(lines) + "\n")


class Run:
    """One scanner, once, at one rate; 0 is as fast as it can."""

    def __init__(self, scanner, plan, rate, number):
        self.scanner = scanner
        self.plan = plan
        self.rate = rate
        self.targets = plan.targets[:scanner.most_targets]
        speed = (rate or "max") if scanner.paced() else "own"
        self.directory = plan.directory / f"{scanner.name}-{speed}-{number}"
        self.expected = scanner.expected_seconds(
            len(self.targets), rate, plan.ttl)
        self.limit = 2 * self.expected + 20
        self.commands = []
        self.children = []
        self.stopped = False

    def values(self):
        """What the words in braces stand for."""
        directory = self.directory
        values = dict(WIRE, here=HERE, directory=directory,
                      program=self.scanner.found,
                      input=directory / "input", output=directory / "found",
                      empty=directory / "empty", seed=self.plan.seed,
                      ttl=self.plan.ttl, rate=self.rate)
        if self.scanner.paced():
            values["speed"] = descriptions.words(
                self.scanner.at_rate if self.rate else
                self.scanner.at_full_speed, values)
        return values

    def prepare(self):
        self.directory.mkdir(parents=True)
        (self.directory / "empty").touch()
        (self.directory / "targets").write_text("\n".join(self.targets) + "\n")
        write_input(self.scanner, self.plan, self.targets,
                    self.directory / "input")

    def start(self, lab, values):
        """Starts the scanner, once for all or for one target."""
        command = descriptions.words(self.scanner.command, values)
        self.commands.append(command)
        environment = {key: descriptions.fill(value, values)
                       for key, value in self.scanner.environment.items()}

        def opened(template, mode, other):
            return open(descriptions.fill(template, values), mode) \
                if template else open(other, mode)

        stdout = self.scanner.stdout
        if self.scanner.each:
            stdout = str(self.directory / f"one-{len(self.children)}")
        with opened(self.scanner.stdin, "rb", os.devnull) as stdin, \
                opened(stdout, "wb", self.directory / "stdout") as out, \
                open(self.directory / "stderr", "ab") as errors, \
                undisturbed():
            # Whoever has begun is known, or nobody would end him.
            self.children.append(Child(
                lab.inside(command), stdin=stdin, stdout=out, stderr=errors,
                cwd=self.directory, env=os.environ | environment))

    def supervise(self, lab):
        """Until all have ended, or their time is over."""
        values = self.values()
        todo = list(reversed(self.targets)) if self.scanner.each else [None]
        deadline = time.monotonic() + self.limit
        running = []
        while todo or running:
            while todo and len(running) < self.scanner.parallel:
                self.start(lab, values | {"target": todo.pop()})
                running.append(self.children[-1])
            if time.monotonic() > deadline:
                self.stopped = True
                return
            time.sleep(LOOK_SECONDS)
            running = [child for child in running if not child.ended()]

    def accompany(self, lab):
        command = descriptions.words(self.scanner.companion, self.values())
        return Child(lab.inside(command), stdin=subprocess.DEVNULL)

    def measure(self):
        """Runs it in a lab; returns seconds of wall time."""
        companions = []
        with Lab(self.plan, self.directory / "heard.json") as lab:
            began = time.monotonic()
            try:
                if self.scanner.companion:
                    with undisturbed():
                        companions.append(self.accompany(lab))
                self.supervise(lab)
            finally:
                wall = time.monotonic() - began
                with undisturbed():
                    for child in self.children:
                        child.stop(signal.Signals["SIG" + self.scanner.stop])
                    for child in companions:
                        child.stop()
        return wall

    def join(self):
        """Makes one result of those of one target each."""
        with open(self.directory / "found", "wb") as found:
            for i in range(len(self.children)):
                one = self.directory / f"one-{i}"
                found.write(one.read_bytes())
                one.unlink()

    def score(self):
        command = [self.plan.fathom, "lab", "score", self.plan.scenario,
                   str(self.directory / "targets"),
                   str(self.directory / "found"), "--json",
                   "--format", self.scanner.format]
        done = subprocess.run(command, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"no score: {done.stderr.strip()}")
        score = json.loads(done.stdout)
        return {"truth": score["truth"], **score["results"][0]}

    def complain(self):
        """The last it said, for a message."""
        for name in ("stderr", "stdout"):
            path = self.directory / name
            lines = path.read_text(errors="replace").strip().splitlines() \
                if path.exists() else []
            if lines:
                return lines[-1][:200]
        return "it said nothing"

    def go(self):
        """All of it; everything that is known of this run, for JSON."""
        self.prepare()
        wall = self.measure()
        if self.scanner.each:
            self.join()
        codes = sorted({child.code for child in self.children})
        record = {
            "scanner": self.scanner.name, "kind": self.scanner.kind,
            "asked_pps": self.rate or None, "paced": self.scanner.paced(),
            "targets": len(self.targets), "wall_seconds": wall,
            "cpu_seconds": sum(c.cpu_seconds() for c in self.children),
            "peak_bytes":
                1024 * max(c.peak_kib() for c in self.children) or None,
            "exit_codes": codes, "stopped": self.stopped,
            "commands": self.commands[:1], "times_run": len(self.children),
            "heard": json.loads((self.directory / "heard.json").read_text())}
        if not (self.directory / "found").exists():
            raise Failed(f"exit code {codes[0]} and no result: "
                         f"{self.complain()}")
        return record | {"score": self.score()}
