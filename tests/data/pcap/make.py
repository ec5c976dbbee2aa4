#!/usr/bin/env python3
"""Makes replies.pcap: answers to probes, byte by byte as the RFCs have them.

Usage: make.py > replies.pcap

Written from RFC 791, 792, 4443, 4884, 4950, 5837, 8200 and 9293, without any
code of fathom, so that tshark and fathom can be held against each other over
it. On standard error this prints what each packet is.
"""

import ipaddress
import struct
import sys


def ones_sum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def checksum(data):
    return ~ones_sum(data) & 0xffff


def ipv4(source, target, protocol, rest, ttl=60, tos=0, ident=0x1234,
         options=b""):
    words = 5 + len(options) // 4
    head = struct.pack(">BBHHHBBH4s4s", 0x40 | words, tos,
                       4 * words + len(rest), ident, 0, ttl, protocol, 0,
                       ipaddress.IPv4Address(source).packed,
                       ipaddress.IPv4Address(target).packed) + options
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    return head + rest


def ipv6(source, target, protocol, rest, hops=60, traffic_class=0, label=0):
    return struct.pack(">IHBB16s16s",
                       6 << 28 | traffic_class << 20 | label, len(rest),
                       protocol, hops, ipaddress.IPv6Address(source).packed,
                       ipaddress.IPv6Address(target).packed) + rest


def pseudo(packet, protocol, size):
    if packet[0] >> 4 == 4:
        return packet[12:20] + struct.pack(">BBH", 0, protocol, size)
    return packet[8:40] + struct.pack(">IHBB", size, 0, 0, protocol)


def with_sum(packet, at, start, protocol, covers_addresses):
    """The packet with a true checksum at `at` of what stands from `start`."""
    message = packet[start:at] + b"\0\0" + packet[at + 2:]
    head = pseudo(packet, protocol, len(message)) if covers_addresses else b""
    return (packet[:at] + struct.pack(">H", checksum(head + message)) +
            packet[at + 2:])


def icmp4(router, kind, code, body, word=0, ttl=250, tos=0xc0, options=b"",
          to="198.18.0.1"):
    message = struct.pack(">BBHI", kind, code, 0, word) + body
    packet = ipv4(router, to, 1, message, ttl, tos, options=options)
    start = 20 + len(options)
    return with_sum(packet, start + 2, start, 1, False)


def icmp6(router, kind, code, body, word=0, hops=250, to="fd00::1"):
    message = struct.pack(">BBHI", kind, code, 0, word) + body
    return with_sum(ipv6(router, to, 58, message, hops), 42, 40, 58, True)


def udp(size=26):
    return struct.pack(">HHHH", 40123, 33434, size, 0x1234) + b"f" * (size - 8)


def tcp(flags, sequence, acknowledgment, source=80, target=40123):
    return struct.pack(">HHIIBBHHH", source, target, sequence, acknowledgment,
                       5 << 4, flags, 0, 0, 0)


def probe4(ttl=1, tos=0, rest=None, protocol=17, options=b""):
    return ipv4("198.18.0.1", "10.1.2.3", protocol,
                udp() if rest is None else rest, ttl, tos, options=options)


def probe6(hops=1, rest=None, protocol=17, traffic_class=0):
    return ipv6("fd00::1", "fd00:200::9", protocol,
                udp() if rest is None else rest, hops, traffic_class, 0x54321)


def label(value, traffic_class, bottom, ttl):
    return struct.pack(">I", value << 12 | traffic_class << 9 | bottom << 8 |
                       ttl)


def thing(object_class, object_type, payload):
    """An object of an extension structure."""
    return struct.pack(">HBB", 4 + len(payload), object_class,
                       object_type) + payload


def extensions(*objects):
    body = b"\x20\x00\x00\x00" + b"".join(objects)
    return b"\x20\x00" + struct.pack(">H", checksum(body)) + body[4:]


def padded(quote, size=128):
    return quote[:size] + bytes(size - len(quote[:size]))


MPLS = thing(1, 1, label(24015, 0, 0, 1) + label(299776, 5, 1, 254))
ONE_LABEL = thing(1, 1, label(16, 0, 1, 1))


def interface4():
    """Incoming: ifIndex, address, name and MTU all there (RFC 5837)."""
    name = b"ge-0/0/0.100"
    name = bytes([(len(name) + 4) // 4 * 4]) + name
    name += bytes(-len(name) % 4)
    return thing(2, 0x0f, struct.pack(">IHH4s", 517, 1, 0, ipaddress.
                                      IPv4Address("10.9.8.7").packed) + name +
                 struct.pack(">I", 1500))


def interface6():
    """Outgoing: address and MTU only."""
    return thing(2, 0x85, struct.pack(">HH16s", 2, 0, ipaddress.
                                      IPv6Address("fd00:3::2").packed) +
                 struct.pack(">I", 9000))


PACKETS = [
    ("time exceeded with a short quote", icmp4(
        "10.0.0.2", 11, 0, probe4()[:28])),
    ("time exceeded with all of the probe", icmp4(
        "10.0.0.2", 11, 0, probe4(2, 0x28))),
    ("labels behind a stated length", icmp4(
        "10.0.0.3", 11, 0, padded(probe4()) + extensions(MPLS), 32 << 16)),
    ("a label behind 128 bytes, of which nothing is stated", icmp4(
        "10.0.0.4", 11, 0, padded(probe4()) + extensions(ONE_LABEL))),
    ("labels, an interface and an unknown object", icmp4(
        "10.0.0.5", 11, 0, padded(probe4()) +
        extensions(MPLS, interface4(), thing(247, 9, b"abcd")), 32 << 16)),
    ("port unreachable", icmp4("10.1.2.3", 3, 3, probe4(9))),
    ("host prohibited, IP options within and without", icmp4(
        "10.0.0.6", 3, 10, probe4(5, options=b"\x94\x04\0\0"),
        options=b"\x01\x01\x01\x00")),
    ("time exceeded for TCP", icmp4(
        "10.0.0.2", 11, 0, probe4(1, rest=tcp(16, 0x11223344, 0x11223344,
                                              40123, 80), protocol=6))),
    ("echo reply", icmp4("10.1.2.3", 0, 0, b"0123456789", 0x12345678, tos=0)),
    ("reset", with_sum(ipv4("10.1.2.3", "198.18.0.1", 6,
                            tcp(4, 0x11223344, 0)), 36, 20, 6, True)),
    ("SYN and ACK", with_sum(ipv4("10.1.2.3", "198.18.0.1", 6,
                                  tcp(18, 77, 0x11223345)), 36, 20, 6, True)),
    ("time exceeded over IPv6", icmp6("fd00:2::2", 3, 0, probe6())),
    ("time exceeded over IPv6, the quote cut to 48 bytes", icmp6(
        "fd00:2::2", 3, 0, probe6(2, traffic_class=0x28)[:48])),
    ("labels over IPv6 behind a stated length", icmp6(
        "fd00:2::2", 3, 0, padded(probe6()) + extensions(MPLS), 16 << 24)),
    ("an interface over IPv6", icmp6(
        "fd00:3::2", 3, 0, padded(probe6()) + extensions(interface6()),
        16 << 24)),
    ("a quote with extension headers", icmp6(
        "fd00:3::2", 3, 0, probe6(1, bytes([44, 0, 1, 4, 0, 0, 0, 0]) +
                                  bytes([17, 0, 0, 0, 0, 0, 0, 7]) + udp(),
                                  0))),
    ("port unreachable over IPv6", icmp6("fd00:200::9", 1, 4, probe6(5))),
    ("prohibited over IPv6", icmp6("fd00:3::2", 1, 1, probe6(5))),
    ("echo reply over IPv6", icmp6("fd00:200::9", 129, 0, b"0123456789",
                                   0x12345678)),
    ("reset over IPv6", with_sum(ipv6("fd00:200::9", "fd00::1", 6,
                                      tcp(20, 0, 0x11223345)), 56, 40, 6,
                                 True)),
]


def main():
    # Raw IP, microseconds, snap length 65535.
    sys.stdout.buffer.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0,
                                        65535, 101))
    for i, (name, packet) in enumerate(PACKETS):
        sys.stdout.buffer.write(struct.pack("<IIII", 1767225600 + i, 0,
                                            len(packet), len(packet)) + packet)
        print(name, file=sys.stderr)


if __name__ == "__main__":
    main()
