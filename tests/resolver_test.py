#!/usr/bin/env python3
"""Names and addresses from a real name server, and from bad ones.

Usage: resolver_test.py RESOLVE FATHOM SCENARIOS

nsd answers as servers do. Servers of our own are silent, slow, or lie. All of
it stands in a private network namespace with nothing but loopback in it.
"""

import ipaddress
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import query_book
import tap

RESOLVE = None
FATHOM = None
NSD_PORT = 5300
A, NS, CNAME, SOA, PTR, TXT, AAAA = 1, 2, 5, 6, 12, 16, 28

HOSTS = {f"host{i}.example": (f"10.1.{i >> 8}.{i & 255}", f"fd00:1::{i:x}")
         for i in range(1, 500)}

FORWARD = """$ORIGIN example.
$TTL 60
@ SOA ns hostmaster 1 60 60 60 60
@ NS ns
ns A 127.0.0.1
"""
ONLY_4 = "only4.example"
ONLY_6 = "only6.example"

REVERSE_4 = """$ORIGIN 10.in-addr.arpa.
$TTL 60
@ SOA ns.example. hostmaster.example. 1 60 60 60 60
@ NS ns.example.
; RFC 2317: a CNAME leads to where the customer says names.
9.9.9 CNAME 9.customer
9.customer PTR delegated.example.
"""
# What the interfaces of a scan of the lab are called, but for every third.
REVERSE_LAB = """$ORIGIN in-addr.arpa.
$TTL 60
@ SOA ns.example. hostmaster.example. 1 60 60 60 60
@ NS ns.example.
"""
REVERSE_6 = """$ORIGIN 1.0.0.0.0.0.d.f.ip6.arpa.
$TTL 60
@ SOA ns.example. hostmaster.example. 1 60 60 60 60
@ NS ns.example.
"""
CONFIG = """server:
  ip-address: 127.0.0.1@{port}
  port: {port}
  username: ""
  zonesdir: "{here}"
  database: ""
  pidfile: "{here}/nsd.pid"
  xfrdfile: "{here}/xfrd.state"
  zonelistfile: "{here}/zone.list"
  logfile: "{here}/nsd.log"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: example
  zonefile: forward
zone:
  name: 10.in-addr.arpa
  zonefile: reverse4
zone:
  name: in-addr.arpa
  zonefile: reverse_lab
zone:
  name: 1.0.0.0.0.0.d.f.ip6.arpa
  zonefile: reverse6
"""


def reverse(address):
    return ipaddress.ip_address(address).reverse_pointer


def scan_the_lab(scenarios):
    (FATHOM.directory / "targets").write_text(
        FATHOM.ok("lab", "targets", f"{scenarios}/internet.lab", "--count",
                  200))
    FATHOM.ok("scan", "targets", "-o", "scan", "--backend", "simulated",
              "--interface", f"{scenarios}/internet.lab", "--seed", "1", "--pps",
              "100K", "-q")


def lab_names():
    """The names of the scan's responders: two of three have one."""
    responders = sorted({hop["responder"]
                         for hop in FATHOM.rows("scan", "hops")})
    return {address: f"r{i}.lab.example"
            for i, address in enumerate(responders)
            if i % 3 and not address.startswith("10.")}


def names_of(dataset):
    """The column name of interfaces.parquet, by address, as DuckDB reads it."""
    if not query_book.has_duckdb():
        raise tap.Skip("DuckDB is not installed")
    answer, = query_book.run_duckdb(
        [f"SELECT address, name FROM '{dataset}/interfaces.parquet'"],
        FATHOM.directory)
    return {str(ipaddress.ip_address(int(address))): name
            for address, name in answer["rows"]}


def write_zones(here):
    forward, reverse_4, reverse_6 = [FORWARD], [REVERSE_4], [REVERSE_6]
    for name, (v4, v6) in HOSTS.items():
        forward.append(f"{name}. A {v4}\n{name}. AAAA {v6}\n")
        reverse_4.append(f"{reverse(v4)}. PTR {name}.\n")
        reverse_6.append(f"{reverse(v6)}. PTR {name}.\n")
    forward.append(f"{ONLY_4}. A 10.2.2.2\n{ONLY_6}. AAAA fd00:2::2\n")
    (here / "forward").write_text("".join(forward))
    (here / "reverse4").write_text("".join(reverse_4))
    (here / "reverse6").write_text("".join(reverse_6))
    (here / "reverse_lab").write_text(REVERSE_LAB + "".join(
        f"{reverse(address)}. PTR {name}.\n"
        for address, name in lab_names().items()))
    (here / "nsd.conf").write_text(CONFIG.format(port=NSD_PORT, here=here))


def ask(wishes, *arguments, timeout=60):
    """What `resolve` says to each wish, and its counts."""
    done = subprocess.run([RESOLVE, *map(str, arguments)],
                          input="".join(w + "\n" for w in wishes),
                          capture_output=True, text=True, timeout=timeout,
                          check=True)
    *lines, counts = done.stdout.splitlines()
    words = counts.split()
    return lines, {words[i]: int(words[i + 1]) for i in range(0, len(words), 2)}


# --- Servers of our own ------------------------------------------------------

def encode(name):
    return b"".join(bytes([len(label)]) + label
                    for label in name.encode("latin-1").split(b".")
                    if label) + b"\0"


def question_of(query):
    """The question's bytes and the name in it."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    return query[12:at + 5], ".".join(labels)


def record(owner, kind, data, ttl=60):
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def answer(query, records, flags=0x8180, question=None, claimed=None):
    own, _ = question_of(query)
    return (query[:2] + struct.pack("!HHHHH", flags, 1, claimed or len(records),
                                    0, 0) +
            (own if question is None else question) + b"".join(records))


QUESTION = b"\xc0\x0c"  # The question's name, as a pointer to it.


def ptr(query, raw):
    return answer(query, [record(QUESTION, PTR, raw)])


def chain(query, length):
    """CNAMEs, and a name at their end."""
    records, owner = [], QUESTION
    for i in range(length):
        to = encode(f"c{i}.example")
        records.append(record(owner, CNAME, to))
        owner = to
    records.append(record(owner, PTR, encode("end.example")))
    return answer(query, records)


def circle(query):
    own = question_of(query)[0][:-4]
    return answer(query, [record(QUESTION, CNAME, encode("a.example")),
                          record(encode("a.example"), CNAME, own)])


def other_question(query):
    return answer(query, [record(encode("1.2.3.4.in-addr.arpa"), PTR,
                                 encode("liar.example"))],
                  question=encode("1.2.3.4.in-addr.arpa") +
                  struct.pack("!HH", PTR, 1))


# What a liar answers, and what may come of it: "-" no name, "?" no answer.
LIES = {
    "a true name": (lambda q: ptr(q, encode("true.example")),
                    {"true.example"}),
    "another question": (other_question, {"?"}),
    "another owner": (lambda q: answer(q, [record(
        encode("1.2.3.4.in-addr.arpa"), PTR, encode("liar.example"))]),
        {"-", "?"}),
    "another id": (lambda q: bytes([q[0] ^ 1]) +
                   ptr(q, encode("liar.example"))[1:], {"?"}),
    "no answer in it": (lambda q: answer(q, []), {"-"}),
    "no such domain": (lambda q: answer(q, [], flags=0x8183), {"-"}),
    "server failure": (lambda q: answer(q, [], flags=0x8182), {"?"}),
    "refused": (lambda q: answer(q, [], flags=0x8185), {"?"}),
    "a query": (lambda q: q, {"?", "-"}),
    "an escape sequence": (lambda q: ptr(q, encode("\x1b]0;x\x07.example")),
                           {"-", "?"}),
    "a new line": (lambda q: ptr(q, encode("a\nb.example")), {"-", "?"}),
    "a nul": (lambda q: ptr(q, encode("a\0b.example")), {"-", "?"}),
    "bytes above ASCII": (lambda q: ptr(q, encode("\xff\xfe.example")),
                          {"-", "?"}),
    "a space": (lambda q: ptr(q, encode("a b.example")), {"-", "?"}),
    "markup": (lambda q: ptr(q, encode("<script>.example")), {"-", "?"}),
    "a quote": (lambda q: ptr(q, encode("\".example")), {"-", "?"}),
    "a dot in a label": (lambda q: ptr(q, b"\x03a.b\x07example\0"),
                         {"-", "?"}),
    "the root": (lambda q: ptr(q, b"\0"), {"-", "?"}),
    "a name of 253": (lambda q: ptr(q, encode(".".join(
        ["a" * 63] * 3 + ["a" * 61]))), {".".join(["a" * 63] * 3 + ["a" * 61])}),
    "a name of 1000": (lambda q: ptr(q, encode(".".join(["a" * 63] * 16))),
                       {"-", "?"}),
    "a pointer to itself": (lambda q: ptr(q, struct.pack(
        "!H", 0xc000 | (len(q) + 12))), {"-", "?"}),
    "a pointer past the end": (lambda q: ptr(q, b"\xff\xff"), {"-", "?"}),
    "a label past the end": (lambda q: ptr(q, b"\x3fabc"), {"-", "?"}),
    "3 CNAMEs": (lambda q: chain(q, 3), {"end.example", "-", "?"}),
    "100 CNAMEs": (lambda q: chain(q, 100), {"end.example", "-", "?"}),
    "CNAMEs in a circle": (circle, {"-", "?"}),
    "half a message": (lambda q: ptr(q, encode("true.example"))[:len(q) + 6],
                       {"-", "?"}),
    "a header": (lambda q: ptr(q, b"\0")[:12], {"-", "?"}),
    "a byte": (lambda q: q[:1], {"?"}),
    "nothing": (lambda q: b"", {"?"}),
    "65535 answers that are not there": (
        lambda q: answer(q, [record(QUESTION, PTR, encode("true.example"))],
                         claimed=65535), {"-", "?"}),
    "an enormous TXT": (lambda q: answer(q, [
        record(QUESTION, TXT, (b"\xff" + b"x" * 255) * 200),
        record(QUESTION, PTR, encode("true.example"))]),
        {"true.example", "-", "?"}),
    "an address": (lambda q: answer(q, [record(QUESTION, A, b"\1\2\3\4")]),
                   {"-", "?"}),
    "many names": (lambda q: answer(q, [
        record(QUESTION, PTR, encode(f"n{i}.example")) for i in (3, 1, 2)]),
        {"n1.example"}),
    "too many names": (lambda q: answer(q, [
        record(QUESTION, PTR, encode(f"n{i}.example")) for i in range(1000)]),
        {"n0.example", "-", "?"}),
    "truncated": (lambda q: answer(q, [], flags=0x8380), {"-", "?"}),
}


class Server:
    """A name server that answers with what `lie` makes of a query."""

    def __init__(self, port, lie):
        self.lie = lie
        self.queries = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            query, sender = self.socket.recvfrom(65535)
            self.queries += 1
            reply = self.lie(query)
            if reply is not None:
                self.socket.sendto(reply[:65000], sender)


# --- Cases -------------------------------------------------------------------

def test_nsd_names_addresses_of_both_families():
    wishes, expected = [], []
    for name, (v4, v6) in HOSTS.items():
        wishes += [f"name {v4}", f"name {v6}"]
        expected += [name, name]
    lines, counts = ask(wishes, "-t", 2000, f"127.0.0.1:{NSD_PORT}")
    assert lines == expected, [p for p in zip(lines, expected) if p[0] != p[1]]
    assert counts["named"] == counts["asked"] == len(wishes), counts


def test_an_address_without_a_name_is_known_to_have_none():
    lines, counts = ask(["name 10.77.0.1", "name fd00:1::ffff"], "-t", 2000,
                        f"127.0.0.1:{NSD_PORT}")
    assert lines == ["-", "-"], lines
    assert counts["nameless"] == 2, counts


def test_a_delegation_by_cname_is_followed():
    lines, _ = ask(["name 10.9.9.9"], "-t", 2000, f"127.0.0.1:{NSD_PORT}")
    assert lines == ["delegated.example"], lines


def test_a_repeat_costs_nothing():
    lines, counts = ask(["name 10.1.0.1"] * 50, "-t", 2000,
                        f"127.0.0.1:{NSD_PORT}")
    assert lines == ["host1.example"] * 50, lines
    assert counts["asked"] == 1, counts


def test_what_is_remembered_is_bounded():
    addresses = [v4 for v4, _ in HOSTS.values()]
    lines, counts = ask([f"name {a}" for a in addresses], "-m", 100, "-t", 2000,
                        f"127.0.0.1:{NSD_PORT}")
    assert counts["asked"] == 100, counts
    assert counts["refused"] == len(addresses) - 100, counts
    assert lines.count("?") == len(addresses) - 100


def test_nsd_gives_addresses_of_names():
    server = f"127.0.0.1:{NSD_PORT}"
    wishes = ["host host7.example", "host4 host7.example", "host6 host7.example",
              f"host6 {ONLY_4}", f"host {ONLY_6}", "host nobody.example",
              "host 10.0.0.1", "host6 10.0.0.1", "host fd00::1", "host a_b!"]
    lines, _ = ask(wishes, "-t", 2000, server)
    assert sorted(lines[0].split()) == ["10.1.0.7", "fd00:1::7"], lines
    assert lines[1].split() == ["10.1.0.7"], lines
    assert lines[2].split() == ["fd00:1::7"], lines
    assert "look up only4.example" in lines[3], lines
    assert lines[4].split() == ["fd00:2::2"], lines
    assert "nobody.example" in lines[5], lines
    assert lines[6].split() == ["10.0.0.1"], lines
    assert "family" in lines[7], lines
    assert lines[8].split() == ["fd00::1"], lines
    assert "not a host" in lines[9], lines


def test_the_hosts_file_is_read():
    name = "localhost"
    lines, _ = ask([f"host4 {name}"], f"127.0.0.1:{NSD_PORT}")
    assert lines[0].split() == ["127.0.0.1"], lines


def test_no_lie_harms():
    """Each lie, told of every address, and what came of it."""
    wrong = []
    for number, (lie, (tell, allowed)) in enumerate(LIES.items()):
        Server(6000 + number, tell)
        lines, _ = ask(["name 10.3.0.1", "name fd00::3"],
                       f"127.0.0.1:{6000 + number}", "-t", "50")
        if any(line not in allowed for line in lines):
            wrong.append((lie, lines))
    assert not wrong, wrong


def test_no_lie_about_a_host_harms():
    for number, tell in enumerate(
            [tell for tell, _ in LIES.values()] +
            [lambda q: answer(q, [record(QUESTION, A, b"\1\2\3")]),
             lambda q: answer(q, [record(QUESTION, A, b"\1\2\3\4")] * 2000)]):
        Server(6100 + number, tell)
        lines, _ = ask(["host www.example"], f"127.0.0.1:{6100 + number}", "-t",
                       "50")
        found = lines[0]
        assert "look up www.example" in found or len(found.split()) <= 64, found
        assert found.isprintable(), found


def test_random_answers_do_no_harm():
    import random
    chance = random.Random(1)

    def damage(query):
        whole = bytearray(chain(query, 3))
        for _ in range(chance.randrange(1, 8)):
            whole[chance.randrange(2, len(whole))] = chance.randrange(256)
        return bytes(whole[:chance.randrange(2, len(whole) + 1)])

    Server(6300, damage)
    lines, counts = ask([f"name 10.4.{i >> 8}.{i & 255}" for i in range(2000)],
                        "127.0.0.1:6300", "-t", "20", timeout=120)
    assert len(lines) == 2000
    assert all(line.isprintable() for line in lines)
    assert counts["asked"] == 2000, counts


def test_a_silent_server_is_given_up():
    silent = Server(6301, lambda query: None)
    lines, counts = ask([f"name 10.4.0.{i}" for i in range(200)],
                        "127.0.0.1:6301", "-t", "20")
    assert lines == ["?"] * 200, lines
    assert counts["failed"] == 200, counts
    assert silent.queries <= 400, silent.queries  # Two tries each.


def test_a_dead_port_is_given_up():
    lines, counts = ask(["name 10.4.0.1", "host www.example"], "127.0.0.1:6399",
                        "-t", "20")
    assert lines[0] == "?", lines
    assert "look up www.example" in lines[1], lines
    assert counts["failed"] == 1, counts


def test_a_slow_server_is_waited_for_within_the_bound():
    def slow(query):
        time.sleep(0.02)
        return ptr(query, encode("slow.example"))

    Server(6302, slow)
    lines, _ = ask(["name 10.4.0.1", "name 10.4.0.2"], "127.0.0.1:6302", "-t",
                   "2000")
    assert lines == ["slow.example"] * 2, lines


def test_the_second_server_answers_where_the_first_is_silent():
    Server(6303, lambda query: None)
    lines, _ = ask(["name 10.1.0.1", "host4 host1.example"], "127.0.0.1:6303",
                   f"127.0.0.1:{NSD_PORT}", "-t", "50")
    assert lines == ["host1.example", "10.1.0.1 "], lines


def test_bad_servers_are_refused():
    for bad in ["", "x", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:70000", "1.2.3.4:5x",
                "[1.2.3.4]:53", "[::1", "[::1]53", "[::1]:", "::1]:53",
                "ns.example"]:
        done = subprocess.run([RESOLVE, bad], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 1 and "name server" in done.stderr, bad


def test_servers_with_ipv6_addresses_are_asked():
    for server in ["::1", "[::1]", "[::1]:6304", "127.0.0.1"]:
        done = subprocess.run([RESOLVE, server], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=True)
        assert done.stdout.startswith("asked 0"), done.stdout


# A dataset, from end to end.

def test_a_dataset_gets_the_names_of_its_interfaces():
    FATHOM.ok("annotate", "scan", "--resolver", f"127.0.0.1:{NSD_PORT}",
              "--queries-per-second", "20K", "-q")
    names = names_of("scan")
    expected = lab_names()
    assert len(expected) > 300, len(expected)
    assert {a: n for a, n in names.items() if n} == expected
    assert len(names) > len(expected)
    FATHOM.ok("info", "--check", "scan")


def test_a_liar_puts_nothing_into_a_dataset():
    def lie(query):
        lies = ["\x1b]0;x\x07.example", "<script>.example", "true.example"]
        return ptr(query, encode(lies[query[1] % len(lies)]))

    Server(6310, lie)
    FATHOM.ok("annotate", "scan", "--resolver", "127.0.0.1:6310",
              "--queries-per-second", "20K", "-q")
    assert set(names_of("scan").values()) == {"", "true.example"}
    FATHOM.ok("info", "--check", "scan")


def test_a_silent_server_leaves_a_dataset_as_it_is():
    Server(6311, lambda query: None)
    before = {f.name: f.read_bytes()
              for f in (FATHOM.directory / "scan").iterdir()}
    done = FATHOM.run("annotate", "scan", "--resolver", "127.0.0.1:6311",
                      "--queries-per-second", "20K", "-q")
    assert done.returncode == 1, done
    assert "127.0.0.1:6311: no answer to" in done.stderr, done.stderr
    assert before == {f.name: f.read_bytes()
                      for f in (FATHOM.directory / "scan").iterdir()}


def wait_until_up(daemon, port):
    """Until the server answers, or is gone."""
    while daemon.poll() is None:
        lines, _ = ask(["name 10.1.0.1"], f"127.0.0.1:{port}", "-t", "50")
        if lines == ["host1.example"]:
            return
    raise AssertionError("nsd ended")


def main():
    global RESOLVE, FATHOM
    RESOLVE = str(pathlib.Path(sys.argv[1]).resolve())
    nsd = shutil.which("nsd", path=os.environ["PATH"] + ":/usr/sbin")
    if nsd is None:
        print("1..0 # SKIP nsd is not installed")
        return 0
    tap.isolate()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as here:
        FATHOM = tap.Fathom(sys.argv[2], here)
        scan_the_lab(pathlib.Path(sys.argv[3]).resolve())
        write_zones(pathlib.Path(here))
        daemon = subprocess.Popen([nsd, "-d", "-c", f"{here}/nsd.conf"],
                                  stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        try:
            wait_until_up(daemon, NSD_PORT)
            return tap.run_cases([case for name, case in globals().items()
                                  if name.startswith("test_")])
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait()


if __name__ == "__main__":
    sys.exit(main())
