#!/usr/bin/env python3
"""Traces real Linux routers, beside traceroute, mtr and scamper.

Usage: trace_test.py FATHOM SCENARIOS

The routers are those of trace_chain.py. All of it lives in a private mount and
network namespace.
"""

import ctypes
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import tap
import trace_chain as chain

NOBODY = 65534
PTR, A = 12, 1
SO_RCVBUFFORCE = 33


def need(tool):
    if shutil.which(tool) is None:
        raise tap.Skip(f"{tool} is not installed")


def run(*command, timeout=60):
    """What a command prints in the scanner's namespace."""
    done = subprocess.run(chain.enter("scanner") + [str(c) for c in command],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=timeout, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def is_address(word):
    word = word.strip("()")
    return word.count(".") == 3 or word.count(":") > 1


def path_of(text):
    """Of plain output, ours or traceroute's: for each hop who answered."""
    path = []
    for line in text.splitlines():
        words = line.split()
        if words and words[0].rstrip(".|-").isdigit():
            path.append({w.strip("()") for w in words[1:] if is_address(w)})
    return path


def path_of_json(trace):
    return [{r["address"] for r in hop["responders"]} for hop in trace["hops"]]


def check_path(path, family=4, host=None):
    """Each hop is answered by one that stands there, and only r9 is silent."""
    truth = chain.hops(family)
    if host:
        truth[-1] = {host}
    assert len(path) == len(truth), path
    for there, heard in zip(truth, path):
        assert heard <= there and bool(heard) == bool(there), (path, truth)


def setns(namespace):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace.fileno(), 0) != 0:
        raise OSError(ctypes.get_errno(), "enter a namespace")


def socket_in(node, *kind):
    """A socket that was made in a node's namespace, and stays there."""
    with open(f"/run/netns/{node}", encoding="ascii") as there, \
            open("/proc/self/ns/net", encoding="ascii") as here:
        setns(there)
        try:
            return socket.socket(*kind)
        finally:
            setns(here)


class NameServer:
    """Answers for 10.N.0.2 that it is hop-N.test, and for www.test that it is
    the host; or says nothing at all."""

    def __init__(self, silent=False):
        self.silent = silent
        self.done = False
        self.asked = set()
        self.socket = socket_in("scanner", socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done = True
        self.thread.join(timeout=10)
        self.socket.close()

    def serve(self):
        self.socket.settimeout(0.1)
        while not self.done:
            try:
                query, peer = self.socket.recvfrom(2048)
            except TimeoutError:
                continue
            if not self.silent:
                self.socket.sendto(self.answer(query), peer)

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = int.from_bytes(query[at + 1:at + 3], "big")
        question = query[12:at + 5]
        data = self.data_of(labels, kind)
        self.asked.add(".".join(labels).lower())
        head = query[:2] + bytes([0x85, 0x80 if data else 0x83, 0, 1, 0,
                                  1 if data else 0, 0, 0, 0, 0])
        if not data:
            return head + question
        return head + question + b"\xc0\x0c" + kind.to_bytes(2, "big") + \
            b"\0\1\0\0\0\x3c" + len(data).to_bytes(2, "big") + data

    @staticmethod
    def data_of(labels, kind):
        name = ".".join(labels).lower()
        if kind == A and name == "www.test":
            return socket.inet_aton(chain.HOST)
        found = re.fullmatch(r"2\.0\.(\d+)\.10\.in-addr\.arpa", name)
        if kind != PTR or not found:
            return None
        host = f"hop-{found[1]}".encode()
        return bytes([len(host)]) + host + b"\4test\0"


class Cases:
    def __init__(self, binary, scenarios, directory):
        self.scenarios = pathlib.Path(scenarios).resolve()
        self.directory = pathlib.Path(directory)
        self.fathom = tap.Fathom(binary, directory, chain.enter("scanner"))
        # Where nobody may read it, nobody may run it.
        self.copy = self.directory / "fathom"
        shutil.copy(self.fathom.binary, self.copy)
        self.directory.chmod(0o755)
        self.copy.chmod(0o755)

    def trace(self, *arguments, code=0, **options):
        done = self.fathom.run("trace", *arguments, **options)
        assert done.returncode == code, (done.returncode, done.stdout,
                                         done.stderr)
        return done.stdout

    def json(self, *arguments, code=0):
        return [json.loads(line) for line in
                self.trace("--json", *arguments, code=code).splitlines()]

    def unprivileged(self, *arguments, groups=f"0 {NOBODY}", code=0):
        chain.configure("scanner", "ipv4/ping_group_range", groups)
        done = subprocess.run(
            chain.enter("scanner") + [
                "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                "--clear-groups", str(self.copy), "trace", *arguments],
            cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, check=False)
        assert done.returncode == code, (done.returncode, done.stdout,
                                         done.stderr)
        return done

    def test_finds_every_hop_by_every_protocol(self):
        for protocol in ("icmp", "udp", "tcp-ack", "tcp-syn"):
            check_path(path_of(self.trace("--protocol", protocol, chain.HOST)))

    def test_finds_every_hop_over_ipv6(self):
        for protocol in ("icmp", "udp", "tcp-ack", "tcp-syn"):
            check_path(path_of(self.trace("--protocol", protocol,
                                          chain.HOST6)), 6)
        chain.configure("scanner", "ipv4/ping_group_range", "0 0")
        for protocol in ("icmp", "udp"):
            check_path(path_of(self.trace("-b", "unprivileged", "--protocol",
                                          protocol, chain.HOST6)), 6)

    def test_agrees_with_traceroute(self):
        need("traceroute")
        ours = path_of(self.trace(chain.HOST))
        assert path_of(run("traceroute", "-n", "-I", chain.HOST)) == ours
        for method in ("-U", "-T"):
            theirs = path_of(run("traceroute", "-n", method, chain.HOST))
            # Its flows change with each probe.
            assert theirs[:4] + theirs[6:] == ours[:4] + ours[6:], theirs

    def test_agrees_with_mtr(self):
        need("mtr")
        text = run("mtr", "-n", "-r", "-c", "2", "-i", "0.2", chain.HOST)
        assert path_of(text) == path_of(self.trace("--report", chain.HOST))

    def test_agrees_with_scamper(self):
        need("scamper")
        text = run("scamper", "-p", "500", "-I",
                   f"trace -P icmp-paris -w 1 {chain.HOST}")
        assert path_of(text) == path_of(self.trace(chain.HOST))

    def test_needs_no_root_with_ping_sockets(self):
        ours = path_of(self.trace(chain.HOST))
        done = self.unprivileged(chain.HOST)
        assert path_of(done.stdout) == ours and not done.stderr, done
        # And root may do the same.
        assert path_of(self.trace("-b", "unprivileged", chain.HOST)) == ours

    def test_asks_by_udp_where_ping_sockets_are_forbidden(self):
        done = self.unprivileged(chain.HOST, groups="1 0")
        check_path(path_of(done.stdout))
        assert "setcap cap_net_raw+ep" in done.stderr, done.stderr
        done = self.unprivileged("--protocol", "udp", chain.HOST, groups="1 0")
        check_path(path_of(done.stdout))
        assert not done.stderr, done.stderr

    def test_asks_by_tcp_without_privilege(self):
        """Whether the port is open or closed; and no connection comes of it."""
        for family, host in ((4, chain.HOST), (6, chain.HOST6)):
            done = self.unprivileged("--protocol", "tcp-syn", host,
                                     groups="1 0")
            check_path(path_of(done.stdout), family)
            assert not done.stderr, done.stderr
            with socket_in("host", socket.AF_INET if family == 4
                           else socket.AF_INET6) as server:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                server.bind((host, 80))
                server.listen()
                server.settimeout(0)
                done = self.unprivileged("--protocol", "tcp-syn", host,
                                         groups="1 0")
                check_path(path_of(done.stdout), family)
                try:
                    raise AssertionError(f"accepted {server.accept()}")
                except BlockingIOError:
                    pass
        for host, mark, distance in ((chain.REFUSED, "!H", 2),
                                     (chain.FORBIDDEN, "!X", 3)):
            done = self.unprivileged("--protocol", "tcp-syn", host,
                                     groups="1 0")
            last = done.stdout.splitlines()[-1]
            assert last.startswith(f" {distance}  ") and mark in last, last

    def test_tcp_without_privilege_survives_many_hosts(self):
        """More SYNs than sockets may be open; each is sent but once."""
        chain.configure("scanner", "ipv4/ping_group_range", "1 0")
        hosts = [f"10.200.1.{i}" for i in range(1, 31)]
        with socket_in("r1", socket.AF_PACKET, socket.SOCK_DGRAM,
                       socket.htons(0x0800)) as wire:
            wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
            traces = self.json("-b", "unprivileged", "--protocol", "tcp-syn",
                               *hosts)
            wire.settimeout(0)
            seen = set()
            try:
                while True:
                    packet, device = wire.recvfrom(2048)
                    if device[0] == "v1n" or packet[9] != 6:
                        continue
                    if device[0] == "v1f" and packet[33] == 2:  # A bare SYN.
                        syn = packet[12:24] + packet[24:28]
                        assert syn not in seen, packet
                        seen.add(syn)
            except BlockingIOError:
                pass
        for trace in traces:
            check_path(path_of_json(trace), host=trace["host"])
        assert len(seen) >= 30 * (16 + 2 * 15), len(seen)

    def test_says_what_to_grant_where_it_may_not_ask(self):
        for arguments in (("--protocol", "icmp"), ("--flows", "4"),
                          ("--protocol", "udp", "--flows", "4"),
                          ("--protocol", "tcp-ack"),
                          ("--protocol", "tcp-syn", "--flows", "4")):
            done = self.unprivileged(*arguments, chain.HOST, groups="1 0",
                                     code=3)
            assert f"sudo setcap cap_net_raw+ep {self.copy}" in done.stderr, \
                done.stderr

    def test_traces_this_machine_itself(self):
        chain.configure("scanner", "ipv4/ping_group_range", "0 0")
        assert path_of(self.trace("127.0.0.1")) == [{"127.0.0.1"}]
        assert path_of(self.trace(chain.near(1))) == [{chain.near(1)}]

    def test_shows_the_fork(self):
        text = self.trace("--protocol", "udp", "--flows", 16, chain.HOST)
        body, _, forks = text.partition("Forks:\n")
        assert len(path_of(body)) == chain.DISTANCE, text
        lines = forks.splitlines()
        assert len(lines) == 6 and "├─" in lines[1] and "└─" in lines[3], forks
        seen = [re.search(r"10\.\d+\.0\.2", line)[0] for line in lines]
        assert seen[0] == chain.far(4) and seen[5] == chain.far(9), forks
        branches = {(seen[1], seen[2]), (seen[3], seen[4])}
        assert branches == set(chain.fork()), forks
        flows = [int(f) for line in (lines[1], lines[3])
                 for f in re.search(r"flows? ([\d ]+)", line)[1].split()]
        assert sorted(flows) == list(range(16)), forks

    def test_keeps_each_flow_on_one_branch(self):
        for protocol in ("icmp", "udp", "tcp-ack"):
            trace, = self.json("--protocol", protocol, "--flows", 8,
                               "--probes", 5, chain.HOST)
            branches = {}
            for hop in trace["hops"][4:6]:
                for probe in hop["probes"]:
                    branches.setdefault(probe["flow"], [set(), set()])[
                        hop["ttl"] - 5].add(probe["address"])
            for fifth, sixth in branches.values():
                assert len(fifth) == len(sixth) == 1, branches
                assert (*fifth, *sixth) in chain.fork(), branches

    def test_balancers_see_one_flow_with_and_without_privilege(self):
        """Of echo requests they may hash checksum and identifier."""
        chain.configure("scanner", "ipv4/ping_group_range", "0 0")
        for more in ((), ("-b", "unprivileged")):
            with socket_in("r1", socket.AF_PACKET, socket.SOCK_DGRAM,
                           socket.htons(0x0800)) as wire:
                wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
                self.trace("--flows", 4, *more, chain.HOST)
                wire.settimeout(0)
                seen = []
                try:
                    while True:
                        packet, device = wire.recvfrom(2048)
                        if device[0] == "v1f" and packet[20] == 8:
                            seen.append(packet[20:])
                except BlockingIOError:
                    pass
            # A round of sixteen hops and two of fifteen, for each flow.
            assert len(seen) == 4 * (16 + 2 * 15), len(seen)
            assert len({echo[2:4] for echo in seen}) == 4, more
            assert len({echo[4:6] for echo in seen}) == 1, more

    def test_json_says_it_all(self):
        trace, = self.json(chain.HOST)
        assert trace["host"] == trace["target"] == chain.HOST
        assert trace["source"] == chain.near(1)
        assert trace["reached"] and trace["end"] == "target"
        assert abs(trace["start"] - time.time()) < 60
        check_path(path_of_json(trace))
        for hop in trace["hops"]:
            assert [p["flow"] for p in hop["probes"]] == [0, 0, 0]
            assert hop["sent"] == 3, hop
            if not hop["responders"]:
                assert hop["loss"] == 1 and hop["best_ms"] is None, hop
                continue
            assert hop["answered"] == 3 and hop["loss"] == 0, hop
            assert 0 < hop["best_ms"] <= hop["avg_ms"] <= hop["worst_ms"]
            responder, = hop["responders"]
            last = hop["ttl"] == chain.DISTANCE
            assert responder["kind"] == ("destination" if last else "hop")
            assert responder["icmp_type"] == (0 if last else 11), responder
            assert responder["reply_ttl"] == 64 - hop["ttl"] + 1, responder
            assert responder["quoted_ttl"] == (None if last else 1), responder

    def test_exit_codes_say_how_it_ended(self):
        text = self.trace(chain.REFUSED)
        assert text.splitlines()[-1].startswith(" 2  ") and "!H" in text, text
        text = self.trace(chain.FORBIDDEN)
        assert text.splitlines()[-1].startswith(" 3  ") and "!X" in text, text
        text = self.trace("-w", "300ms", chain.NOWHERE, code=4)
        # Eight hops, the silent one, and as many as the gap limit says.
        assert path_of(text)[-5:] == [set()] * 5, text
        text = self.trace("-w", "300ms", "--gap-limit", 2, chain.NOWHERE,
                          code=4)
        assert path_of(text)[-2:] == [set()] * 2, text
        self.trace("--max-ttl", 5, chain.HOST, code=4)
        self.trace("--max-ttl", 64, chain.HOST, code=2)
        self.trace("--protocol", "smoke", chain.HOST, code=2)
        self.trace("--backend", "smoke", chain.HOST, code=2)
        self.trace("-4", chain.HOST6, code=2)
        self.trace("224.0.0.1", code=2)
        self.trace("--watch", chain.HOST, code=2)
        self.trace("192.0.2.1", code=3)  # No route.

    def test_an_interrupt_prints_what_was_heard(self):
        process = self.fathom.start("trace", "-q", 64, "--interval", "1s",
                                    chain.HOST)
        time.sleep(1)  # Of a minute.
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
        assert process.returncode == 130, errors
        check_path(path_of(output))

    def test_traces_many_at_the_same_time(self):
        hosts = [f"10.200.1.{i}" for i in range(1, 41)]
        traces = self.json(*hosts, chain.REFUSED, hosts[0])
        assert [t["host"] for t in traces] == hosts + [chain.REFUSED, hosts[0]]
        for trace in traces:
            if trace["host"] != chain.REFUSED:
                check_path(path_of_json(trace), host=trace["host"])
        begun = [t["start"] for t in traces]
        # Each begins before those before it end.
        assert max(begun) - min(begun) < 1, begun

    def test_loss_is_counted_and_does_no_harm(self):
        trace, = self.json("-q", 20, "--interval", "5ms", chain.HOST)
        assert [h["loss"] for h in trace["hops"]] == \
            [0 if h else 1 for h in chain.hops()], trace
        # The kernel's default: six errors to us at once, and one a second.
        chain.configure("r3", "ipv4/icmp_ratemask", 6168)
        trace, = self.json("-q", 20, "--interval", "5ms", chain.HOST)
        chain.configure("r3", "ipv4/icmp_ratemask", 0)
        check_path(path_of_json(trace))
        limited = trace["hops"][2]
        assert limited["loss"] > 0.5 and limited["answered"] > 0, limited
        assert limited["loss"] == 1 - limited["answered"] / limited["sent"]

    def test_report_is_a_table(self):
        lines = self.trace("--report", chain.HOST).splitlines()
        assert lines[1].split() == ["HOP", "Loss%", "Snt", "Last", "Avg",
                                    "Best", "Wrst", "StDev"], lines
        assert len(lines) == 2 + chain.DISTANCE
        for line, answers in zip(lines[2:], chain.hops()):
            words = line.split()
            assert words[2] == ("0.0%" if answers else "100.0%"), line
            assert len(words) == 9 and words[3] == "3", line

    def test_names_hops_and_hosts_if_told_whom_to_ask(self):
        with NameServer() as server:
            text = self.trace("--resolver", server.address, "www.test")
            assert f"traceroute to www.test ({chain.HOST})," in text, text
            for link in (1, 2, 3, 4, 9, 12, 16):
                assert f" hop-{link}.test ({chain.far(link)})  " in text, text
            server.asked.clear()
            text = self.trace("-n", "--resolver", server.address, chain.HOST)
            assert "test" not in text and not server.asked, server.asked

    def test_a_silent_name_server_costs_little(self):
        with NameServer(silent=True) as server:
            before = time.monotonic()
            text = self.trace("--resolver", server.address, chain.HOST)
            check_path(path_of(text))
            assert time.monotonic() - before < 20

    def test_says_whose_hops_are_as_files_tell(self):
        (self.directory / "pfx2as").write_text(
            "10.0.0.0\t13\t64500\n10.8.0.0\t13\t64501\n"
            "10.200.0.0\t16\t64502\n")
        (self.directory / "names").write_text(
            "64500 NEAR-NET, DE\n64502 FAR\x1b[31m\n")
        files = ("--networks", "pfx2as", "--networks", "names")
        text = self.trace(*files, chain.HOST)
        assert f" 1  {chain.far(1)} [AS64500 NEAR-NET, DE]  " in text, text
        assert f"13  {chain.far(15)} [AS64501]  " in text, text
        assert f"14  {chain.far(16)}  " in text, text
        assert "\x1b" not in text, text
        assert text.splitlines()[-1].startswith(
            "AS path: AS64500 NEAR-NET, DE -> AS64501 -> AS64502 FAR"), text
        trace, = self.json(*files, chain.HOST)
        assert [a["asn"] for a in trace["as_path"]] == [64500, 64501, 64502]
        assert trace["hops"][0]["responders"][0]["asn"] == 64500, trace
        self.trace("--networks", "nosuchfile", chain.HOST, code=2)

    def watch(self, *arguments, end=b"q"):
        """What it draws in a terminal, its exit code, and what came after."""
        process, terminal = pty.fork()
        if process == 0:
            command = self.fathom.command("trace", "--watch", "--interval",
                                          "100ms", *arguments)
            os.execvp(command[0], command)
        drawn = b""
        # Until each hop was asked some times.
        while drawn.count(b"\x1b[H") < 8 or b"  5  " not in drawn:
            assert select.select([terminal], [], [], 30)[0], drawn
            drawn += os.read(terminal, 65536)
        os.write(terminal, end)
        after = b""
        while True:
            try:
                more = os.read(terminal, 65536)
            except OSError:
                break
            if not more:
                break
            after += more
        _, status = os.waitpid(process, 0)
        os.close(terminal)
        return (drawn.decode(errors="replace"),
                os.waitstatus_to_exitcode(status),
                after.decode(errors="replace"))

    def test_watch_draws_until_q_and_prints_the_final_table(self):
        for end, code in ((b"q", 0), (b"\x03", 130)):
            drawn, status, after = self.watch(chain.HOST, end=end)
            assert status == code, (status, after)
            assert "\x1b[?1049h" in drawn and "q quits" in drawn, drawn[:500]
            _, left, table = after.partition("\x1b[?1049l")
            assert left, after
            check_path(path_of(table))

    def test_watches_the_lab_without_root(self):
        # It has some silent hops; the target need not answer.
        _, status, after = self.watch(
            "--backend", "simulated", "--interface",
            self.scenarios / "clean.lab", "10.20.30.40")
        assert status in (0, 4), status
        assert "10.0.0.226" in after, after

    def test_bench_has_a_row_for_each_tracer(self):
        bench = pathlib.Path(__file__).resolve().parent.parent / "bench/trace"
        done = subprocess.run(
            [sys.executable, "-B", str(bench), "--fathom", self.fathom.binary,
             "--rtt", "5", "--times", "1", "--tracers", "fathom,traceroute"],
            env={k: v for k, v in os.environ.items()
                 if k != "FATHOM_TEST_NAMESPACE"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        rows = [line.split("|") for line in done.stdout.splitlines()[2:]]
        assert sum("fathom" in row[1] for row in rows) == 3, done.stdout
        for row in rows:
            assert int(row[4]) == chain.DISTANCE - 1, done.stdout


def main():
    tap.isolate()
    network = chain.Chain()
    try:
        with tempfile.TemporaryDirectory() as directory:
            network.build()
            cases = Cases(sys.argv[1], sys.argv[2], directory)
            return tap.run_cases([getattr(cases, name) for name in vars(Cases)
                                  if name.startswith("test_")])
    finally:
        network.take_down()


if __name__ == "__main__":
    sys.exit(main())
