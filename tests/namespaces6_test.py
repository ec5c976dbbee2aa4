#!/usr/bin/env python3
"""Maps chains of real Linux routers over IPv6.

Usage: namespaces6_test.py FATHOM

The network of namespaces_test.py, with addresses fd00:0:0:<link>::1 and ::2.
A router answers from the address that its answer leaves by, so what is found
is compared by routers, not by addresses.
"""

import ipaddress
import pathlib
import sys

import namespaces_test as ipv4
from namespaces_test import CHAIN, DISTANCE, NODES, TTLS
from nodes import configure, inside, sh
import tap

TARGETS = [f"fd00:200:0:{i:x}::1" for i in range(24)]
PROTOCOLS = ["icmp", "udp", "tcp-ack", "tcp-syn"]


def near(link):
    return f"fd00:0:0:{link}::1"


def far(link):
    return f"fd00:0:0:{link}::2"


def build():
    """Adds IPv6 to the namespaces of ipv4.build()."""
    upstream = {b: link for link, (_, b) in reversed(CHAIN.items())}
    downstream = {}
    for link, (a, b) in CHAIN.items():
        downstream.setdefault(a, []).append(link)
        inside(a, f"ip addr add {near(link)}/64 dev v{link}n nodad")
        inside(b, f"ip addr add {far(link)}/64 dev v{link}f nodad")
    for node in NODES:
        configure(node, "ipv6/conf/all/forwarding", 1)
        configure(node, "ipv6/icmp/ratelimit", 0)
        # All errors of a router together, those over IPv6 included.
        configure(node, "ipv4/icmp_msgs_per_sec", 100_000)
        configure(node, "ipv4/icmp_msgs_burst", 10_000)
        hops = " ".join(f"nexthop via {far(link)}"
                        for link in downstream.get(node, []))
        if hops:
            inside(node, f"ip -6 route add fd00:200::/32 {hops}")
        if node in upstream and node != "r1":
            inside(node, "ip -6 route add fd00:0:0:1::/64 via "
                   f"{near(upstream[node])}")
    # Addresses, each for itself: errors from a mere local route would come from
    # another.
    for target in TARGETS:
        inside("host", f"ip addr add {target}/128 dev lo nodad")


def router_of(address):
    """Whose address it is; the host's for those of targets."""
    words = ipaddress.ip_address(address).exploded.split(":")
    if words[1] == "0200":
        return "host"
    a, b = CHAIN[int(words[3])]
    return a if words[7] == "0001" else b


# The links of all paths but the first, whose near end is the scanner.
TRUE_LINKS = {pair for pair in CHAIN.values() if pair[0] != "scanner"}


class Cases:
    """The cases, in the namespaces that build() has made."""

    def __init__(self, binary, directory):
        self.directory = pathlib.Path(directory)
        self.fathom = tap.Fathom(binary, directory, ipv4.enter("scanner"))
        (self.directory / "targets").write_text("\n".join(TARGETS) + "\n")

    def scan(self, name, *more):
        return self.fathom.run(
            "scan", "targets", "-o", name, "--include-special", "--max-ttl",
            TTLS, "--seed", 7, "--cooldown", "1s", "--pps", 2000, *more)

    def expect_whole_map(self, name):
        links = {(router_of(r["near"]), router_of(r["far"]))
                 for r in self.fathom.rows(name, "links")}
        assert links == TRUE_LINKS, (name, links ^ TRUE_LINKS)
        counts = self.fathom.manifest(name)["probes"]
        assert counts["sent"] == counts["answered"] == \
            len(TARGETS) * TTLS, counts

    def test_maps_ten_routers_and_the_fork_by_each_protocol(self):
        for protocol in PROTOCOLS:
            done = self.scan(protocol, "--protocol", protocol)
            assert done.returncode == 0, done.stderr
            self.expect_whole_map(protocol)

    def test_hears_every_hop_of_every_path(self):
        done = self.scan("hops")
        assert done.returncode == 0, done.stderr
        hops = self.fathom.rows("hops", "hops")
        for hop in hops:
            ttl = int(hop["ttl"])
            if ttl >= DISTANCE:
                assert hop["responder"] == hop["target"], hop
                assert hop["icmp_type"] == "129", hop
            else:
                assert hop["icmp_type"] == "3", hop
                assert int(hop["reply_ttl"]) == 64 - ttl + 1, hop

    def test_maps_the_same_by_two_lanes(self):
        done = self.scan("lanes", "--lanes", 2)
        assert done.returncode == 0, done.stderr
        self.expect_whole_map("lanes")

    def test_strategies_that_learn_invent_nothing(self):
        for strategy in ["back_forward", "multipath"]:
            done = self.scan(strategy, "--strategy", strategy)
            assert done.returncode == 0, done.stderr
            links = {(router_of(r["near"]), router_of(r["far"]))
                     for r in self.fathom.rows(strategy, "links")}
            assert links <= TRUE_LINKS, links - TRUE_LINKS
            assert len(TRUE_LINKS - links) <= 3, TRUE_LINKS - links

    def test_never_sends_to_the_excluded(self):
        (self.directory / "no").write_text("10.0.0.0/8\n" + TARGETS[3] + "\n")
        done = self.scan("excluded", "--exclude", "no")
        assert done.returncode == 0, done.stderr
        targets = {h["target"] for h in self.fathom.rows("excluded", "hops")}
        assert len(targets) == len(TARGETS) - 1, targets
        assert TARGETS[3] not in targets, targets


class WithIpv6(Cases):
    """The same, after the network has got IPv6."""

    def __init__(self, binary, directory):
        build()
        super().__init__(binary, directory)


for name_, case_ in list(vars(Cases).items()):
    if name_.startswith("test_"):
        setattr(WithIpv6, name_, case_)

if __name__ == "__main__":
    sys.exit(ipv4.main(WithIpv6))
