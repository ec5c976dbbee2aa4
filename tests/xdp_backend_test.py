#!/usr/bin/env python3
"""Maps the chain of routers by the xdp backend, with the host at work beside.

Usage: xdp_backend_test.py FATHOM

What namespaces_test.py asks of io_uring, and what only a backend can get wrong
that stands before the host's own stack. Skipped where BPF is not allowed.
"""

import ctypes
import signal
import socket
import subprocess
import sys
import threading
import time

import namespaces_test
import tap

DEVICE = "v1n"
TIMES = {"rtt_100us", "received", "first_seen", "last_seen"}
ROUTER = namespaces_test.far(1)


def program():
    """What `ip` says of the program on the scanner's interface; "" for none."""
    shown = subprocess.run(
        namespaces_test.enter("scanner") + ["ip", "link", "show", DEVICE],
        capture_output=True, text=True, check=True)
    at = shown.stdout.find("prog/xdp")
    return shown.stdout[at:].strip() if at >= 0 else ""


def socket_in(node):
    """A TCP socket in the node's namespace, made by a thread that goes there."""
    made = []

    def make():
        with open(f"/run/netns/{node}", encoding="ascii") as namespace:
            assert ctypes.CDLL(None).setns(namespace.fileno(), 0) == 0
        made.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


class Conversation:
    """A TCP connection from the scanner's host to the router, always busy."""

    def __enter__(self):
        listener = socket_in("r1")
        listener.bind((ROUTER, 7000))
        listener.listen(1)
        self.near = socket_in("scanner")
        self.near.settimeout(20)
        self.near.connect((ROUTER, 7000))
        self.far, _ = listener.accept()
        self.far.settimeout(20)
        listener.close()
        self.turns = 0
        self.trouble = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.talk)
        self.thread.start()
        return self

    def talk(self):
        said = bytes(range(256)) * 40
        try:
            while not self.over.is_set():
                self.near.sendall(said)
                assert self.hear(self.far, len(said)) == said
                self.far.sendall(said[::-1])
                assert self.hear(self.near, len(said)) == said[::-1]
                self.turns += 1
        except (AssertionError, OSError) as trouble:
            self.trouble = trouble

    @staticmethod
    def hear(connection, length):
        heard = b""
        while len(heard) < length:
            more = connection.recv(length - len(heard))
            assert more, "closed"
            heard += more
        return heard

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.near.close()
        self.far.close()


class Cases(namespaces_test.Cases):
    """By AF_XDP, since the router takes no frames of a driver's."""

    # What is told of io_uring is told again.
    locals().update({name: case
                     for name, case in vars(namespaces_test.Cases).items()
                     if name.startswith("test_") and "goes" not in name})

    def __init__(self, binary, directory):
        super().__init__(binary, directory)
        tried = self.scan("tried", "--max-runtime", "100ms")
        self.forbidden = tried.stderr if "CAP_BPF" in tried.stderr else ""

    def scan(self, name, *more, **how):
        if getattr(self, "forbidden", ""):
            raise tap.Skip(self.forbidden.strip())
        return super().scan(name, "--backend", "xdp", *more, **how)

    def same_as_by_sockets(self, name, *more):
        done = self.scan(name, *more)
        assert done.returncode == 0, done.stderr
        done = namespaces_test.Cases.scan(self, name + "-sockets")
        assert done.returncode == 0, done.stderr
        for table in ("hops", "links"):
            ours, others = ([{key: value for key, value in row.items()
                              if key not in TIMES}
                             for row in self.fathom.rows(dataset, table)]
                            for dataset in (name, name + "-sockets"))
            assert ours == others, (table, ours[:3], others[:3])

    def test_finds_the_same_as_by_sockets(self):
        self.same_as_by_sockets("same")

    def test_finds_the_same_as_by_sockets_by_live_frames(self):
        peer = [self.fathom.binary, "lab", "peer", "v1f"]
        subprocess.run(namespaces_test.enter("r1") + peer, check=True)
        # So fast that there are enough probes at once for it.
        self.same_as_by_sockets("live", "--pps", "500k")

    def test_leaves_a_connection_of_the_host_alone(self):
        with Conversation() as conversation:
            before = conversation.turns
            done = self.scan("beside", "--pps", 500)
            turns = conversation.turns - before
        assert done.returncode == 0, done.stderr
        assert conversation.trouble is None, conversation.trouble
        assert turns > 100, turns
        counts = self.fathom.manifest("beside")["probes"]
        assert counts["answered"] == counts["sent"], counts

    def test_leaves_the_ping_of_the_host_alone(self):
        process = self.scan("pinging", "--pps", 100, start=True)
        while not program():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        for target in (ROUTER, "10.200.3.4"):
            ping = subprocess.run(
                namespaces_test.enter("scanner") +
                ["ping", "-c", "20", "-i", "0.05", "-W", "5", target],
                capture_output=True, text=True, check=False)
            assert " 20 received" in ping.stdout, ping
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
        counts = self.fathom.manifest("pinging")["probes"]
        assert counts["answered"] == counts["sent"], counts

    def test_leaves_no_program_however_it_ends(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            process = self.scan(f"ended{number}", "--pps", 20, start=True)
            while not program():
                assert process.poll() is None, process.communicate()
                time.sleep(0.02)
            process.send_signal(number)
            process.communicate(timeout=30)
            assert not program(), (number, program())

    def test_refuses_an_interface_that_another_program_has(self):
        first = self.scan("first", "--pps", 50, start=True)
        while not program():
            assert first.poll() is None, first.communicate()
            time.sleep(0.02)
        second = self.scan("second")
        assert second.returncode != 0
        assert "the interface has one" in second.stderr, second.stderr
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=30)

    # The last, since there is no way after it.
    test_saves_what_it_heard_when_the_interface_goes = \
        namespaces_test.Cases.test_saves_what_it_heard_when_the_interface_goes


if __name__ == "__main__":
    sys.exit(namespaces_test.main(Cases))
