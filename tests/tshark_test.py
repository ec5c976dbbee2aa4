#!/usr/bin/env python3
"""What fathom reads out of replies against what tshark does.

Usage: tshark_test.py DISSECT_PCAP CAPTURE

The capture is tests/data/pcap/replies.pcap, made by make.py beside it.
"""

import json
import pathlib
import shutil
import subprocess
import sys

import tap

FIELDS = """ip.src ip.dst ip.ttl ip.dsfield ip.proto
ipv6.src ipv6.dst ipv6.hlim ipv6.tclass ipv6.nxt
icmp.type icmp.code icmpv6.type icmpv6.code tcp.flags
icmp.mpls.label icmp.mpls.exp icmp.mpls.s icmp.mpls.ttl
icmp.int_info.role icmp.int_info.index icmp.int_info.ipv4 icmp.int_info.ipv6
icmp.int_info.name icmp.int_info.mtu icmp.ext.class icmp.ext.ctype
icmp.checksum.status icmpv6.checksum.status tcp.checksum.status""".split()

EXTENSION_HEADERS = (0, 43, 44, 60)


def by_tshark(capture):
    """A dictionary a packet: of each field the list of its values."""
    command = ["tshark", "-r", capture, "-o", "ip.check_checksum:TRUE",
               "-o", "tcp.check_checksum:TRUE", "-T", "fields", "-E",
               "occurrence=a", "-E", "aggregator=|", "-E", "separator=;"]
    for field in FIELDS:
        command += ["-e", field]
    text = subprocess.run(command, capture_output=True, text=True,
                          check=True).stdout
    return [{field: value.split("|") if value else []
             for field, value in zip(FIELDS, line.split(";"))}
            for line in text.splitlines()]


class Packet:
    """A packet as tshark shows it, in fathom's words."""

    def __init__(self, shown):
        self.shown = shown
        self.ip = "ip" if shown["ip.src"] else "ipv6"

    def numbers(self, field):
        return [int(value, 0) for value in self.shown[field]]

    def first(self, field, default=0):
        return self.numbers(field)[0] if self.shown[field] else default

    def ttls(self):
        return self.numbers("ip.ttl" if self.ip == "ip" else "ipv6.hlim")

    def classes(self):
        return self.numbers("ip.dsfield" if self.ip == "ip" else "ipv6.tclass")

    def icmp(self):
        return "icmp" if self.ip == "ip" else "icmpv6"

    def is_error(self):
        return len(self.ttls()) == 2

    def shape(self):
        if self.is_error():
            return "error"
        return "echo reply" if self.shown[f"{self.icmp()}.type"] else "segment"

    def quote(self):
        protocols = self.numbers("ip.proto" if self.ip == "ip" else "ipv6.nxt")
        return {"source": self.shown[f"{self.ip}.src"][1],
                "destination": self.shown[f"{self.ip}.dst"][1],
                "ttl": self.ttls()[1], "tos": self.classes()[1],
                "protocol": protocols[1]}

    def labels(self):
        columns = [self.numbers(f"icmp.mpls.{name}")
                   for name in ("label", "exp", "s", "ttl")]
        return [list(row) for row in zip(*columns)]

    def interface(self):
        """Of the one interface that a packet of the capture has at most."""
        if not self.shown["icmp.int_info.role"]:
            return []
        info = {"role": self.first("icmp.int_info.role"),
                "name": "".join(self.shown["icmp.int_info.name"])}
        for key in ("index", "mtu"):
            if self.shown[f"icmp.int_info.{key}"]:
                info[key] = self.first(f"icmp.int_info.{key}")
        for family in ("ipv4", "ipv6"):
            for address in self.shown[f"icmp.int_info.{family}"]:
                info["address"] = address
        return [info]

    def objects(self):
        return [list(pair) for pair in zip(self.numbers("icmp.ext.class"),
                                           self.numbers("icmp.ext.ctype"))]


class Cases:
    def __init__(self, program, capture):
        ours = subprocess.run([program, capture], capture_output=True,
                              text=True, check=True).stdout.splitlines()
        self.ours = [json.loads(line) for line in ours]
        self.theirs = [Packet(shown) for shown in by_tshark(capture)]

    def compare(self, ours, theirs):
        """Both are functions of a packet as that side has it."""
        assert len(self.ours) == len(self.theirs) >= 20
        for number, (a, b) in enumerate(zip(self.ours, self.theirs), 1):
            assert ours(a) == theirs(b), \
                f"packet {number}: {ours(a)}, tshark says {theirs(b)}"

    def test_tshark_finds_every_checksum_right(self):
        good = 1
        for number, packet in enumerate(self.theirs, 1):
            # Of quotes that are cut short nothing can be said.
            status = packet.numbers(f"{packet.icmp()}.checksum.status") + \
                packet.numbers("tcp.checksum.status")
            assert status and status[0] == good, f"packet {number}: {status}"

    def test_shapes_agree(self):
        self.compare(lambda p: p["shape"], Packet.shape)

    def test_addresses_and_ttls_agree(self):
        self.compare(lambda p: (p["source"], p["destination"], p["ttl"]),
                     lambda p: (p.shown[f"{p.ip}.src"][0],
                                p.shown[f"{p.ip}.dst"][0], p.ttls()[0]))

    def test_types_codes_and_flags_agree(self):
        self.compare(
            lambda p: (p["type"], p["code"], p["flags"]),
            lambda p: (p.first(f"{p.icmp()}.type"), p.first(f"{p.icmp()}.code"),
                       0 if p.is_error() else p.first("tcp.flags")))

    def test_quotes_agree(self):
        def theirs(packet):
            if not packet.is_error():
                return None
            quote = packet.quote()
            # It shows the header that follows; fathom what comes after all.
            if quote["protocol"] in EXTENSION_HEADERS:
                quote["protocol"] = 17
            return quote
        self.compare(lambda p: p.get("quote"), theirs)

    def test_labels_agree(self):
        self.compare(lambda p: p["extensions"]["labels"], Packet.labels)
        assert sum(len(p["extensions"]["labels"]) for p in self.ours) >= 7

    def test_interfaces_agree(self):
        self.compare(lambda p: p["extensions"]["interfaces"],
                     Packet.interface)
        assert sum(len(p["extensions"]["interfaces"]) for p in self.ours) >= 2

    def test_objects_agree(self):
        self.compare(lambda p: p["extensions"]["objects"], Packet.objects)

    def test_the_capture_is_what_its_program_makes(self):
        capture = pathlib.Path(sys.argv[2])
        made = subprocess.run([sys.executable, capture.with_name("make.py")],
                              capture_output=True, check=True).stdout
        assert made == capture.read_bytes()


def main():
    if shutil.which("tshark") is None:
        print("1..0 # SKIP there is no tshark; scripts/setup installs it")
        return 0
    cases = Cases(sys.argv[1], sys.argv[2])
    return tap.run_cases([getattr(cases, name) for name in vars(Cases)
                          if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
