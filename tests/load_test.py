#!/usr/bin/env python3
"""fathom load, and native files, against a real ClickHouse on loopback.

Usage: load_test.py FATHOM MAKE_DATASET
"""

import csv
import functools
import http.server
import io
import pathlib
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

import clickhouse
import tap

FATHOM = None
HERE = None
SERVER = None

TABLES = ("links", "gaps", "hops")
KINDS = ("hop", "destination", "alias", "unreachable")
FLAGS = ("destination", "unreachable", "loop", "wide-interval", "unsteady",
         "unverified", "tunnel", "across-tunnel")
CHANGES = ("id", "length")
# What text spells otherwise than a number: the column of extensions has no
# place here, since text says what they mean, not which bytes they are.
SPELLED = {"kind": KINDS.index,
           "flags": lambda names: bits(names, FLAGS),
           "changes": lambda names: bits(names, CHANGES)}


def bits(names, of):
    return sum(1 << of.index(name) for name in names.split("+") if name)


@functools.cache
def expected(directory, table):
    """Rows of a table as the text says, columns of text in ClickHouse's way."""
    rows = csv.DictReader(io.StringIO((directory / f"{table}.csv").read_text()))
    result = []
    for row in rows:
        row.pop("extensions", None)
        result.append([str(SPELLED[name](value)) if name in SPELLED else value
                       for name, value in row.items()])
    return sorted(result)


def loaded(table):
    """The same rows as ClickHouse tells them."""
    columns = [row[0] for row in SERVER.rows(
        "SELECT name FROM system.columns WHERE database || '.' || table "
        f"= '{table}'") if row[0] not in ("dataset", "extensions")]
    addresses = {"near", "far", "target", "responder"}
    spelled = [f"IPv4NumToString({name})" if name in addresses else name
               for name in columns]
    return sorted(SERVER.rows(f"SELECT {', '.join(spelled)} FROM {table}"))


def load(*arguments, code=0, name="four/scan", url=None, server=True, env=None):
    """Runs fathom load; returns what it said."""
    where = ["--clickhouse", url or SERVER.url] if server else []
    done = FATHOM.run("load", name, *where, *arguments)
    said = done.stdout + done.stderr
    assert done.returncode == code, f"exit {done.returncode}: {said}"
    return said


def count(table):
    return int(SERVER.ask(f"SELECT count() FROM {table}"))


def same_rows(database, directory, tables=TABLES):
    for table in tables:
        want = expected(HERE / directory, table)
        got = loaded(f"{database}.{table}")
        assert want == got, (
            f"{table}: {len(want)} rows, {len(got)} there; first difference: "
            f"{next(((w, g) for w, g in zip(want, got) if w != g), None)}")


def test_needs_tables():
    """without tables it says that --create makes them"""
    said = load(code=2)
    assert "no table default.links; --create makes it" in said, said
    said = load("--database", "nowhere", code=2)
    assert "--create" in said, said
    assert SERVER.rows("SHOW TABLES FROM default") == []


def test_loads_every_row():
    """every row of IPv4 is there as the text has it"""
    said = load("--create", "--database", "four")
    assert re.search(r"^four/scan: \d+ links, \d+ gaps, \d+ hops, as dataset \d+, ",
                     said), said
    same_rows("four", "four")
    parts = SERVER.rows("SELECT sum(rows) FROM system.parts WHERE active AND "
                        "database = 'four' AND table = 'hops'")
    assert int(parts[0][0]) > 262144, "one insert is too easy"


def test_keeps_its_order():
    """the tables are ordered and parted as documented"""
    for table, order in (("links", "near, far"), ("gaps", "near, far"),
                         ("hops", "target, flow, ttl")):
        made = SERVER.ask(f"SHOW CREATE TABLE four.{table}")
        assert f"ORDER BY ({order})" in made, made
        assert "PARTITION BY dataset" in made, made


def test_loads_ipv6():
    """IPv6 goes into tables of its own"""
    load("--create", "--database", "four", "--table-prefix", "six_",
         name="six/scan")
    for table in ("gaps", "hops"):
        assert count(f"four.six_{table}") == len(expected(HERE / "six", table))
    # Text has more than one spelling of an address, so numbers are compared.
    with open(HERE / "six" / "links.csv", encoding="ascii") as file:
        text = "".join(f"{row['near']}\t{row['far']}\t{row['target']}\n"
                       for row in csv.DictReader(file))
    SERVER.ask("CREATE TABLE texts (near String, far String, target String) "
               "ENGINE = Memory")
    SERVER.ask("INSERT INTO texts FORMAT TabSeparated", text.encode())
    assert SERVER.rows("SELECT hex(near), hex(far), hex(target) FROM "
                       "four.six_links ORDER BY near, far") == SERVER.rows(
        "SELECT hex(IPv6StringToNum(near) AS n), hex(IPv6StringToNum(far) AS "
        "f), hex(IPv6StringToNum(target)) FROM texts ORDER BY n, f")


def test_keeps_families_apart():
    """IPv6 does not go into tables of IPv4"""
    said = load("--database", "four", name="six/scan", code=2)
    assert "four.links has a column UInt32 near" in said, said
    assert "FixedString(16)" in said and "--table-prefix" in said, said


def test_doubles_nothing():
    """a second load is refused, and --again replaces the first"""
    rows = [count(f"four.{table}") for table in TABLES]
    said = load("--database", "four", code=2)
    assert "has it since" in said and "--again" in said, said
    load("--database", "four", "--again")
    assert [count(f"four.{table}") for table in TABLES] == rows
    assert count("four.datasets") == 1
    same_rows("four", "four", ["links"])


def test_holds_many_datasets():
    """another dataset goes into the same tables"""
    before = count("four.links")
    load("--database", "four", name="other/scan")
    assert count("four.datasets") == 2
    assert count("four.links") == before + len(expected(HERE / "other",
                                                        "links"))
    scan = SERVER.ask("SELECT any(dataset) FROM four.datasets WHERE links = "
                      f"{before}").strip()
    assert int(SERVER.ask("SELECT count() FROM four.links WHERE dataset = "
                          f"{scan}")) == before


def digest(table, where=""):
    """The number of rows and a sum of their hashes, but for the dataset."""
    columns = ", ".join(row[0] for row in SERVER.rows(
        "SELECT name FROM system.columns WHERE database || '.' || table = "
        f"'{table}' AND name != 'dataset'"))
    return SERVER.ask(f"SELECT count(), sum(cityHash64({columns})) FROM {table} "
                      + where)


def test_native_files_insert():
    """native files hold what is loaded"""
    for name, prefix in (("four", ""), ("six", "six_")):
        for table in TABLES:
            file = f"{name}-{table}.native"
            FATHOM.ok("convert", f"{name}/scan", "--to", "native", "--table",
                      table, "-o", file)
            inserted, whole = f"default.{prefix}{table}", f"four.{prefix}{table}"
            SERVER.ask(f"CREATE TABLE {inserted} AS {whole} ENGINE = Memory")
            SERVER.ask(f"INSERT INTO {inserted} FORMAT Native",
                       (HERE / file).read_bytes())
            scan = SERVER.ask(f"SELECT dataset FROM four.{prefix}datasets WHERE hops "
                              f"= {len(expected(HERE / name, 'hops'))}").strip()
            assert digest(inserted) == digest(whole, f"WHERE dataset = {scan}")
            assert not digest(inserted).startswith("0\t")


class Proxy:
    """Between a client and the server: cuts off after so many bytes."""

    def __init__(self, cut=None, context=None):
        self.cut = cut  # Of the client's bytes, over all connections.
        self.context = context  # For TLS towards the client.
        self.passed = 0
        self.seen = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def url(self, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.port}"

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.hold, args=[client],
                             daemon=True).start()

    def hold(self, client):
        if self.context:
            try:
                client = self.context.wrap_socket(client, server_side=True)
            except (ssl.SSLError, OSError):
                return
        server = socket.create_connection(("127.0.0.1", 18123))
        back = threading.Thread(target=self.back, args=[server, client],
                                daemon=True)
        back.start()
        while data := self.receive(client):
            if self.cut is not None and self.passed + len(data) > self.cut:
                data = data[:self.cut - self.passed]
                server.sendall(data)
                self.close(server, client)
                return
            server.sendall(data)
            with self.seen:
                self.passed += len(data)
                self.seen.notify_all()
        self.close(server)

    @staticmethod
    def receive(end):
        try:
            return end.recv(65536)
        except OSError:
            return b""

    def back(self, server, client):
        while data := self.receive(server):
            try:
                client.sendall(data)
            except OSError:
                return

    @staticmethod
    def close(*ends):
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()


def test_goes_on_after_any_cut():
    """wherever the connection breaks, the next load makes it whole"""
    meter = Proxy()
    load("--create", "--database", "cut", url=meter.url())
    rng = random.Random(1)
    cuts = [rng.randrange(meter.passed) for _ in range(4)]
    # At the end, when all but the row in `datasets` is there.
    cuts.append(meter.passed - 700)
    told = 0
    for number, cut in enumerate(sorted(cuts)):
        database = f"cut{number}"
        said = load("--create", "--database", database,
                    url=Proxy(cut).url(), code=1)
        told += "What stands there of four/scan: " in said
        assert "says" not in said, said
        load("--create", "--database", database)
        for table in TABLES:
            one, other = digest(f"cut.{table}"), digest(f"{database}.{table}")
            assert one == other, (cut, table, one, other)
        assert count(f"{database}.datasets") == 1
        load("--database", database, code=2)
    assert told >= 2, "no load was cut in the middle"


def test_goes_on_after_ctrl_c():
    """Ctrl-C ends with 130 and says what stands there"""
    proxy = Proxy()
    process = FATHOM.start("load", "four/scan", "--create", "--database",
                           "stopped", "--clickhouse", proxy.url())
    with proxy.seen:
        assert proxy.seen.wait_for(lambda: proxy.passed > 100_000, 60)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, (process.returncode, output, errors)
    assert "goes on from there" in errors, errors
    assert count("stopped.datasets") == 0
    said = load("--database", "stopped")
    same_rows("stopped", "four", ["links"])
    assert count("stopped.hops") == count("cut.hops"), said


def test_refuses_rows_of_others():
    """rows that no load left are not built upon"""
    SERVER.ask("CREATE DATABASE foreign_rows")
    for table in (*TABLES, "datasets"):
        SERVER.ask(f"CREATE TABLE foreign_rows.{table} AS four.{table} ENGINE = "
                   "MergeTree PARTITION BY dataset ORDER BY dataset")
    scan = SERVER.ask("SELECT any(dataset) FROM cut.datasets").strip()
    SERVER.ask("INSERT INTO foreign_rows.links SELECT * FROM cut.links LIMIT 77")
    said = load("--database", "foreign_rows", code=2)
    assert "holds 77 rows of this dataset" in said and "--again" in said, said
    load("--database", "foreign_rows", "--again")
    assert int(SERVER.ask("SELECT count() FROM foreign_rows.links WHERE dataset = "
                          f"{scan}")) == count("cut.links")


def test_tells_users_apart():
    """users, passwords and rights are the server's; secrets stay secret"""
    secret = "http://scanner:se%3Acret%40%2F@127.0.0.1:18123"
    load("--create", "--database", "secret", url=secret, name="other/scan")
    for url, code in (("http://scanner:wrong@127.0.0.1:18123", 3),
                      ("http://nobody:wrong@127.0.0.1:18123", 3),
                      ("http://looker@127.0.0.1:18123", 3)):
        said = load("--create", "--database", "wronged", url=url, code=code)
        assert "Code: " in said and "What to do: " in said, said
        assert "wrong@" not in said and ":wrong" not in said, said
    FATHOM.prefix = ["env", "CLICKHOUSE_PASSWORD=se:cret@/"]
    load("--create", "--database", "secret2", url="scanner@127.0.0.1:18123",
         name="other/scan")
    FATHOM.prefix = []


class Stranger(http.server.BaseHTTPRequestHandler):
    """Something on the web that is no ClickHouse."""

    def do_POST(self):
        self.send_response(int(self.path.split("?")[0].split("/")[1]))
        self.end_headers()
        self.wfile.write(b"<html>Welcome</html>")

    def log_message(self, *_):
        pass


def test_names_what_is_wrong():
    """bad URLs and other servers are named, with an exit code that fits"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    strange = f"http://127.0.0.1:{web.server_port}"
    for url, code, text in (
            ("ftp://127.0.0.1", 2, "http and https"),
            ("http://127.0.0.1:99999", 2, "the URL: "),
            ("http://127.0.0.1:8123/?database=x", 2, "query"),
            (f"http://127.0.0.1:{closed}", 1, "onnect"),
            (f"{strange}/200", 2, "does not answer as ClickHouse"),
            (f"{strange}/404", 2, "HTTP interface"),
            (f"{strange}/403", 3, "user and password"),
            ("http://127.0.0.1:19000", 2, "You must use port 18123 for HTTP")):
        said = load(url=url, code=code)
        assert text in said, (url, said)
    web.shutdown()
    assert "--table-prefix" in load("--table-prefix", "a`b", code=2)
    assert "--database" in load("--database", "a;b", code=2)
    assert "nothing" in load(name="nothing", code=2)
    assert "--clickhouse" in load(server=False, code=2)


def test_passes_errors_on():
    """an error of the server comes in its own words, with advice"""
    SERVER.ask("DROP TABLE secret2.datasets")
    said = load("--database", "secret2", name="other/scan", code=2)
    assert "Code: 60" in said and "secret2.datasets" in said, said
    assert "What to do: --create makes the tables" in said, said


def test_speaks_https():
    """https is checked against the system's authorities"""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise tap.Skip("no openssl")
    subprocess.run([openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-keyout", HERE / "key", "-out", HERE / "certificate",
                    "-days", "2", "-subj", "/CN=here", "-addext",
                    "subjectAltName=IP:127.0.0.1"], check=True,
                   capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / "certificate", HERE / "key")
    proxy = Proxy(context=context)
    said = load("--create", "--database", "tls", url=proxy.url("https"),
                name="other/scan", code=1)
    assert "certificate" in said, said
    authorities = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    if not authorities.exists():
        raise tap.Skip("no ca-certificates")
    subprocess.run(["mount", "--bind", HERE / "certificate", authorities],
                   check=True)
    try:
        load("--create", "--database", "tls", url=proxy.url("https"),
             name="other/scan")
    finally:
        subprocess.run(["umount", authorities], check=True)
    assert count("tls.links") == len(expected(HERE / "other", "links"))


def main():
    global FATHOM, HERE, SERVER
    if clickhouse.SERVER is None:
        print("1..0 # SKIP no clickhouse-server; scripts/setup installs it")
        return 0
    tap.isolate()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(prefix="fathom-load-") as directory:
        HERE = pathlib.Path(directory)
        for name, seed, targets, family in (("four", 7, 30000, 4),
                                            ("other", 8, 500, 4),
                                            ("six", 7, 3000, 6)):
            (HERE / name).mkdir()
            subprocess.run([sys.argv[2], HERE / name, str(seed), str(targets),
                            str(family)], check=True)
        FATHOM = tap.Fathom(sys.argv[1], HERE)
        SERVER = clickhouse.Clickhouse(HERE / "clickhouse")
        try:
            return tap.run_cases([case for name, case in globals().items()
                                  if name.startswith("test_")])
        finally:
            SERVER.kill()


if __name__ == "__main__":
    sys.exit(main())
