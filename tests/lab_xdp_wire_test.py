#!/usr/bin/env python3
"""Points scanners at the lab that answers in the driver.

Usage: lab_xdp_wire_test.py FATHOM SCENARIOS

What lab_wire_test.py asks of the responder by sockets, and what only this one
can get wrong. Skipped where it was not built in, or BPF is not allowed.
"""

import json
import os
import select
import signal
import subprocess
import sys

import lab_wire_test
import tap

NOT_HERE = ("built without XDP", "Operation not permitted")


class XdpLab(lab_wire_test.Lab):
    def __enter__(self):
        done = self.call("up")
        if any(reason in done.stderr for reason in NOT_HERE):
            raise tap.Skip(done.stderr.strip().splitlines()[0])
        assert done.returncode == 0, done
        return self

    def program(self):
        """What `ip` says of the program on the lab's end; "" if there is none."""
        shown = subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.name}-lab", "ip", "link",
             "show", "lab0"], capture_output=True, text=True, check=True)
        at = shown.stdout.find("prog/xdp")
        return shown.stdout[at:].strip() if at >= 0 else ""


def end(pid, number):
    """Sends a signal to a process that is no child of ours, and waits."""
    handle = os.pidfd_open(pid)
    os.kill(pid, number)
    select.select([handle], [], [])
    os.close(handle)


class Cases(lab_wire_test.Cases):
    def lab(self, name="xdptest", scenario=None, *options):
        return XdpLab(self.fathom, name, "--responder", "xdp", "--scenario",
                      scenario or self.clean, *options)

    test_says_what_it_heard = lab_wire_test.Cases.test_says_what_it_heard
    test_traceroute_sees_the_way_by_icmp = \
        lab_wire_test.Cases.test_traceroute_sees_the_way_by_icmp
    test_traceroute_sees_the_way_by_udp = \
        lab_wire_test.Cases.test_traceroute_sees_the_way_by_udp
    test_scamper_sees_the_way_by_icmp_paris = \
        lab_wire_test.Cases.test_scamper_sees_the_way_by_icmp_paris
    test_zmap_finds_every_host = lab_wire_test.Cases.test_zmap_finds_every_host
    test_finds_the_same_on_the_wire_as_in_process = \
        lab_wire_test.Cases.test_finds_the_same_on_the_wire_as_in_process
    test_differs_from_in_process_only_by_what_was_lost = \
        lab_wire_test.Cases.test_differs_from_in_process_only_by_what_was_lost

    def test_stands_in_the_driver_until_it_ends_however_it_does(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with self.lab() as lab:
                assert "name respond" in lab.program(), lab.program()
                end(lab.responder(), number)
                assert not lab.program(), (number, lab.program())

    def test_leaves_mishaps_to_the_sockets(self):
        mishaps = ("late", "duplicated", "truncated", "forged", "garbage")
        text = "include = clean.lab\nlate_reply_s = 0.2-0.5\n"
        text += "".join(f"{kind}_replies = 0.04\n" for kind in mishaps)
        scenario = self.write("mishaps.lab", text)
        stats = self.directory / "mishaps.json"
        with self.lab("xdptest", scenario, "--stats", stats) as lab:
            self.scan(lab, "mishaps", scenario)
        seen = json.loads(stats.read_text())
        assert seen["probes"] == sum(seen["fates"].values()), seen
        assert seen["kernel_drops"] == seen["replies_lost"] == 0, seen
        answers = sum(list(seen["fates"].values())[:9])
        # One in 25 has one reply more for each of three mishaps.
        extra = seen["replies"] - answers
        assert 0.1 < extra / answers < 0.14, (extra, answers)
        assert 0.03 < seen["fates"]["truncated"] / answers < 0.05, seen
        assert self.links("mishaps").keys() <= \
            self.true_links(scenario, "sevens")


if __name__ == "__main__":
    sys.exit(lab_wire_test.main(Cases))
