"""A path of real Linux routers, to be traced.

    scanner - r1 - r2 - r3 - r4 = (r5 | r6) = r7 - r8 - ... - r15 - host

Each is a network namespace; veth pairs join them and nothing joins them to
anything else. r4 balances by flow; r9 answers nothing; some links may take time.
The host is 15 hops away, over IPv4 and IPv6.
"""

import pathlib
import subprocess
import sys

from nodes import configure, enter, inside, prepare, sh, take_down

LINKS = {  # As (near, far); addresses are 10.<link>.0.1 and .2.
    1: ("scanner", "r1"), 2: ("r1", "r2"), 3: ("r2", "r3"), 4: ("r3", "r4"),
    5: ("r4", "r5"), 6: ("r5", "r7"), 7: ("r4", "r6"), 8: ("r6", "r7"),
    9: ("r7", "r8"), 17: ("r15", "host"),
    **{i + 2: (f"r{i}", f"r{i + 1}") for i in range(8, 15)},
}
NODES = sorted({node for pair in LINKS.values() for node in pair})
SILENT = "r9"
DELAYED = {2, 4, 9, 13, 16}
DISTANCE = 15
HOST = "10.200.0.1"
HOST6 = "fd00:200::1"
REFUSED = "10.201.0.1"    # r2 has no route, and says so,
FORBIDDEN = "10.202.0.1"  # r3 forbids it, and says so,
NOWHERE = "10.203.0.1"    # r10 drops it.


def near(link, family=4):
    return f"10.{link}.0.1" if family == 4 else f"fd00:{link}::1"


def far(link, family=4):
    return f"10.{link}.0.2" if family == 4 else f"fd00:{link}::2"


def hops(family=4):
    """For each distance the addresses that may answer there, none if silent."""
    f = lambda link: far(link, family)
    path = [{f(1)}, {f(2)}, {f(3)}, {f(4)}, {f(5), f(7)}, {f(6), f(8)}, {f(9)}]
    path += [{f(i)} for i in range(10, 17)]
    path += [{HOST if family == 4 else HOST6}]
    path[7] = set()  # The silent one.
    assert len(path) == DISTANCE
    return path


def fork(family=4):
    """The two branches, as the addresses of distances 5 and 6."""
    return [(far(5, family), far(6, family)), (far(7, family), far(8, family))]


def build_nodes():
    prepare(NODES)
    for node in NODES:
        for key, value in {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1,
                           "ipv4/conf/all/rp_filter": 0,
                           "ipv4/conf/default/rp_filter": 0,
                           "ipv6/conf/default/accept_dad": 0,
                           "ipv4/icmp_errors_use_inbound_ifaddr": 1,
                           "ipv4/icmp_ratemask": 0,
                           "ipv4/icmp_msgs_per_sec": 100000,
                           "ipv4/icmp_msgs_burst": 10000,
                           "ipv4/fib_multipath_hash_policy": 1,
                           "ipv6/fib_multipath_hash_policy": 1,
                           "ipv6/icmp/ratelimit": 0}.items():
            configure(node, key, value)


class Chain:
    """All of it, from build() to take_down(), in a private network namespace.

    `delay_ms` is how long each of the links DELAYED takes one way, 0 for none.
    """

    def __init__(self, delay_ms=0):
        self.delay_ms = delay_ms
        self.relay = None

    def build(self):
        build_nodes()
        if self.delay_ms:
            self.start_relay()
        for link, (a, b) in LINKS.items():
            if not self.delay_ms or link not in DELAYED:
                sh(f"ip link add v{link}n netns {a} type veth "
                   f"peer name v{link}f netns {b}")
            for node, device, address in ((a, f"v{link}n", near),
                                          (b, f"v{link}f", far)):
                inside(node, f"ip addr add {address(link)}/30 dev {device}")
                inside(node, f"ip addr add {address(link, 6)}/64 dev {device} "
                       "nodad")
                inside(node, f"ip link set {device} up")
        build_routes()

    def start_relay(self):
        script = pathlib.Path(__file__).parent / "delaying_links.py"
        links = [f"v{i}:{LINKS[i][0]}:{LINKS[i][1]}:{self.delay_ms}"
                 for i in sorted(DELAYED)]
        self.relay = subprocess.Popen(
            [sys.executable, "-B", str(script), *links],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.relay.stdout.readline() == "ready\n"

    def take_down(self):
        if self.relay:
            self.relay.communicate(timeout=10)
        take_down(NODES)


def build_routes():
    outwards, back = {}, {}
    for link, (a, b) in LINKS.items():
        outwards.setdefault(a, []).append(link)
        back.setdefault(b, link)
    for node in NODES:
        for family, there, home in ((4, "10.200.0.0/14", "10.1.0.0/30"),
                                    (6, "fd00:200::/40", "fd00:1::/64")):
            ip = f"ip -{family}"
            ways = " ".join(f"nexthop via {far(link, family)}"
                            for link in outwards.get(node, []))
            if ways:
                inside(node, f"{ip} route add {there} {ways}")
            if node in back and node != "r1":
                inside(node, f"{ip} route add {home} via "
                       f"{near(back[node], family)}")
    inside("host", "ip route add local 10.200.0.0/16 dev lo")
    inside("host", f"ip -6 addr add {HOST6}/128 dev lo nodad")
    inside("r2", "ip route add unreachable 10.201.0.0/16")
    inside("r3", "ip route add prohibit 10.202.0.0/16")
    inside("r10", "ip route add blackhole 10.203.0.0/16")
    # What it forwards passes; what it says itself does not.
    inside(SILENT, "ip rule add iif lo to 10.1.0.0/30 blackhole")
    inside(SILENT, "ip -6 rule add iif lo to fd00:1::/64 blackhole")
