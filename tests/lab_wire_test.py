#!/usr/bin/env python3
"""Points other people's scanners, and fathom itself, at the lab on a wire.

Usage: lab_wire_test.py FATHOM SCENARIOS

scripts/lab makes the wire; what the scanners print is compared with the truth
that the command prints. All of it lives in a private mount and network
namespace. A scanner that is not installed is skipped by name.
"""

import collections
import csv
import io
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile

import tap

LAB = pathlib.Path(__file__).resolve().parent.parent / "scripts" / "lab"
STATE = pathlib.Path("/run/fathom-lab")
NETNS = pathlib.Path("/run/netns")
GATEWAY_MAC = "02:00:c6:12:00:02"
MAX_TTL = 24
TRACED = 10  # Addresses that the tracers trace, most of them hosts.
SCANNED = "10.4.16.0/21"  # What the host scanners scan.
# How many /24s fathom scans, and how fast; 65536 at 60K is all there are.
BLOCKS = int(os.environ.get("FATHOM_TEST_BLOCKS", 2048))
PPS = os.environ.get("FATHOM_TEST_PPS", "16K")


def need(tool):
    if shutil.which(tool) is None:
        raise tap.Skip(f"{tool} is not installed")


def addresses_of_scanned():
    return [f"10.4.{16 + i // 256}.{i % 256}" for i in range(8 * 256)]


class Lab:
    """One lab by scripts/lab; as a context, up from start to end."""

    def __init__(self, fathom, name, *options):
        self.name = name
        self.prefix = [str(LAB), "--fathom", fathom.binary, "--name", name,
                       *[str(o) for o in options]]
        self.directory = fathom.directory

    def call(self, *arguments):
        return subprocess.run(self.prefix + [str(a) for a in arguments],
                              cwd=self.directory, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120,
                              check=False)

    def ok(self, *arguments):
        done = self.call(*arguments)
        assert done.returncode == 0, \
            f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def run(self, *command):
        return self.ok("run", "--", *command)

    def run_all(self, commands):
        """Runs them side by side; the output of each."""
        running = [subprocess.Popen(
            self.prefix + ["run", "--"] + [str(a) for a in command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
                   for command in commands]
        outputs = [process.communicate(timeout=120)[0] for process in running]
        assert not any(process.returncode for process in running), outputs
        return outputs

    def responder(self):
        return int((STATE / self.name / "responder").read_text().split()[0])

    def traces(self):
        """What there is of it: namespaces, notes."""
        found = [p.name for p in NETNS.iterdir()
                 if p.name.startswith(self.name + "-")]
        return found + ([self.name] if (STATE / self.name).exists() else [])

    def __enter__(self):
        self.ok("up")
        return self

    def __exit__(self, *_):
        self.ok("down")


def kill(pid):
    """Ends a process that is no child of ours, and waits for that."""
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([handle], [], [])
    os.close(handle)


def alive(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1]
        return state.split()[0] != "Z"
    except FileNotFoundError:
        return False


class Cases:
    """The cases. The first ones are about scripts/lab itself."""

    def __init__(self, binary, scenarios, directory):
        self.directory = pathlib.Path(directory)
        self.fathom = tap.Fathom(binary, directory)
        for scenario in pathlib.Path(scenarios).resolve().glob("*.lab"):
            (self.directory / scenario.name).symlink_to(scenario)
        plain = "include = clean.lab\nudp_hosts = 1\n"
        self.clean = self.write("plain.lab", plain)
        self.lossy = self.write(
            "lossy.lab", plain + "loss = 0.02\n"
            "limit_share.tenth = 0.3\nlimit_share.tight = 0.3\n")
        self.routes = self.load_routes(addresses_of_scanned())
        hosts = [t for t, r in self.routes.items() if r["end"][1] == "host"]
        others = [t for t, r in self.routes.items() if r["end"][1] != "host"]
        step = len(hosts) // (TRACED - 2)
        self.traced = hosts[::step][:TRACED - 2] + others[:2]

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def load_routes(self, targets):
        """For each target: {ttl: addresses}, and (ttl, what) at its end."""
        routes = {}
        text = self.fathom.ok("lab", "route", self.clean, *targets)
        for row in csv.DictReader(io.StringIO(text)):
            route = routes.setdefault(
                row["target"], {"hops": collections.defaultdict(set)})
            ttl = int(row["ttl"])
            if row["address"]:
                route["hops"][ttl].add(row["address"])
            route["end"] = (ttl, row["what"])
        return routes

    def lab(self, name="wiretest", scenario=None, *options):
        return Lab(self.fathom, name, "--scenario", scenario or self.clean,
                   *options)

    # scripts/lab and `fathom lab serve`.

    def test_refuses_interfaces_that_may_lead_outside(self):
        subprocess.run("ip link add span type bridge", shell=True, check=True)
        for interface in ("lo", "span", "nosuch0"):
            done = self.fathom.run("lab", "serve", interface, "--scenario",
                                   self.clean, "--seconds", 1)
            assert done.returncode == 3, (interface, done)
            assert interface in done.stderr, done.stderr

    def test_takes_away_all_that_it_made(self):
        lab = self.lab()
        with lab:
            assert sorted(lab.traces()) == \
                ["wiretest", "wiretest-lab", "wiretest-scan"], lab.traces()
            pid = lab.responder()
            assert alive(pid)
            assert lab.call("up").returncode == 1, "up twice"
            with self.lab("wiretest2") as other:
                assert other.run("ip", "-br", "address").count("scan0") == 1
        assert not lab.traces() and not alive(pid)
        lab.ok("down")  # Nothing to do, and no error.

    def test_runs_a_command_and_returns_its_exit_code(self):
        lab = self.lab()
        for code in (0, 7):
            assert lab.call("run", "--", "sh", "-c",
                            f"exit {code}").returncode == code
            assert not lab.traces()
        with lab:
            assert lab.call("run", "--", "false").returncode == 1
            assert lab.traces(), "it was up, so it stays up"

    def test_leaves_namespaces_of_others_alone(self):
        subprocess.run("ip netns add wiretest-scan", shell=True, check=True)
        lab = self.lab()
        done = lab.call("up")
        assert done.returncode == 1 and "wiretest-scan" in done.stderr, done
        lab.ok("down")
        assert lab.traces() == ["wiretest-scan"], lab.traces()
        subprocess.run("ip netns del wiretest-scan", shell=True, check=True)

    def test_leaves_processes_of_others_alone(self):
        sleeper = subprocess.Popen(["sleep", "100"])
        with self.lab() as lab:
            note = STATE / lab.name / "responder"
            _, began = note.read_text().split()
            kill(lab.responder())
            # The number is given again, to somebody younger.
            note.write_text(f"{sleeper.pid} {began}\n")
        assert sleeper.poll() is None, "ended a process that is not its own"
        sleeper.kill()
        sleeper.wait()

    def test_clears_up_after_a_crash(self):
        lab = self.lab()
        lab.ok("up")
        kill(lab.responder())
        lab.ok("up")
        pid = lab.responder()
        lab.ok("down")
        assert not lab.traces() and not alive(pid)

        script = subprocess.Popen(
            lab.prefix + ["run", "--", "sh", "-c", "echo up; exec sleep 100"],
            stdout=subprocess.PIPE, text=True)
        assert script.stdout.readline() == "up\n"
        pid = lab.responder()
        script.kill()
        script.wait()
        assert lab.traces() and alive(pid)
        lab.ok("down")
        assert not lab.traces() and not alive(pid)

    def test_removes_what_it_was_making_if_it_is_empty(self):
        lab = self.lab()
        for used in (False, True):
            (STATE / lab.name).mkdir()
            (STATE / lab.name / "wiretest-lab").write_text("new\n")
            subprocess.run("ip netns add wiretest-lab", shell=True, check=True)
            if used:
                subprocess.run("ip link add other0 netns wiretest-lab "
                               "type bridge", shell=True, check=True)
            lab.ok("down")
            assert lab.traces() == ["wiretest-lab"] * used, lab.traces()
        subprocess.run("ip netns del wiretest-lab", shell=True, check=True)

    def test_says_what_it_heard(self):
        stats = self.directory / "stats.json"
        with self.lab("wiretest", self.lossy, "--stats", stats) as lab:
            self.scan(lab, "heard", self.lossy)
        seen = json.loads(stats.read_text())
        sent = self.fathom.manifest("heard")["probes"]
        assert seen["probes"] == sent["sent"], (seen, sent)
        assert seen["probes"] == sum(seen["fates"].values()), seen
        assert seen["kernel_drops"] == seen["replies_lost"] == 0, seen
        answered = list(seen["fates"].items())[:7]
        assert seen["replies"] == sum(n for _, n in answered), seen
        assert seen["replies"] == sent["answered"], (seen, sent)
        assert seen["per_ms"]["max"] >= seen["per_ms"]["p99"] >= 0
        assert seen["per_ms"]["max"] <= seen["per_ms"]["max_100"] <= \
            seen["probes"]
        assert 0 <= seen["per_ms"]["idle_share"] < 1
        assert seen["cpu_seconds"] > 0

    # Tracers of others. A hop that answers must be one that some flow could
    # see there, and none that is there may be missing.

    def check_trace(self, target, heard):
        """Compares {ttl: addresses heard} with the truth."""
        route = self.routes[target]
        end, what = route["end"]
        for ttl in range(1, end):
            assert heard.get(ttl), f"{target}: nobody at {ttl} in {heard}"
            assert heard[ttl] <= route["hops"][ttl], \
                f"{target} at {ttl}: {heard[ttl]}, not {route['hops'][ttl]}"
        after = set().union(*(a for t, a in heard.items() if t >= end), set())
        if what == "host":
            assert after == {target} and heard.get(end), (target, heard)
        else:
            assert after <= {target}, (target, heard)

    def traceroute(self, *options):
        need("traceroute")
        with self.lab() as lab:
            outputs = lab.run_all([
                ["traceroute", "-n", "-q", 1, "-N", 16, "-w", 3,
                 "-m", MAX_TTL, *options, target] for target in self.traced])
        for target, text in zip(self.traced, outputs):
            heard = {}
            for line in text.splitlines()[1:]:
                ttl, address = line.split()[:2]
                heard[int(ttl)] = {address} - {"*"}
            self.check_trace(target, heard)

    def test_traceroute_sees_the_way_by_icmp(self):
        self.traceroute("-I")

    def test_traceroute_sees_the_way_by_udp(self):
        self.traceroute("-U")

    def test_mtr_sees_the_way(self):
        need("mtr")
        with self.lab() as lab:
            outputs = lab.run_all([
                ["mtr", "--json", "-n", "-c", 2, "-m", MAX_TTL, target]
                for target in self.traced])
        for target, text in zip(self.traced, outputs):
            heard = {hub["count"]: {hub["host"]} - {"???"}
                     for hub in json.loads(text)["report"]["hubs"]}
            self.check_trace(target, heard)

    def scamper(self, method):
        need("scamper")
        self.write("traced", "\n".join(self.traced))
        links = self.true_links(self.clean, "traced")
        with self.lab() as lab:
            text = lab.run("scamper", "-O", "json", "-o", "-", "-p", "500",
                           "-c", f"trace -P {method} -q 2 -w 3 -g 1 -m {MAX_TTL}",
                           "-i", *self.traced)
        traces = [json.loads(line) for line in text.splitlines()]
        traces = {t["dst"]: t for t in traces if t["type"] == "trace"}
        assert set(traces) == set(self.traced)
        for target, trace in traces.items():
            heard = {}
            for hop in trace.get("hops", []):
                heard.setdefault(hop["probe_ttl"], set()).add(hop["addr"])
            self.check_trace(target, heard)
            # One flow: neighbours in the trace are neighbours in the lab.
            for ttl in range(1, self.routes[target]["end"][0] - 1):
                (near,), (far,) = heard[ttl], heard[ttl + 1]
                assert (near, far) in links, (target, ttl, near, far)

    def test_scamper_sees_the_way_by_icmp_paris(self):
        self.scamper("icmp-paris")

    def test_scamper_sees_the_way_by_udp_paris(self):
        self.scamper("udp-paris")

    # And ours, by the same truth.

    def trace(self, protocol):
        with self.lab() as lab:
            done = lab.call("run", "--", self.fathom.binary, "trace", "--json",
                            "-n", "--protocol", protocol, "-m", MAX_TTL,
                            *self.traced)
        assert done.returncode == 4, done  # Not all of them answer.
        traces = [json.loads(line) for line in done.stdout.splitlines()]
        assert [t["target"] for t in traces] == self.traced, done
        for trace in traces:
            heard = {hop["ttl"]: {a["address"] for a in hop["responders"]}
                     for hop in trace["hops"]}
            self.check_trace(trace["target"], heard)

    def test_fathom_traces_the_way_by_icmp(self):
        self.trace("icmp")

    def test_fathom_traces_the_way_by_udp(self):
        self.trace("udp")

    # Scanners of hosts.

    def hosts(self):
        hosts = {t for t, r in self.routes.items() if r["end"][1] == "host"}
        assert len(hosts) > 100
        return hosts

    def test_zmap_finds_every_host(self):
        need("zmap")
        self.write("nothing", "")
        with self.lab() as lab:
            text = lab.run("zmap", "-q", "-M", "icmp_echoscan", "-i", "scan0",
                           "-G", GATEWAY_MAC, "-b", "nothing", "-r", 5000,
                           "-c", 2, "-o", "-", SCANNED)
        found = set(text.split())
        assert found == self.hosts(), found ^ self.hosts()

    def test_masscan_finds_hosts_and_nothing_else(self):
        need("masscan")
        # It ends with the first packet after its time, and on this wire there
        # are none but answers; so somebody else asks all the while. It misses
        # some answers when it starts with a burst, so what the lab said counts.
        stats = self.directory / "masscan.json"
        with self.lab("wiretest", self.clean, "--stats", stats) as lab:
            text = lab.run("sh", "-c",
                           "ping -q -i 0.2 -t 1 10.0.0.1 >ping.log & "
                           f"masscan {SCANNED} --ping --rate 1000 --wait 2 "
                           "-i scan0 --source-ip 198.18.0.1 "
                           f"--router-mac {GATEWAY_MAC}; kill $!")
        hosts = self.hosts()
        found = set(re.findall(r" on ([0-9.]+)", text))
        assert found <= hosts, found - hosts
        assert len(found) > 0.9 * len(hosts), (len(found), len(hosts))
        fates = json.loads(stats.read_text())["fates"]
        assert fates["echo_reply"] == len(hosts), fates

    # fathom, on the wire and in process.

    def true_links(self, scenario, targets):
        text = self.fathom.ok("lab", "truth", scenario, targets, "--seed", 7,
                              "-o", "-", "--format", "csv")
        return {tuple(line.split(",")[:2]) for line in text.splitlines()[1:]}

    def scan(self, lab, name, scenario):
        """A scan over the wire, or in process where `lab` is None."""
        # No router's address: a path ends with its target, and a scan that
        # did not hear it there would go on.
        self.write("sevens", "".join(f"10.{(64 + i // 256) % 256}.{i % 256}.7\n"
                                       for i in range(BLOCKS)))
        command = [self.fathom.binary, "scan", "sevens", "-o", name,
                   "--include-special", "--seed", "7", "--max-ttl", MAX_TTL,
                   "--pps", PPS, "--cooldown", "2s", "--quiet"]
        if lab is None:
            self.fathom.ok(*command[1:], "--backend", "simulated",
                           "--interface", scenario)
        else:
            lab.run(*command)

    def links(self, name):
        return {(r["near"], r["far"]): r
                for r in self.fathom.rows(name, "links")}

    def hops(self, name):
        return {(r["target"], int(r["ttl"])): r["responder"]
                for r in self.fathom.rows(name, "hops")}

    def test_finds_the_same_on_the_wire_as_in_process(self):
        with self.lab() as lab:
            self.scan(lab, "clean-wire", self.clean)
        self.scan(None, "clean-process", self.clean)
        wire, process = self.links("clean-wire"), self.links("clean-process")
        assert len(wire) > 2_000, len(wire)
        assert wire.keys() == process.keys(), \
            list(wire.keys() ^ process.keys())[:9]
        assert self.hops("clean-wire") == self.hops("clean-process")
        assert wire.keys() <= self.true_links(self.clean, "sevens")

    def unexplained(self, one, other):
        """Links of one scan that the other should have, and has not.

        A link is excused if on each path that showed it, one of its ends was
        not heard by the other scan.
        """
        hops, others = self.hops(one), self.hops(other)
        paths = collections.defaultdict(list)
        for (target, ttl), near in hops.items():
            far = hops.get((target, ttl + 1))
            if far is not None:
                paths[near, far].append((target, ttl))
        missing = self.links(one).keys() - self.links(other).keys()
        assert missing, "losses and limits hid nothing"
        return [(link, target, ttl, others.get((target, ttl)),
                 others.get((target, ttl + 1)))
                for link in missing for target, ttl in paths[link] or [("", 0)]
                if not paths[link] or
                {(target, ttl), (target, ttl + 1)} <= others.keys()]

    def test_differs_from_in_process_only_by_what_was_lost(self):
        with self.lab("wiretest", self.lossy) as lab:
            self.scan(lab, "lossy-wire", self.lossy)
        self.scan(None, "lossy-process", self.lossy)
        for pair in (("lossy-wire", "lossy-process"),
                     ("lossy-process", "lossy-wire")):
            unexplained = self.unexplained(*pair)
            assert not unexplained, (pair, unexplained[:9])
        truth = self.true_links(self.lossy, "sevens")
        assert self.links("lossy-wire").keys() <= truth

    def test_bears_a_hostile_lab(self):
        hostile = "hostile.lab"
        with self.lab("wiretest", hostile) as lab:
            self.scan(lab, "wild", hostile)
        manifest = self.fathom.manifest("wild")
        probes, replies = manifest["probes"], manifest["replies"]
        assert probes["answered"] + probes["unanswered"] == probes["sent"]
        for kind in ("duplicate", "foreign", "malformed",
                     "rewritten_address", "rewritten_port"):
            assert replies[kind] > 50, (kind, replies)
        scored = json.loads(self.fathom.ok("lab", "score", hostile, "sevens",
                                           "wild", "--seed", 7, "--json"))
        found = scored["results"][0]
        assert found["interfaces"]["precision"] == 1, found
        causes = found["links"]["false_by_cause"]
        for cause in ("rewritten", "flow_changed", "elsewhere"):
            assert causes[cause] == 0, found
        assert found["links"]["precision"] > 0.9, found


def main(kind=Cases):
    """Runs the cases of `kind`, or those named on the command line."""
    tap.isolate()
    for place in (NETNS, STATE):
        place.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    try:
        with tempfile.TemporaryDirectory() as directory:
            cases = kind(sys.argv[1], sys.argv[2], directory)
            wanted = sys.argv[3:] or [name for name in vars(kind)
                                      if name.startswith("test_")]
            try:
                return tap.run_cases([getattr(cases, name) for name in wanted])
            finally:
                for note in list(STATE.iterdir()):
                    Lab(cases.fathom, note.name).call("down")
    finally:
        for place in (NETNS, STATE):
            subprocess.run(["umount", "--recursive", place], check=False,
                           capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
