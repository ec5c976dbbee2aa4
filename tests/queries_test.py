#!/usr/bin/env python3
"""Every query of the query book, in DuckDB and in ClickHouse.

Usage: queries_test.py FATHOM SCENARIO_DIRECTORY MAKE_DATASET

Each answer is compared with that of plain loops over the rows as text. A query
without such a loop fails.
"""

import collections
import csv
import functools
import ipaddress
import pathlib
import random
import subprocess
import sys
import tempfile

import clickhouse
import query_book
import tap

FATHOM = None
HERE = None
MAKE_DATASET = None
SCENARIOS = None
SERVERS = []

DOUBTS = {"unreachable", "loop", "wide-interval", "unsteady", "unverified",
          "across-tunnel"}
FLAGS = ("destination", "unreachable", "loop", "wide-interval", "unsteady",
         "unverified", "tunnel", "across-tunnel")
KINDS = ("hop", "destination", "alias", "unreachable")


def number(address):
    return int(ipaddress.IPv4Address(address))


@functools.cache
def rows(table, dataset="links"):
    return FATHOM.rows(dataset, table)


@functools.cache
def trusted(dataset="links"):
    return [row for row in rows("links", dataset)
            if not DOUBTS & set(row["flags"].split("+"))]


@functools.cache
def networks():
    """The table of networks that the datasets were annotated with."""
    table = {}
    for line in (HERE / "networks").read_text().splitlines():
        prefix, _, asn = line.split()
        table[number(prefix) >> 20] = int(asn)
    return table


def asn(address):
    return networks()[number(address) >> 20]


def flag_bits(names):
    return sum(1 << FLAGS.index(name) for name in names.split("+") if name)


def top(counts, limit=10):
    """The greatest counts of addresses, equals by address."""
    order = sorted(counts.items(), key=lambda c: (-c[1], number(c[0])))
    return order[:limit]


@functools.cache
def chosen():
    """What the addresses of the book stand for here."""
    degree = collections.Counter(row["near"] for row in trusted())
    hub = top(degree, 3)[2][0]
    hops = sorted({row["target"] for row in rows("hops") if row["mpls"]})[0]
    link = max((row for row in rows("links") if row["near"] == hub),
               key=lambda row: int(row["paths"]))
    network = number(hub) >> 16 << 16
    return {"192.0.2.1": hub, "203.0.113.9": link["far"], "198.51.100.7": hops,
            "203.0.0.0": str(ipaddress.IPv4Address(network)),
            "203.0.255.255": str(ipaddress.IPv4Address(network + 65535))}


def fill_in(text):
    for ours, theirs in chosen().items():
        text = text.replace(ours, theirs)
    return text


# What each query must answer, by its title.

def what_is_there():
    links = rows("links")
    return [[len(links), len(trusted()), len({row["near"] for row in links}),
             sum(int(row["paths"]) for row in links)]]


def interfaces():
    every = {row["responder"] for row in rows("hops")}
    routers = {row["responder"] for row in rows("hops") if row["kind"] == "hop"}
    return [[len(every), len(routers), len(every - routers)]]


def degree():
    return top(collections.Counter(row["near"] for row in trusted()))


def distribution_of_degrees():
    degrees = collections.Counter(row["near"] for row in trusted())
    return sorted(collections.Counter(degrees.values()).items())


def links_of_one_router():
    router = chosen()["192.0.2.1"]
    found = [row for row in rows("links")
             if router in (row["near"], row["far"])]
    return {(row["near"], row["far"], int(row["paths"]),
             flag_bits(row["flags"])) for row in found}


def links_of_one_network():
    network = number(chosen()["203.0.0.0"]) >> 16
    return [[row["near"], row["far"]] for row in trusted()
            if number(row["near"]) >> 16 == network]


def path_of_one_target():
    hops = [row for row in rows("hops")
            if row["target"] == chosen()["198.51.100.7"]]
    hops.sort(key=lambda row: (int(row["flow"]), int(row["ttl"]),
                               number(row["responder"]),
                               int(row["rtt_100us"])))
    return [[row["ttl"], row["responder"], KINDS.index(row["kind"]),
             int(row["rtt_100us"]) / 10, row["mpls"]] for row in hops]


def targets_whose_path_crosses_a_link():
    near, far = chosen()["192.0.2.1"], chosen()["203.0.113.9"]
    seen = {(row["target"], row["flow"], int(row["ttl"]), row["responder"])
            for row in rows("hops")}
    return sorted([[target] for target in {
        target for target, flow, ttl, responder in seen
        if responder == near and (target, flow, ttl + 1, far) in seen}])


def diamonds():
    after = collections.defaultdict(set)
    for row in trusted():
        after[row["near"]].add(row["far"])
    width = collections.Counter(
        (parts, meets) for parts, middles in after.items()
        for middle in middles for meets in after.get(middle, ())
        if meets != parts)
    wide = [(*ends, count) for ends, count in width.items() if count > 1]
    return sorted(wide, key=lambda d: (-d[2], number(d[0]),
                                       number(d[1])))[:1000]


def tunnels():
    inside = [row for row in rows("links") if "tunnel" in
              row["flags"].split("+")]
    across = [row for row in rows("links") if "across-tunnel" in row["flags"]]
    assert inside and across, "no tunnels to speak of"
    return [[len(inside), len(across), len({row["near"] for row in inside})]]


def labels():
    shown = collections.defaultdict(set)
    for row in rows("hops"):
        if row["mpls"]:
            shown[row["responder"]].add(row["mpls"].split("/")[0])
    return top({router: len(labels) for router, labels in shown.items()})


def silent_routers():
    gaps = sorted(rows("gaps"), key=lambda row: (
        -int(row["paths"]), number(row["near"]), number(row["far"]),
        int(row["gap"])))
    return [[row["near"], row["far"], row["gap"], row["paths"]]
            for row in gaps[:10]]


def round_trips_by_distance():
    times = collections.defaultdict(list)
    for row in rows("hops"):
        if int(row["rtt_100us"]) < 65534:
            times[int(row["ttl"])].append(int(row["rtt_100us"]))
    return [[ttl, len(rtts), sorted(rtts)[(len(rtts) - 1) // 2] / 10]
            for ttl, rtts in sorted(times.items())]


def lengths_of_paths():
    least = {}
    for row in rows("hops"):
        if row["kind"] == "destination":
            ttl = int(row["ttl"])
            least[row["target"]] = min(ttl, least.get(row["target"], 99))
    return sorted(collections.Counter(least.values()).items())


def routers_on_most_paths():
    targets = collections.defaultdict(set)
    for row in rows("hops"):
        if row["kind"] == "hop":
            targets[row["responder"]].add(row["target"])
    return top({router: len(behind) for router, behind in targets.items()})


@functools.cache
def as_links():
    links, paths = collections.Counter(), collections.Counter()
    for row in trusted():
        ends = asn(row["near"]), asn(row["far"])
        if ends[0] != ends[1]:
            links[ends] += 1
            paths[ends] += int(row["paths"])
    return links, paths


def links_between_ases():
    links, paths = as_links()
    order = sorted(links, key=lambda ends: (-links[ends], ends))
    return [[*ends, links[ends], paths[ends]] for ends in order[:10]]


def links_between_ases_by_interface():
    return sorted((*ends, count) for ends, count in as_links()[0].items())


def neighbours_of_an_as():
    near = collections.defaultdict(set)
    for one, other in as_links()[0]:
        near[one].add(other)
        near[other].add(one)
    order = sorted(near, key=lambda asn: (-len(near[asn]), asn))
    return [[asn, len(near[asn])] for asn in order[:10]]


def pairs(dataset):
    return {(row["near"], row["far"]) for row in trusted(dataset)}


def difference_of_two_datasets():
    now, before = pairs("links"), pairs("before")
    assert now - before and before - now and now & before
    return [[len(now - before), len(before - now), len(now & before)]]


def what_each_vantage_point_saw_alone():
    now, before = pairs("links"), pairs("before")
    return [["before", len(before), len(before - now)],
            ["links", len(now), len(now - before)]]


def exact_counts_part_by_part():
    routers = {number(row["near"]) for row in rows("links")}
    return sorted(collections.Counter(
        router >> 24 for router in routers if router >> 24 < 64).items())


def links_as_edges_for_other_tools():
    with open(HERE / "edges.csv", encoding="ascii") as file:
        got = [tuple(row.values()) for row in csv.DictReader(file)]
    want = [(row["near"], row["far"], row["paths"]) for row in trusted()]
    assert got == want, "edges.csv"
    return [[len(want)]]


ANSWERS = {
    "What is there": what_is_there,
    "Interfaces": interfaces,
    "Degree": degree,
    "Distribution of degrees": distribution_of_degrees,
    "Links of one router": links_of_one_router,
    "Links of one network": links_of_one_network,
    "Path of one target": path_of_one_target,
    "Targets whose path crosses a link": targets_whose_path_crosses_a_link,
    "Diamonds": diamonds,
    "Tunnels": tunnels,
    "Labels": labels,
    "Silent routers": silent_routers,
    "Round trips by distance": round_trips_by_distance,
    "Lengths of paths": lengths_of_paths,
    "Routers on most paths": routers_on_most_paths,
    "Links between ASes": links_between_ases,
    "Links between ASes by interface": links_between_ases_by_interface,
    "Neighbours of an AS": neighbours_of_an_as,
    "Difference of two datasets": difference_of_two_datasets,
    "What each vantage point saw alone": what_each_vantage_point_saw_alone,
    "Links as edges for other tools": links_as_edges_for_other_tools,
    "Exact counts, part by part": exact_counts_part_by_part,
}


def plain(value):
    """A value as all engines would spell it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def check(query, got):
    assert query.title in ANSWERS, \
        f'"{query.title}" has no loop here that knows its answer'
    want = ANSWERS[query.title]()
    assert want, f"{query.title}: nothing to be found proves nothing"
    if isinstance(want, set):
        assert len(got) == len(want), query.title
        want = sorted([plain(v) for v in row] for row in want)
        got = sorted([plain(v) for v in row] for row in got)
    want = [[plain(value) for value in row] for row in want]
    got = [[plain(value) for value in row] for row in got]
    assert want == got, (
        f"{query.title}, {query.engine}: {len(want)} rows, {len(got)} came; " +
        str(next(((w, g) for w, g in zip(want, got) if w != g), None)))


def blocks(engine):
    return [query for query in query_book.read_book()
            if query.engine == engine]


def test_duckdb():
    """every query for DuckDB answers what the rows say"""
    if not query_book.has_duckdb():
        raise tap.Skip("no @duckdb/node-api; scripts/setup installs it")
    queries = blocks("duckdb")
    answers = query_book.run_duckdb([fill_in(q.text) for q in queries], HERE)
    checked = set()
    for query, answer in zip(queries, answers):
        # Macros answer nothing, and copies only how many rows they have.
        if query.title == "First":
            continue
        if query.text.startswith("COPY") and query.title in (
                "Links between ASes by interface", "Exact counts, part by part"):
            assert answer["rows"][0][0] > "0"
            continue
        check(query, answer["rows"])
        checked.add(query.title)
    assert checked == set(ANSWERS), set(ANSWERS) - checked


def test_macros():
    """the macros turn addresses into text and back, of both families"""
    if not query_book.has_duckdb():
        raise tap.Skip("no @duckdb/node-api; scripts/setup installs it")
    (HERE / "six").mkdir()
    subprocess.run([MAKE_DATASET, HERE / "six", "3", "50", "6"], check=True)
    macros = [query.text for query in blocks("duckdb")
              if query.title == "First"]
    rng = random.Random(5)
    numbers = [0, 2**32 - 1, 2**31] + [rng.randrange(2**32) for _ in range(40)]
    values = ", ".join(f"({n}::UINTEGER)" for n in numbers)
    four, six, back = (answer["rows"] for answer in query_book.run_duckdb(
        macros + [f"SELECT n, ip(n), num(ip(n)) FROM (VALUES {values}) AS t(n)",
                  "SELECT ip6(near), ip6(far) FROM 'six/scan/links.parquet'",
                  "SELECT count(*) FROM 'six/scan/links.parquet' WHERE "
                  "num6(ip6(near)) = near"], HERE)[-3:])
    assert four == [[n, str(ipaddress.IPv4Address(n)), n] for n in numbers]
    want = [[str(ipaddress.IPv6Address(row[end]).exploded)
             for end in ("near", "far")] for row in rows("links", "six/scan")]
    assert six == want
    assert back == [[str(len(want))]]


# These ask about two datasets; all others about the one that is there.
OF_TWO = ("Difference of two datasets", "What each vantage point saw alone")


def ask_book(server, database, of_two):
    """Runs the book's queries for ClickHouse on the tables of a database."""
    for query in blocks("clickhouse"):
        if (query.title in OF_TWO) != of_two:
            continue
        text = fill_in(query.text)
        if text.startswith("CREATE"):
            server.ask(text, database=database)
            server.ask("INSERT INTO interfaces FORMAT CSV",
                       (HERE / "interfaces.csv").read_bytes(),
                       database=database)
        else:
            check(query, server.rows(text, database=database))


def load_and_ask(server, database, *options):
    for dataset in ("links", "before"):
        FATHOM.ok("load", dataset, "--clickhouse", server.url, "--database",
                  database, *options)
        ask_book(server, database, dataset == "before")


def start_servers():
    """Two servers, each of which knows both as the cluster `halves`."""
    while len(SERVERS) < 2:
        i = len(SERVERS)
        SERVERS.append(clickhouse.Clickhouse(
            HERE / f"clickhouse{i}", http=18123 + i, tcp=19000 + i,
            shards=[(19000, "shard"), (19001, "shard")]))
    # Not by DuckDB's COPY, so that ClickHouse is tested without it, too.
    addresses = {row["responder"] for row in rows("hops")} | {
        row[end] for table in ("links", "gaps") for row in rows(table)
        for end in ("near", "far")}
    with open(HERE / "interfaces.csv", "w", encoding="utf-8") as file:
        csv.writer(file).writerows([number(address), asn(address), "", ""]
                                   for address in sorted(addresses))
    return SERVERS


def test_clickhouse():
    """every query for ClickHouse answers what the rows say"""
    load_and_ask(start_servers()[0], "default", "--create")


def drop_partitions(servers):
    for server in servers:
        for table in ("links", "gaps", "hops"):
            partition = server.rows("SELECT any(partition) FROM system.parts "
                                    "WHERE active AND database = 'shard' AND "
                                    f"table = '{table}'")[0][0]
            server.ask(f"ALTER TABLE shard.{table} DROP PARTITION {partition}")


def test_distributed():
    """Distributed tables over two servers answer the same"""
    servers = start_servers()
    first = servers[0]
    for server in servers:
        server.ask("CREATE DATABASE shard")
        for table in ("links", "gaps", "hops"):
            made = first.ask(f"SHOW CREATE TABLE default.{table} FORMAT "
                             "TabSeparatedRaw")
            server.ask(made.replace("default.", "shard."))
    for query in blocks("clickhouse distributed"):
        first.ask(query.text)
    load = ["load", "links", "--clickhouse", first.url, "--database", "whole"]
    FATHOM.ok(*load)
    for table in ("links", "hops"):
        shares = [int(server.ask(f"SELECT count() FROM shard.{table}"))
                  for server in servers]
        assert sum(shares) == len(rows(table)) and min(shares) > 0, shares
    done = FATHOM.run(*load)
    assert done.returncode == 2 and "has it since" in done.stderr, done.stderr
    done = FATHOM.run(*load, "--again")
    assert done.returncode != 0 and "each of its shards" in done.stderr, \
        done.stderr
    # What stands on one shard only is no place to go on from.
    drop_partitions(servers[1:])
    done = FATHOM.run(*load)
    assert done.returncode == 2 and "can have ended there" in done.stderr, \
        done.stderr
    drop_partitions(servers[:1])
    load_and_ask(first, "whole")


def scan(name, seed):
    FATHOM.ok("scan", "targets", "-b", "simulated", "-i",
              SCENARIOS / "internet.lab", "--pps", "10K", "-e", seed, "-o",
              name, "-q")


def main():
    global FATHOM, HERE, SCENARIOS, MAKE_DATASET
    if clickhouse.SERVER is None and not query_book.has_duckdb():
        print("1..0 # SKIP neither clickhouse-server nor @duckdb/node-api; "
              "scripts/setup installs them")
        return 0
    tap.isolate()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    SCENARIOS = pathlib.Path(sys.argv[2]).resolve()
    MAKE_DATASET = pathlib.Path(sys.argv[3]).resolve()
    with tempfile.TemporaryDirectory(prefix="fathom-queries-") as directory:
        HERE = pathlib.Path(directory)
        FATHOM = tap.Fathom(sys.argv[1], HERE)
        rng = random.Random(1)
        prefixes = {f"{rng.randrange(11, 100)}.{rng.randrange(256)}."
                    f"{rng.randrange(256)}.0/24\n" for _ in range(2500)}
        (HERE / "targets").write_text("".join(sorted(prefixes)))
        (HERE / "networks").write_text("".join(
            f"{n >> 4}.{(n & 15) << 4}.0.0\t12\t{64000 + n}\n"
            for n in range(16, 3584)))
        scan("links", 1)
        scan("before", 2)
        FATHOM.ok("annotate", "links", "--networks", "networks")
        try:
            return tap.run_cases([case for name, case in globals().items()
                                  if name.startswith("test_")])
        finally:
            for server in SERVERS:
                server.kill()


if __name__ == "__main__":
    sys.exit(main())
