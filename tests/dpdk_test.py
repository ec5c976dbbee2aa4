#!/usr/bin/env python3
"""Whole scans by the dpdk backend, with the lab at the other end.

Usage: dpdk_test.py FATHOM SCENARIOS

They must find what is there to find, as every backend does. Skipped where
fathom was built without DPDK, or namespaces cannot be made.
"""

import contextlib
import fcntl
import os
import struct
import subprocess
import sys

import lab_wire_test
import tap

GATEWAY_MAC = "02:00:c6:12:00:02"
OVER_VETH = ["--interface", "net_af_packet0,iface=scan0"]
OVER_TAP = ["--interface", f"net_tap0,iface=tap0,mac={GATEWAY_MAC}",
            "--source", "198.18.0.1", "--gateway", "198.18.0.2",
            "--gateway-mac", GATEWAY_MAC]

TUNSETIFF, TUNSETQUEUE = 0x400454ca, 0x400454d9
IFF_TAP, IFF_MULTI_QUEUE, IFF_DETACH_QUEUE = 0x0002, 0x0100, 0x0400


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True,
                   timeout=60)


@contextlib.contextmanager
def tap0():
    """The interface tap0, with a carrier, in our own isolated namespace.

    It has one since we hold it by a queue, which is set aside so that no packet
    comes to us. DPDK adds its own, which has a header of four bytes before each
    frame, as ours must then have, too.
    """
    try:
        queue = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise tap.Skip(f"no tap: {error}") from error

    def control(request, flags):
        fcntl.ioctl(queue, request, struct.pack("16sH22x", b"tap0", flags))

    control(TUNSETIFF, IFF_TAP | IFF_MULTI_QUEUE)
    control(TUNSETQUEUE, IFF_DETACH_QUEUE)
    try:
        ip("link", "set", "tap0", "address", GATEWAY_MAC, "addrgenmode",
           "none", "up")
        yield
    finally:
        os.close(queue)


class Cases(lab_wire_test.Cases):
    def require_dpdk(self):
        if "dpdk" not in self.fathom.ok("scan", "--help"):
            raise tap.Skip("built without DPDK")

    def scan_command(self, name, *options):
        """As lab_wire_test scans, by this backend."""
        self.write("sevens", "".join(
            f"10.{64 + i // 256}.{i % 256}.7\n"
            for i in range(lab_wire_test.BLOCKS)))
        return [self.fathom.binary, "scan", "sevens", "-o", name,
                "--include-special", "--seed", "7", "--max-ttl",
                lab_wire_test.MAX_TTL, "--pps", lab_wire_test.PPS,
                "--cooldown", "2s", "--quiet", "--backend", "dpdk", *options]

    def check(self, name):
        if not (self.directory / "process").exists():
            self.scan(None, "process", self.clean)
        found, there = self.links(name), self.links("process")
        assert len(found) > 2_000, len(found)
        assert found.keys() == there.keys(), \
            list(found.keys() ^ there.keys())[:9]
        assert self.hops(name) == self.hops("process")
        counts = self.fathom.manifest(name)
        assert counts["probes"]["sent"] == counts["probes"]["planned"], counts

    def test_finds_all_over_net_af_packet(self):
        self.require_dpdk()
        with lab_wire_test.Lab(self.fathom, "dpdktest", "--scenario",
                               self.clean) as lab:
            lab.run(*self.scan_command("veth", *OVER_VETH))
        self.check("veth")

    def test_finds_all_over_net_tap(self):
        self.require_dpdk()
        with tap0():
            lab = self.fathom.start("lab", "serve", "tap0", "--scenario",
                                    self.clean, "--ready", "ready")
            try:
                while not (self.directory / "ready").exists():
                    assert lab.poll() is None, lab.communicate()
                self.fathom.ok(*self.scan_command("tap", *OVER_TAP)[1:])
            finally:
                lab.kill()
                lab.communicate()
        self.check("tap")

    def test_says_that_the_interface_was_pulled_and_saves_what_it_has(self):
        self.require_dpdk()
        with lab_wire_test.Lab(self.fathom, "dpdktest", "--scenario",
                               self.clean) as lab:
            command = self.scan_command("pulled", *OVER_VETH)
            command[command.index("--quiet")] = "--verbose"
            scan = subprocess.Popen(
                lab.prefix + ["run", "--"] + [str(a) for a in command],
                cwd=self.directory, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            while "Through" not in (line := scan.stderr.readline()):
                assert line, "it did not start"
            lab.run("ip", "link", "delete", "scan0")
            said = scan.communicate(timeout=60)[1]
        assert "interface scan0 was removed" in said, said
        assert scan.returncode not in (0, -11, -6), scan.returncode
        self.fathom.ok("recover", "pulled")
        assert self.fathom.manifest("pulled")["probes"]["sent"] >= 0


if __name__ == "__main__":
    sys.exit(lab_wire_test.main(Cases))
