#!/usr/bin/env python3
"""Maps chains of real Linux routers through real sockets.

Usage: namespaces_test.py FATHOM

    scanner - r1 - r2 - r3 = (r4 - r5 | r6 - r7) = r8 - r9 - r10 - host

Each is a network namespace; veth pairs join them and nothing joins them to
anything else. The kernel forwards, balances at r3 by destination, and answers.
The whole of it lives in a private mount and network namespace, so it is gone
when the test is, however it ends.
"""

import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from nodes import configure, enter, inside, prepare, sh, take_down
import tap

CHAIN = {  # Links, as (near, far); addresses are 10.<link number>.0.1 and .2.
    1: ("scanner", "r1"), 2: ("r1", "r2"), 3: ("r2", "r3"),
    4: ("r3", "r4"), 5: ("r4", "r5"), 6: ("r5", "r8"),
    7: ("r3", "r6"), 8: ("r6", "r7"), 9: ("r7", "r8"),
    10: ("r8", "r9"), 11: ("r9", "r10"), 12: ("r10", "host"),
}
FORK = {4, 7}  # What r3 balances over.
NODES = sorted({node for pair in CHAIN.values() for node in pair})
TARGETS = [f"10.200.{i}.0/24" for i in range(24)]
TTLS = 12
DISTANCE = 9  # Of the host; eight routers before it.


def near(link):
    return f"10.{link}.0.1"


def far(link):
    return f"10.{link}.0.2"


def build():
    """Joins the namespaces."""
    for node in NODES:
        configure(node, "ipv4/ip_forward", 1)
        configure(node, "ipv4/conf/all/rp_filter", 0)
        configure(node, "ipv4/conf/default/rp_filter", 0)
        # A router answers from where the probe came in, whichever way its
        # answer goes.
        configure(node, "ipv4/icmp_errors_use_inbound_ifaddr", 1)
    for link, (a, b) in CHAIN.items():
        sh(f"ip link add v{link}n netns {a} type veth "
           f"peer name v{link}f netns {b}")
        inside(a, f"ip addr add {near(link)}/30 dev v{link}n")
        inside(b, f"ip addr add {far(link)}/30 dev v{link}f")
        inside(a, f"ip link set v{link}n up")
        inside(b, f"ip link set v{link}f up")
    downstream = {}
    upstream = {}
    for link, (a, b) in CHAIN.items():
        downstream.setdefault(a, []).append(link)
        upstream.setdefault(b, []).append(link)
    for node in NODES:
        if len(downstream.get(node, [])) > 1:
            hops = " ".join(f"nexthop via {far(link)}"
                            for link in downstream[node])
            inside(node, f"ip route add 10.200.0.0/16 {hops}")
        elif node in downstream:
            inside(node, f"ip route add 10.200.0.0/16 via "
                   f"{far(downstream[node][0])}")
        if node in upstream:
            inside(node, "ip route add 10.1.0.0/30 via "
                   f"{near(upstream[node][0])}" if node != "r1" else "true")
    inside("host", "ip route add local 10.200.0.0/16 dev lo")


def limit_icmp(limited):
    """The kernel's default ICMP rate limits in every router, or none."""
    for node in NODES:
        mask = 6168 if limited else 0
        configure(node, "ipv4/icmp_ratemask", mask)


def true_links():
    """Which address answers after which, along both branches."""
    after = {}
    for link, (a, b) in CHAIN.items():
        after.setdefault(a, []).append((link, b))
    links = set()

    def walk(link, node):
        for onward, following in after.get(node, []):
            if following != "host":
                links.add((far(link), far(onward)))
                walk(onward, following)
    walk(1, "r1")
    return links


class Cases:
    """The cases, in the namespaces that build() has made."""

    def __init__(self, binary, directory):
        self.directory = pathlib.Path(directory)
        self.fathom = tap.Fathom(binary, directory, enter("scanner"))
        (self.directory / "targets").write_text("\n".join(TARGETS) + "\n")

    def scan(self, name, *more, start=False, targets="targets"):
        run = self.fathom.start if start else self.fathom.run
        return run("scan", targets, "-o", name, "--include-special",
                   "--max-ttl", TTLS, "--seed", 7, "--cooldown", "1s",
                   "--pps", 2000, *more)

    def router_links(self, name):
        """Links between routers, and those to the host apart."""
        rows = self.fathom.rows(name, "links")
        routers = {(r["near"], r["far"]) for r in rows
                   if not r["far"].startswith("10.200.")}
        host = {(r["near"], r["far"]) for r in rows
                if r["far"].startswith("10.200.")}
        return routers, host

    def test_maps_ten_routers_and_the_fork_exactly(self):
        limit_icmp(False)
        done = self.scan("exact")
        assert done.returncode == 0, done.stderr
        routers, host = self.router_links("exact")
        assert routers == true_links(), routers ^ true_links()
        assert len(host) == len(TARGETS), host
        assert {n for n, _ in host} == {far(11)}, host
        assert self.fathom.rows("exact", "gaps") == []

    def test_hears_every_hop_of_every_path(self):
        hops = self.fathom.rows("exact", "hops")
        cells = {(h["target"], int(h["ttl"])) for h in hops}
        assert len(hops) == len(cells) == len(TARGETS) * TTLS, len(hops)
        for hop in hops:
            ttl = int(hop["ttl"])
            if ttl >= DISTANCE:
                assert hop["responder"] == hop["target"], hop
            else:
                assert hop["icmp_type"] == "11", hop
                assert int(hop["reply_ttl"]) == 64 - ttl + 1, hop
            assert int(hop["rtt_100us"]) < 10_000, hop
        counts = self.fathom.manifest("exact")["probes"]
        assert counts["sent"] == counts["answered"] == len(cells), counts
        assert counts["unanswered"] == 0, counts

    def test_maps_the_same_by_many_lanes_and_on_one_processor(self):
        """Threads of each lane, pinned; and one thread for everything."""
        for name, more in [("lanes", ("--lanes", 3, "--pin", 0)),
                           ("turns", ("--pin", 0))]:
            done = self.scan(name, *more)
            assert done.returncode == 0, done.stderr
            routers, host = self.router_links(name)
            assert routers == true_links(), (name, routers ^ true_links())
            assert len(host) == len(TARGETS), (name, host)
            counts = self.fathom.manifest(name)["probes"]
            assert counts["sent"] == counts["answered"] == \
                len(TARGETS) * TTLS, (name, counts)

    def test_multipath_finds_both_branches_behind_one_prefix(self):
        """Which no flow to one address can: r3 goes by the destination."""
        (self.directory / "one").write_text(TARGETS[7] + "\n")
        done = self.scan("single", targets="one")
        assert done.returncode == 0, done.stderr
        assert self.router_links("single")[0] < true_links()
        done = self.scan("multiple", "--strategy", "multipath", targets="one")
        assert done.returncode == 0, done.stderr
        routers, _ = self.router_links("multiple")
        assert routers == true_links(), routers ^ true_links()
        sent = {h["target"] for h in self.fathom.rows("multiple", "hops")}
        assert all(t.startswith("10.200.7.") for t in sent), sent

    def test_back_forward_maps_the_same_for_fewer_probes(self):
        done = self.scan("walked", "--strategy", "back_forward")
        assert done.returncode == 0, done.stderr
        routers, host = self.router_links("walked")
        assert routers <= true_links(), routers - true_links()
        assert len(host) == len(TARGETS), host
        # All of the chain, and of the fork at least one branch.
        missing = true_links() - routers
        assert len(missing) <= 3, missing
        sent = self.fathom.manifest("walked")["probes"]["sent"]
        assert sent < len(TARGETS) * TTLS * 0.9, sent

    def test_second_look_asks_again_and_invents_nothing(self):
        limit_icmp(True)
        done = self.scan("looked", "--repair", 2, "--verify")
        limit_icmp(False)
        assert done.returncode == 0, done.stderr
        passes = self.fathom.manifest("looked")["second_look"]
        assert any(p["sent"] > 0 for p in passes), passes
        routers, _ = self.router_links("looked")
        assert routers <= true_links(), routers - true_links()

    def test_maps_the_same_by_udp(self):
        done = self.scan("udp", "--protocol", "udp")
        assert done.returncode == 0, done.stderr
        routers, host = self.router_links("udp")
        assert routers == true_links(), routers ^ true_links()
        assert len(host) == len(TARGETS), host
        for hop in self.fathom.rows("udp", "hops"):
            reached = int(hop["ttl"]) >= DISTANCE
            assert (hop["icmp_type"], hop["icmp_code"]) == \
                (("3", "3") if reached else ("11", "0")), hop
            assert (hop["responder"] == hop["target"]) == reached, hop
        counts = self.fathom.manifest("udp")["probes"]
        assert counts["sent"] == counts["answered"] == len(TARGETS) * TTLS, \
            counts

    def test_reports_what_rate_limits_hide_as_missing(self):
        limit_icmp(True)
        done = self.scan("limited")
        limit_icmp(False)
        assert done.returncode == 0, done.stderr
        counts = self.fathom.manifest("limited")["probes"]
        assert counts["sent"] == len(TARGETS) * TTLS, counts
        assert counts["answered"] + counts["unanswered"] == counts["sent"]
        assert counts["unanswered"] > 0, "the limits hid nothing"
        assert len(self.fathom.rows("limited", "hops")) == counts["answered"]
        routers, _ = self.router_links("limited")
        assert routers <= true_links(), routers - true_links()
        assert "unanswered" in done.stdout, done.stdout

    def test_never_sends_to_the_excluded(self):
        (self.directory / "opted-out").write_text(
            "10.200.0.0/20\n10.200.16.0/24 # asked by mail\n")
        done = self.scan("excluded", "--exclude", "opted-out")
        assert done.returncode == 0, done.stderr
        targets = {h["target"] for h in self.fathom.rows("excluded", "hops")}
        assert len(targets) == len(TARGETS) - 17, targets
        assert all(int(t.split(".")[2]) > 16 for t in targets), targets

    def test_stops_on_the_first_interrupt_and_saves(self):
        process = self.scan("interrupted", "--pps", 100, start=True)
        time.sleep(1.5)  # Some of three seconds of sending.
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 130, errors
        self.fathom.ok("recover", "interrupted")
        counts = self.fathom.manifest("interrupted")["probes"]
        assert 0 < counts["sent"] < len(TARGETS) * TTLS, counts
        assert len(self.fathom.rows("interrupted", "hops")) == \
            counts["answered"] == counts["sent"]

    def test_recovers_after_a_kill(self):
        process = self.scan("killed", "--pps", 60, start=True)
        time.sleep(3.5)  # Flushes happen every second of five.
        process.kill()
        process.communicate(timeout=30)
        assert not (self.directory / "killed").exists()
        self.fathom.ok("recover", "killed")
        hops = self.fathom.rows("killed", "hops")
        assert 60 <= len(hops) < len(TARGETS) * TTLS, len(hops)
        routers, _ = self.router_links("killed")
        assert routers <= true_links()
        assert self.fathom.manifest("killed")["end"] == "recovered"

    def test_resumes_after_a_kill(self):
        """Both lanes, each from where it was; nothing is lost or there twice."""
        process = self.scan("resumed", "--pps", 60, "--lanes", 2, start=True)
        time.sleep(3.5)
        process.kill()
        process.communicate(timeout=30)
        done = self.fathom.run("scan", "--resume", "resumed", "--pps", 1000)
        assert done.returncode == 0, done.stderr
        probes = self.fathom.manifest("resumed")["probes"]
        assert probes["sent"] == len(TARGETS) * TTLS == probes["answered"], \
            probes
        assert len(self.fathom.rows("resumed", "hops")) == probes["sent"]
        (again, ) = self.fathom.manifest("resumed")["resumed"]
        assert again["sent_again"] < 210, again
        assert self.router_links("resumed")[0] == true_links()

    def test_saves_what_it_heard_when_the_interface_goes(self):
        process = self.scan("unplugged", "--pps", 100, start=True)
        time.sleep(1.5)
        inside("scanner", "ip link del v1n")
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 1, (process.returncode, errors)
        assert "v1n" in errors, errors
        assert "fathom recover unplugged" in errors, errors
        self.fathom.ok("recover", "unplugged")
        hops = self.fathom.rows("unplugged", "hops")
        assert 0 < len(hops) < len(TARGETS) * TTLS, len(hops)


def main(kind=Cases):
    tap.isolate()
    try:
        prepare(NODES)
        with tempfile.TemporaryDirectory() as directory:
            build()
            cases = kind(sys.argv[1], directory)
            return tap.run_cases([getattr(cases, name) for name in vars(kind)
                                  if name.startswith("test_")])
    finally:
        take_down(NODES)


if __name__ == "__main__":
    sys.exit(main())
