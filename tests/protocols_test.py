#!/usr/bin/env python3
"""Every probe protocol over both families against real Linux routers and hosts.

Usage: protocols_test.py FATHOM

    scanner - r1 - r2 - r3 - host

Each is a network namespace; veth pairs join them and nothing joins them to
anything else. The host has 10.200.0.0/24 and fd00:200::/64, nobody listens on
it but on TCP port 80 of 10.200.0.80 and fd00:200::80, and the addresses behind
10.200.1.0/24 and fd00:201::/64 are refused by r3.
"""

import subprocess
import sys
import tempfile

from nodes import configure, enter, inside, prepare, sh, take_down
import tap

NODES = ["scanner", "r1", "r2", "r3", "host"]
DISTANCE = 4  # Of the host.
TTLS = 6

TARGETS = {
    4: ["10.200.0.1", "10.200.0.2", "10.200.0.80"],
    6: ["fd00:200::1", "fd00:200::2", "fd00:200::80"],
}
LISTENS = {4: "10.200.0.80", 6: "fd00:200::80"}
REFUSED = {4: "10.200.1.1", 6: "fd00:201::1"}
ROUTERS = {4: ["10.1.0.2", "10.2.0.2", "10.3.0.2"],
           6: ["fd00:1::2", "fd00:2::2", "fd00:3::2"]}

# Type and code of a hop's answer, of port unreachable, of an echo reply, and
# of r3's refusal.
EXCEEDED = {4: ("11", "0"), 6: ("3", "0")}
NO_PORT = {4: ("3", "3"), 6: ("1", "4")}
ECHO = {4: ("0", "0"), 6: ("129", "0")}
PROHIBITED = {4: ("3", "13"), 6: ("1", "1")}

RST, SYN_ACK, RST_ACK = "4", "18", "20"


def set_up(node):
    configure(node, "ipv4/ip_forward", 1)
    configure(node, "ipv6/conf/all/forwarding", 1)
    configure(node, "ipv4/conf/all/rp_filter", 0)
    configure(node, "ipv4/conf/default/rp_filter", 0)
    # An address that is still being checked for doubles cannot be used.
    configure(node, "ipv6/conf/default/accept_dad", 0)
    configure(node, "ipv4/icmp_ratemask", 0)
    configure(node, "ipv6/icmp/ratelimit", 0)
    # All errors of a router together, those over IPv6 included.
    configure(node, "ipv4/icmp_msgs_per_sec", 100_000)
    configure(node, "ipv4/icmp_msgs_burst", 10_000)


def join(link, a, b):
    """A veth pair from a to b, of which b's end is what it answers from."""
    sh(f"ip link add v{link}n netns {a} type veth peer name v{link}f netns {b}")
    for node, device, last in ((a, f"v{link}n", 1), (b, f"v{link}f", 2)):
        inside(node, f"ip addr add 10.{link}.0.{last}/30 dev {device}")
        inside(node, f"ip addr add fd00:{link}::{last}/64 dev {device} nodad")
        inside(node, f"ip link set {device} up")


def build():
    prepare(NODES)
    for node in NODES:
        set_up(node)
    for link in range(1, len(NODES)):
        join(link, NODES[link - 1], NODES[link])
    for i, node in enumerate(NODES[:-1], 1):
        inside(node, f"ip route add 10.200.0.0/16 via 10.{i}.0.2")
        inside(node, f"ip -6 route add fd00:200::/31 via fd00:{i}::2")
    for i, node in enumerate(NODES[2:], 2):
        inside(node, f"ip route add 10.1.0.0/30 via 10.{i}.0.1")
        inside(node, f"ip -6 route add fd00:1::/64 via fd00:{i}::1")
    inside("host", "ip route add local 10.200.0.0/24 dev lo")
    inside("host", "ip -6 route add local fd00:200::/64 dev lo")
    # Over IPv6 a host speaks for, and listens on, none but its own addresses.
    for address in TARGETS[6]:
        inside("host", f"ip -6 addr add {address}/128 dev lo nodad")
    inside("r3", "ip route add prohibit 10.200.1.0/24")
    inside("r3", "ip -6 route add prohibit fd00:201::/64")


def listen():
    """A process on the host that listens on port 80 of one address a family."""
    program = (
        "import socket, sys\n"
        "four = socket.create_server(('10.200.0.80', 80))\n"
        "six = socket.create_server(('fd00:200::80', 80),"
        " family=socket.AF_INET6)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n")
    process = subprocess.Popen(
        enter("host") + [sys.executable, "-c", program],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def half_open():
    """Connections of the host that wait for the third packet."""
    shown = subprocess.run(
        enter("host") + ["cat", "/proc/net/tcp", "/proc/net/tcp6"],
        capture_output=True, text=True, check=True).stdout.splitlines()
    syn_received = "03"
    return [line for line in shown
            if len(line.split()) > 3 and line.split()[3] == syn_received]


class Cases:
    def __init__(self, binary, directory):
        self.fathom = tap.Fathom(binary, directory, enter("scanner"))
        self.directory = directory

    def hops(self, protocol, family, backend):
        """The hops of a scan of the family's targets, by ICMP refused ones too.

        A router sends five such refusals, and then one a second.
        """
        wanted = list(TARGETS[family])
        if (protocol, backend) == ("icmp", "io_uring"):
            wanted.append(REFUSED[family])
        name = f"{protocol}-{family}-{backend}"
        targets = f"{self.directory}/{name}.targets"
        with open(targets, "w", encoding="ascii") as file:
            file.write("\n".join(wanted) + "\n")
        self.fathom.ok("scan", targets, "-o", name, "--protocol", protocol,
                       "--include-special", "--max-ttl", TTLS, "--seed", 5,
                       "--per-prefix", 250, "--cooldown", "1s", "--pps", 500,
                       "--backend", backend)
        counts = self.fathom.manifest(name)["probes"]
        assert counts["sent"] == len(wanted) * TTLS, counts
        assert counts["unanswered"] == 0, counts
        return self.fathom.rows(name, "hops")

    def check(self, protocol, family, answers, backend="io_uring"):
        """Whether routers, host and refusal answer as they must.

        `answers` says of a target what its answer's type, code and TCP flags
        must be.
        """
        for hop in self.hops(protocol, family, backend):
            ttl = int(hop["ttl"])
            answer = (hop["icmp_type"], hop["icmp_code"], hop["tcp_flags"])
            if ttl < DISTANCE and (hop["target"] != REFUSED[family] or ttl < 3):
                assert hop["responder"] == ROUTERS[family][ttl - 1], hop
                assert hop["kind"] == "hop", hop
                assert answer == EXCEEDED[family] + ("0",), hop
                assert hop["quoted_ttl"] == "1", hop
                assert int(hop["reply_ttl"]) == 64 - ttl + 1, hop
            elif hop["target"] == REFUSED[family]:
                # Refused where the packet arrived with TTL to spare.
                if ttl == 3:
                    assert answer in (EXCEEDED[family] + ("0",),
                                      PROHIBITED[family] + ("0",)), hop
                else:
                    assert answer == PROHIBITED[family] + ("0",), hop
                    assert hop["kind"] == "unreachable", hop
                assert hop["responder"] == ROUTERS[family][2], hop
            else:
                assert hop["kind"] == "destination", hop
                assert hop["responder"] == hop["target"], hop
                assert answer == answers(hop["target"]), hop
            assert hop["quoted_tos"] == "0" and hop["changes"] == "", hop
            assert int(hop["rtt_100us"]) < 10_000, hop

    def test_icmp_over_ipv4(self):
        self.check("icmp", 4, lambda _: ECHO[4] + ("0",))

    def test_icmp_over_ipv6(self):
        self.check("icmp", 6, lambda _: ECHO[6] + ("0",))

    def test_udp_over_ipv4(self):
        self.check("udp", 4, lambda _: NO_PORT[4] + ("0",))

    def test_udp_over_ipv6(self):
        self.check("udp", 6, lambda _: NO_PORT[6] + ("0",))

    def test_tcp_ack_over_ipv4(self):
        self.check("tcp-ack", 4, lambda _: ("0", "0", RST))

    def test_tcp_ack_over_ipv6(self):
        self.check("tcp-ack", 6, lambda _: ("0", "0", RST))

    def syn_answer(self, target):
        open_port = target in LISTENS.values()
        return ("0", "0", SYN_ACK if open_port else RST_ACK)

    def test_tcp_syn_over_ipv4_leaves_nothing_half_open(self):
        self.check("tcp-syn", 4, self.syn_answer)
        assert half_open() == [], half_open()

    def test_tcp_syn_over_ipv6_leaves_nothing_half_open(self):
        self.check("tcp-syn", 6, self.syn_answer)
        assert half_open() == [], half_open()

    def test_xdp_hears_the_same_of_every_protocol_and_family(self):
        if "xdp" not in self.fathom.ok("scan", "--help"):
            raise tap.Skip("built without xdp")
        for family in (4, 6):
            self.check("icmp", family, lambda _: ECHO[family] + ("0",), "xdp")
            self.check("udp", family, lambda _: NO_PORT[family] + ("0",),
                       "xdp")
            self.check("tcp-ack", family, lambda _: ("0", "0", RST), "xdp")
            self.check("tcp-syn", family, self.syn_answer, "xdp")
        assert half_open() == [], half_open()

    def test_a_mixed_list_is_scanned_family_by_family(self):
        targets = f"{self.directory}/mixed"
        with open(targets, "w", encoding="ascii") as file:
            file.write("\n".join(TARGETS[4] + TARGETS[6]) + "\n")
        refused = self.fathom.run("scan", targets, "-o", "mixed.both",
                                  "--include-special")
        assert refused.returncode == 2, refused
        for family in (4, 6):
            self.fathom.ok("scan", targets, f"-{family}", "-o",
                           f"mixed.{family}", "--include-special",
                           "--per-prefix", 250, "--max-ttl", TTLS,
                           "--cooldown", "1s", "--pps", 500)
            found = {r["target"]
                     for r in self.fathom.rows(f"mixed.{family}", "hops")}
            assert found == set(TARGETS[family]), found


def main():
    tap.isolate()
    try:
        with tempfile.TemporaryDirectory() as directory:
            build()
            host = listen()
            cases = Cases(sys.argv[1], directory)
            code = tap.run_cases([getattr(cases, name) for name in vars(Cases)
                                  if name.startswith("test_")])
            host.stdin.close()
            host.wait()
            return code
    finally:
        take_down(NODES)


if __name__ == "__main__":
    sys.exit(main())
