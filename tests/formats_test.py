#!/usr/bin/env python3
"""Others read what we write, and we read what others write.

Usage: formats_test.py FATHOM MAKE_DATASET

Written formats are read by scamper's own tools and by the parsers of Python;
results of scamper are those of the real Linux routers of trace_chain.py, which
live in a private mount and network namespace.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

import tap
import trace_chain as chain

FATHOM = None
HERE = None
FAMILIES = {4: "made4", 6: "made6"}
GRAPHML = "{http://graphml.graphdrawing.org/xmlns}"
GEXF = "{http://www.gexf.net/1.2draft}"


def need(tool):
    if shutil.which(tool) is None:
        raise tap.Skip(f"{tool} is not installed")


def convert(dataset, to):
    path = HERE / f"{dataset}.{to}"
    if not path.exists():
        FATHOM.ok("convert", dataset, "--to", to, "-o", path)
    return path


def output(*command):
    return subprocess.run([str(c) for c in command], capture_output=True,
                          text=True, check=True, timeout=60).stdout


def by_trace(rows):
    traces = {}
    for row in rows:
        traces.setdefault((row["target"], int(row["flow"])), []).append(row)
    return traces


def check_hop(hop, row):
    """A hop of sc_warts2json against a row of ours."""
    assert hop["addr"] == row["responder"], (hop, row)
    assert hop["probe_ttl"] == int(row["ttl"]), (hop, row)
    assert hop["reply_ttl"] == int(row["reply_ttl"]), (hop, row)
    rtt = int(row["rtt_100us"])
    assert rtt == 65535 or abs(hop["rtt"] - rtt / 10) < 0.001, (hop, row)
    sent = hop["tx"]["sec"] * 10**6 + hop["tx"]["usec"]
    heard = sent + (0 if rtt == 65535 else rtt * 100)
    assert heard == int(row["received"]) * 10**6, (hop, row)
    if int(row["tcp_flags"]):
        assert hop["tcp_flags"] == int(row["tcp_flags"]), (hop, row)
        return
    assert hop["icmp_type"] == int(row["icmp_type"]), (hop, row)
    assert hop["icmp_code"] == int(row["icmp_code"]), (hop, row)
    if "icmp_q_ttl" in hop:
        assert hop["icmp_q_ttl"] == int(row["quoted_ttl"]), (hop, row)
        assert hop.get("icmp_q_tos", 0) == int(row["quoted_tos"]), (hop, row)
    labels = [f"{label['mpls_label']}/{label['mpls_exp']}/{label['mpls_s']}/"
              f"{label['mpls_ttl']}"
              for extension in hop.get("icmpext", [])
              for label in extension.get("mpls_labels", [])]
    assert " ".join(labels) == row["mpls"], (hop, row)


def test_scamper_reads_every_hop_of_our_warts_as_json():
    need("sc_warts2json")
    for name in FAMILIES.values():
        ours = by_trace(FATHOM.rows(name, "hops"))
        theirs = [json.loads(line) for line in
                  output("sc_warts2json", convert(name, "warts")).splitlines()]
        traces = [t for t in theirs if t["type"] == "trace"]
        assert [theirs[0]["type"], theirs[-1]["type"]] == \
            ["cycle-start", "cycle-stop"]
        assert len(traces) == len(ours)
        for trace, ((target, _), rows) in zip(traces, sorted(
                ours.items(), key=lambda item: list(ours).index(item[0]))):
            assert trace["dst"] == target
            assert len(trace["hops"]) == len(rows)
            for hop, row in zip(trace["hops"], rows):
                check_hop(hop, row)


def test_scamper_dumps_every_hop_of_our_warts():
    need("sc_wartsdump")
    for name in FAMILIES.values():
        rows = FATHOM.rows(name, "hops")
        text = output("sc_wartsdump", convert(name, "warts"))
        hops = re.findall(r"^hop +(\d+)  (\S+)\n.*rtt: ([\d.]+)s.*\n"
                          r" reply-ttl: (\d+)", text, re.M)
        assert len(hops) == len(rows), (len(hops), len(rows))
        for (ttl, address, rtt, reply_ttl), row in zip(hops, rows):
            assert (ttl, address, reply_ttl) == \
                (row["ttl"], row["responder"], row["reply_ttl"])
            assert row["rtt_100us"] == "65535" or \
                abs(float(rtt) * 10_000 - int(row["rtt_100us"])) < 0.01
        labels = sum(row["mpls"].count("/") // 3 for row in rows)
        assert labels > 0 and text.count(", label: ") == labels, labels


def links(name):
    return [(row["near"], row["far"]) for row in FATHOM.rows(name, "links")]


def test_graphml_is_the_links():
    for name in FAMILIES.values():
        graph = xml.parse(convert(name, "graphml")).getroot() \
            .find(GRAPHML + "graph")
        kinds = [child.tag for child in graph]
        assert kinds == sorted(kinds, reverse=True), "nodes stand first"
        nodes = [n.get("id") for n in graph.findall(GRAPHML + "node")]
        edges = graph.findall(GRAPHML + "edge")
        assert [(e.get("source"), e.get("target")) for e in edges] == \
            links(name)
        assert sorted(nodes) == sorted({a for pair in links(name)
                                        for a in pair})
        for edge, row in zip(edges, FATHOM.rows(name, "links")):
            data = {d.get("key"): d.text or ""
                    for d in edge.findall(GRAPHML + "data")}
            for key, value in data.items():
                most = str(min(int(row[key]), 2**63 - 1)) \
                    if key == "paths" else row[key]
                assert value == most, (key, value, row)


def test_gexf_is_the_links():
    for name in FAMILIES.values():
        graph = xml.parse(convert(name, "gexf")).getroot().find(GEXF + "graph")
        titles = {a.get("id"): a.get("title")
                  for a in graph.find(GEXF + "attributes")}
        nodes = [n.get("id") for n in graph.find(GEXF + "nodes")]
        edges = list(graph.find(GEXF + "edges"))
        assert [(e.get("source"), e.get("target")) for e in edges] == \
            links(name)
        assert sorted(nodes) == sorted({a for pair in links(name)
                                        for a in pair})
        assert len({e.get("id") for e in edges}) == len(edges)
        for edge, row in zip(edges, FATHOM.rows(name, "links")):
            for value in edge.find(GEXF + "attvalues"):
                key = titles[value.get("for")]
                assert value.get("value") == row[key] or key == "paths"


def test_edge_list_and_dot_are_the_links():
    for name in FAMILIES.values():
        lines = [line for line in convert(name, "edgelist").read_text()
                 .splitlines() if not line.startswith("#")]
        assert [tuple(line.split()) for line in lines] == links(name)
        dot = convert(name, "dot").read_text()
        statement = r'"([\w.:]+)" -> "([\w.:]+)" \[paths=\d+,min_ttl=\d+,' \
            r'flags=\d+\];\n'
        assert re.fullmatch(r"digraph fathom \{\n(" + statement + r")*\}\n",
                            dot)
        assert re.findall(statement, dot) == links(name)
        if shutil.which("dot"):
            output("dot", "-Tcanon", convert(name, "dot"))


def test_itdk_nodes_are_those_of_its_links():
    for name in FAMILIES.values():
        nodes = dict(re.findall(r"^node (N\d+):  (\S+)$",
                                convert(name, "itdk-nodes").read_text(), re.M))
        pairs = re.findall(r"^link L\d+:  (N\d+):(\S+) (N\d+):(\S+)$",
                           convert(name, "itdk-links").read_text(), re.M)
        assert [(near, far) for _, near, _, far in pairs] == links(name)
        ends = {}
        for near, near_address, far, far_address in pairs:
            ends.update({near: near_address, far: far_address})
        assert nodes == ends
        assert len(set(nodes.values())) == len(nodes)


def test_atlas_lines_are_the_hops():
    for name in FAMILIES.values():
        ours = by_trace(FATHOM.rows(name, "hops"))
        theirs = [json.loads(line) for line in
                  convert(name, "atlas").read_text().splitlines()]
        assert [(t["dst_addr"], t["paris_id"]) for t in theirs] == list(ours)
        for trace, rows in zip(theirs, ours.values()):
            ttls = [hop["hop"] for hop in trace["result"]]
            assert ttls == list(range(ttls[0], ttls[-1] + 1))
            heard = [(str(hop["hop"]), reply["from"], str(reply["ttl"]))
                     for hop in trace["result"] for reply in hop["result"]
                     if "x" not in reply]
            assert heard == [(r["ttl"], r["responder"], r["reply_ttl"])
                             for r in rows]


def inside(*command):
    return subprocess.run(chain.enter("scanner") + [str(c) for c in command],
                          cwd=HERE, capture_output=True, text=True,
                          timeout=60, check=True).stdout


def hops_of(dataset):
    return {(row["target"], row["ttl"], row["responder"], row["kind"])
            for row in FATHOM.rows(dataset, "hops")}


def test_what_scamper_finds_on_real_routers_is_what_we_find():
    """Both families and two methods, by warts; the same hops and links."""
    need("scamper")
    for family, method in ((4, "icmp"), (6, "icmp"), (4, "udp")):
        host = chain.HOST if family == 4 else chain.HOST6
        name = f"{method}{family}"
        inside("scamper", "-O", "warts", "-o", f"{name}.warts", "-c",
               f"trace -P {method}-paris -w 1 -q 1 -g 3 -s 33500",
               "-i", host)
        FATHOM.ok("import", f"{name}.warts", "-o", name)
        theirs = FATHOM.rows(name, "hops")
        path = chain.hops(family)
        assert {row["target"] for row in theirs} == {host}
        for row in theirs:
            assert row["responder"] in path[int(row["ttl"]) - 1], row
        heard = {int(row["ttl"]) for row in theirs}
        assert heard == set(range(1, chain.DISTANCE + 1)) - {8}, heard
        assert theirs[-1]["kind"] == "destination"
        check_as_json_has_it(f"{name}.warts", theirs)
        # Every neighbouring pair that answered, and the silent one between.
        assert len(links(name)) == chain.DISTANCE - 3
        assert len(FATHOM.rows(name, "gaps")) == 1


def check_as_json_has_it(path, rows):
    """What we import is what scamper itself reads there."""
    traces = [json.loads(line) for line in
              output("sc_warts2json", HERE / path).splitlines()]
    hops = [hop for trace in traces if trace["type"] == "trace"
            for hop in trace["hops"]]
    assert len(hops) == len(rows)
    for hop, row in zip(hops, rows):
        assert (hop["addr"], hop["probe_ttl"], hop["reply_ttl"]) == \
            (row["responder"], int(row["ttl"]), int(row["reply_ttl"]))
        assert abs(hop["rtt"] * 10 - int(row["rtt_100us"])) <= 0.51
        assert (hop["icmp_type"], hop["icmp_code"]) == \
            (int(row["icmp_type"]), int(row["icmp_code"]))
        assert abs(hop["tx"]["sec"] - int(row["received"])) <= 2


def test_what_is_imported_goes_on_as_a_dataset():
    """Written again in every format, read by scamper, joined to our scan."""
    (HERE / "targets").write_text(f"{chain.HOST}\n")
    inside(FATHOM.binary, "scan", "targets", "-o", "ours", "-p", "200", "-c",
           "1s", "-q", "--max-ttl", "20", "--include-special")
    need("scamper")
    theirs, ours = hops_of("icmp4"), hops_of("ours")
    fork = {"5", "6"}  # Where flows take different ways.
    outside = lambda hops: {hop for hop in hops if hop[1] not in fork and
                            int(hop[1]) <= chain.DISTANCE}
    assert outside(theirs) == outside(ours), (theirs, ours)
    for dataset in ("icmp4", "ours"):
        FATHOM.ok("convert", dataset, "--to", "caracal", "-o",
                  f"{dataset}.csv")
    FATHOM.ok("import", "icmp4.csv", "ours.csv", "-o", "both")
    assert hops_of("both") == theirs | ours
    FATHOM.ok("convert", "icmp4", "--to", "warts", "-o", "again.warts")
    FATHOM.ok("import", "again.warts", "-o", "again")
    assert hops_of("again") == theirs


def test_addresses_for_other_readers_are_refused_here():
    for name in FAMILIES.values():
        for form in "text", "binary":
            out = f"{name}-{form}"
            FATHOM.ok("convert", name, "--to", "parquet", "--addresses", form,
                      "-o", out)
            done = FATHOM.run("convert", out)
            # The 16 bytes of an IPv6 dataset are what it has anyway.
            if name == "made6" and form == "binary":
                assert done.stdout == FATHOM.ok("convert", name)
                continue
            assert done.returncode == 2 and f"are {form}" in done.stderr, done
            bytes_of = (HERE / out / "links.parquet").read_bytes()
            assert b"fathom.addresses" in bytes_of


def test_a_cut_file_is_incomplete():
    """Exit code 4, and what stands before the cut is there."""
    whole = convert("made4", "warts").read_bytes()
    (HERE / "cut.warts").write_bytes(whole[:len(whole) // 2])
    done = FATHOM.run("import", "cut.warts", "-o", "cut")
    assert done.returncode == 4, done
    assert "cut.warts, byte" in done.stderr
    assert len(FATHOM.rows("cut", "hops")) > 10


def test_bad_usage_says_what_to_do():
    for arguments, wanted in (
            (("import", "made4.warts", "-o", "x", "--from", "pcap"), "warts"),
            (("import", "nowhere", "-o", "x"), "nowhere"),
            (("import", "made4.warts", "-o", "made4"), "made4"),
            (("convert", "made4", "--to", "warts", "--table", "links"),
             "warts holds hops"),
            (("convert", "made4", "--to", "parquet"), "--output"),
            (("convert", "made4", "--addresses", "text"), "one way only")):
        done = FATHOM.run(*arguments)
        assert done.returncode == 2, (arguments, done)
        assert wanted in done.stderr, (arguments, done.stderr)


def main():
    global FATHOM, HERE
    binary, make_dataset = [str(pathlib.Path(a).resolve())
                            for a in sys.argv[1:3]]
    tap.isolate()
    with tempfile.TemporaryDirectory() as directory:
        HERE = pathlib.Path(directory)
        FATHOM = tap.Fathom(binary, HERE)
        for family, name in FAMILIES.items():
            (HERE / "raw").mkdir()
            subprocess.run([make_dataset, HERE / "raw", "1", "40",
                            str(family)], check=True)
            (HERE / "raw" / "scan").rename(HERE / name)
            shutil.rmtree(HERE / "raw")
        network = chain.Chain()
        try:
            network.build()
            return tap.run_cases([case for name, case in globals().items()
                                  if name.startswith("test_")])
        finally:
            network.take_down()


if __name__ == "__main__":
    sys.exit(main())
