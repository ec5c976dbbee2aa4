#!/usr/bin/env python3
"""The command as its users meet it, on the simulated internet.

Usage: cli_test.py FATHOM SCENARIO_DIRECTORY
"""

import csv
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import tap

SCENARIOS = None  # Directory of the scenario files.
FATHOM = None
HERE = None  # The test's own directory.

SMALL = ["--backend", "simulated", "--seed", "1", "--pps", "100K"]

# What is wrong, the arguments, the exit code, and what the error must name.
# "T" stands for a good target file.
SCAN = ["scan", "T", "-o", "out"] + SMALL
BAD_INPUTS = [
    ("no command", [], 2, "subcommand"),
    ("unknown command", ["scam"], 2, "scam"),
    ("unknown option", SCAN + ["--ttl", "3"], 2, "--ttl"),
    ("no targets", ["scan", "-o", "out"], 2, "TARGETS"),
    ("no output", ["scan", "T"] + SMALL, 2, "-o NAME"),
    ("missing target file", ["scan", "nowhere.txt", "-o", "out"], 2,
     "nowhere.txt"),
    ("directory as targets", ["scan", ".", "-o", "out"], 2, "directory"),
    ("empty target file", ["scan", "empty", "-o", "out"], 2, "empty"),
    ("bad address", ["scan", "bad-address", "-o", "out"], 2,
     "bad-address:3"),
    ("host bits set", ["scan", "host-bits", "-o", "out"], 2,
     "4.0.0.0/24"),
    ("prefix too long", ["scan", "long-prefix", "-o", "out"], 2,
     "long-prefix:1"),
    ("IPv6 documentation", ["scan", "ipv6", "-o", "out"], 2,
     "mostly in 2001:db8::/32 (Documentation, RFC 3849)"),
    ("mixed targets", ["scan", "mixed", "-o", "out"], 2,
     "2 lines are of IPv4 and 1 of IPv6"),
    ("no IPv6 targets", ["scan", "T", "-6", "-o", "out"], 2,
     "all are of the other family than IPv6"),
    ("both families", ["scan", "mixed", "-4", "-6", "-o", "out"], 2, "--ipv4"),
    ("too many", ["scan", "wide", "-o", "out"], 2, "a coarser --granularity"),
    ("granularity", ["scan", "mixed", "--granularity", "129", "-o", "out"], 2,
     "--granularity"),
    ("source of the other family",
     ["scan", "mixed", "-6", "--source", "10.0.0.1", "-o", "out"], 2,
     "--source 10.0.0.1: the targets are IPv6"),
    ("binary target file", ["scan", "binary", "-o", "out"], 2, "binary"),
    ("only special-purpose targets", ["scan", "special", "-o", "out"], 2,
     "--include-special"),
    ("missing exclusion file", SCAN + ["--exclude", "no-list"], 2, "no-list"),
    ("unreadable line in exclusions", SCAN + ["--exclude", "bad-exclude"], 2,
     "bad-exclude:2"),
    ("everything excluded", SCAN + ["--exclude", "all"], 2, "excluded"),
    ("rate of zero", SCAN + ["--pps", "0"], 2, "--pps"),
    ("rate in words", SCAN + ["--pps", "fast"], 2, "--pps"),
    ("rate beyond reason", SCAN + ["--pps", "2000G"], 2, "rate"),
    ("TTL of zero", SCAN + ["--min-ttl", "0"], 2, "--min-ttl"),
    ("TTLs the wrong way round", SCAN + ["--min-ttl", "9", "--max-ttl", "8"],
     2, "--max-ttl"),
    ("TTL too large", SCAN + ["--max-ttl", "64"], 2, "--max-ttl"),
    ("no probes", SCAN + ["--probes", "0"], 2, "--probes"),
    ("too many probes", SCAN + ["--probes", "9"], 2, "--probes"),
    ("fill below the last TTL", SCAN + ["--fill", "20", "--max-ttl", "32"], 2,
     "--max-ttl"),
    ("fill too far", SCAN + ["--fill", "64"], 2, "--fill"),
    ("negative fill", SCAN + ["--fill", "-1"], 2, "--fill"),
    ("neighborhood at the first TTL", SCAN + ["--neighborhood", "1"], 2,
     "--min-ttl"),
    ("neighborhood beyond the last TTL",
     SCAN + ["--neighborhood", "9", "--max-ttl", "8"], 2, "--max-ttl"),
    ("refinements of the sweep for another strategy",
     SCAN + ["--neighborhood", "6", "--strategy", "guess"], 2, "--strategy"),
    ("probes to a TTL for another strategy",
     SCAN + ["--probes", "2", "--strategy", "back_forward"], 2, "--probes"),
    ("news out of range", SCAN + ["--min-yield", "2"], 2, "--min-yield"),
    ("cap in words", SCAN + ["--router-pps", "slow"], 2, "--router-pps"),
    ("too many repairs", SCAN + ["--repair", "9"], 2, "--repair"),
    ("repairs in words", SCAN + ["--repair", "all"], 2, "--repair"),
    ("verifying too often", SCAN + ["--verify=9"], 2, "--verify"),
    ("verifying never", SCAN + ["--verify=0"], 2, "--verify"),
    ("verifying in words", SCAN + ["--verify=well"], 2, "--verify"),
    ("TTL no number", SCAN + ["--max-ttl", "x"], 2, "--max-ttl"),
    ("seed too large", SCAN + ["--seed", "99999999999999999999"], 2, "--seed"),
    ("cooldown in words", SCAN + ["--cooldown", "long"], 2, "--cooldown"),
    ("negative runtime", SCAN + ["--max-runtime", "-5"], 2, "--max-runtime"),
    ("no lane", SCAN + ["--lanes", "0"], 2, "--lanes"),
    ("lanes of a backend that has one", SCAN + ["--lanes", "2"], 2, "one lane"),
    ("processor that is not there", SCAN + ["--pin", "0,1023"], 2, "1023"),
    ("no processor", SCAN + ["--pin", "a-b"], 2, "--pin"),
    ("processors backwards", SCAN + ["--pin", "3-1"], 2, "--pin"),
    ("unknown way with losses", SCAN + ["--on-loss", "panic"], 2, "slow, warn, stop"),
    ("no share", SCAN + ["--loss-limit", "0"], 2, "--loss-limit"),
    ("shard out of range", SCAN + ["--shard", "5/4"], 2, "--shard"),
    ("addresses per prefix", SCAN + ["--per-prefix", "0"], 2, "--per-prefix"),
    ("status log in no directory", SCAN + ["--status-log", "no/where"], 2,
     "no/where"),
    ("contact too long", SCAN + ["--contact", "x" * 65], 2, "--contact"),
    ("unknown backend", SCAN + ["--backend", "pigeon"], 2, "simulated"),
    ("unknown strategy", SCAN + ["--strategy", "guess"], 2, "sweep"),
    ("unknown protocol", SCAN + ["--protocol", "sctp"], 2, "icmp"),
    ("source no address", SCAN + ["--source", "here"], 2, "--source"),
    ("missing scenario", SCAN + ["--interface", "no.lab"], 3, "no.lab"),
    ("bad scenario", SCAN + ["--interface", "bad.lab"], 2, "bad.lab:1"),
    ("too little memory", SCAN + ["--finish-memory", "1M"], 2,
     "--finish-memory 1M"),
    ("no such interface", ["scan", "T", "-o", "out", "--interface", "nic9"], 3,
     "nic9"),
    ("output exists", ["scan", "T", "-o", "exists"] + SMALL, 2, "exists"),
    ("output in no directory", ["scan", "T", "-o", "no/where"] + SMALL, 2,
     "no/where"),
    ("info on nothing", ["info", "nothing"], 2, "nothing"),
    ("info on another directory", ["info", "exists"], 2, "exists"),
    ("convert to a strange format", ["convert", "exists", "--to", "pcap"], 2,
     "csv"),
    ("convert a strange table", ["convert", "exists", "--table", "x"], 2,
     "hops"),
    ("recover nothing", ["recover", "nothing"], 2, "nothing"),
    ("truth without a name", ["lab", "truth", "small.lab", "T"], 2, "-o"),
    ("truth of a bad scenario", ["lab", "truth", "bad.lab", "T", "-o", "out"],
     2, "bad.lab:1"),
    ("truth for strange eyes",
     ["lab", "truth", "small.lab", "T", "-o", "out", "--sight", "x"], 2,
     "one-flow"),
    ("truth in a strange format",
     ["lab", "truth", "small.lab", "T", "-o", "out", "--format", "x"], 2,
     "jsonl"),
    ("truth of a strange table",
     ["lab", "truth", "small.lab", "T", "-o", "out", "--table", "x"], 2,
     "hops"),
    ("truth as Parquet on standard output",
     ["lab", "truth", "small.lab", "T", "-o", "-"], 2, "csv"),
    ("score of nothing", ["lab", "score", "small.lab", "T", "nothing"], 2,
     "nothing"),
    ("score of what is no result", ["lab", "score", "small.lab", "T", "bad.lab"],
     2, "--format"),
    ("score in a strange format",
     ["lab", "score", "small.lab", "T", "T", "--format", "x"], 2, "yarrp"),
    ("score of a bad line", ["lab", "score", "small.lab", "T", "bad.csv"], 2,
     "bad.csv:2"),
]


def make_inputs():
    files = {
        "T": "4.0.0.0/20\n",
        "empty": "",
        "bad-address": "4.0.0.0/24\n# fine\n4.0.0.256\n",
        "host-bits": "4.0.0.1/24\n",
        "long-prefix": "4.0.0.0/33\n",
        "ipv6": "2001:db8::/32\n",
        "mixed": "20.0.0.1\n20.0.1.0/24\n2a00::1\n",
        "wide": "2000::/3\n",
        "special": "10.0.0.0/8\n192.168.0.0/16\n",
        "bad-exclude": "4.0.1.0/24\n4.0.2.0/x\n",
        "all": "0.0.0.0/0\n",
        "bad.lab": "colour = blue\n",
        "small.lab": (SCENARIOS / "small.lab").read_text(),
        "bad.csv": "near,far\n4.0.0.1,here\n",
    }
    for name, text in files.items():
        (HERE / name).write_text(text)
    (HERE / "binary").write_bytes(bytes(range(256)) * 16)
    (HERE / "exists").mkdir()


def test_tells_bad_input_from_good():
    """Every bad input has its exit code, names its cause and leaves nothing."""
    wrong = []
    for what, arguments, code, named in BAD_INPUTS:
        before = sorted(os.listdir(HERE))
        done = FATHOM.run(*arguments)
        if done.returncode != code:
            wrong.append(f"{what}: exit {done.returncode}, not {code}: "
                         f"{done.stderr}")
        elif named not in done.stderr:
            wrong.append(f"{what}: no {named!r} in: {done.stderr}")
        elif sorted(os.listdir(HERE)) != before:
            wrong.append(f"{what}: left something behind")
    assert not wrong, "\n".join(wrong)
    assert len(BAD_INPUTS) >= 20


def test_needs_permission_for_real_packets():
    """Without CAP_NET_RAW the io_uring backend says what to grant."""
    if os.geteuid() != 0:
        raise tap.Skip("needs root, to give it up")
    done = subprocess.run(
        ["setpriv", "--bounding-set", "-net_raw,-net_admin", "--inh-caps",
         "-net_raw,-net_admin"] +
        FATHOM.command("scan", "T", "-o", "out", "--interface", "lo",
                       "--gateway-mac", "02:00:00:00:00:01"),
        cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "cap_net_raw" in done.stderr.lower(), done.stderr


def test_dry_run_sends_and_writes_nothing():
    before = sorted(os.listdir(HERE))
    text = FATHOM.ok("scan", "T", "--dry-run", *SMALL)
    assert "512 probes" in text and "Nothing was sent" in text, text
    plan = json.loads(FATHOM.ok("scan", "T", "--dry-run", "--json", *SMALL))
    assert plan["probes"] == 16 * 32, plan
    assert sorted(os.listdir(HERE)) == before


def test_reads_targets_from_standard_input():
    FATHOM.ok("scan", "-", "-o", "piped", *SMALL,
              stdin="4.0.0.0/22\r\n\n # comment\n4.0.0.0/24\n4.0.9.9")
    targets = FATHOM.manifest("piped")["configuration"]["targets"]
    assert targets["probed"] == 5 and targets["duplicates"] == 1, targets


def test_status_log_tells_how_the_scan_went():
    FATHOM.ok("scan", "T", "-o", "logged", *SMALL[:2], "--seed", "1", "--pps",
              "100", "--status-log", "log.csv")
    rows = list(csv.DictReader((HERE / "log.csv").read_text().splitlines()))
    # 512 probes take five seconds, and hearing out the last ones ten.
    assert len(rows) >= 6, rows
    last = None
    for row in rows:
        now = {name: float(value) for name, value in row.items()}
        assert now["sent"] <= 100 * now["seconds"] + 10, row
        assert last is None or all(now[name] >= last[name] for name in now)
        last = now
    manifest = FATHOM.manifest("logged")
    assert last["sent"] == manifest["probes"]["sent"], last
    assert last["replies"] == manifest["replies"]["valid"], last
    assert last["links"] > 0 and last["interfaces"] > 0, last


def test_same_seed_gives_the_same_bytes():
    for name in ("one", "two"):
        FATHOM.ok("scan", "T", "-o", name, *SMALL)
    for file in ("links.parquet", "gaps.parquet", "hops.parquet",
                 "manifest.json"):
        assert (HERE / "one" / file).read_bytes() == \
            (HERE / "two" / file).read_bytes(), file
    FATHOM.ok("scan", "T", "-o", "three", *SMALL[:2], "--seed", 2)
    assert (HERE / "one/hops.parquet").read_bytes() != \
        (HERE / "three/hops.parquet").read_bytes()


def test_counts_add_up():
    probes = FATHOM.manifest("one")["probes"]
    assert probes["sent"] == probes["planned"] == 512, probes
    assert probes["answered"] + probes["unanswered"] == probes["sent"]
    cells = {(h["target"], h["flow"], h["ttl"])
             for h in FATHOM.rows("one", "hops")}
    assert len(cells) == probes["answered"], probes


def test_second_look_adds_up():
    FATHOM.ok("scan", "T", "-o", "again", *SMALL, "--repair", 1, "--verify")
    manifest = FATHOM.manifest("again")
    passes = manifest["second_look"]
    assert [p["pass"] for p in passes] == ["repair"] + 3 * ["verify"], passes
    probes = manifest["probes"]
    assert probes["sent"] == 512 + sum(p["sent"] for p in passes), probes
    assert passes[1]["sent"] > 0 and passes[1]["left_out"] == 0, passes
    assert probes["sent"] == probes["planned"], probes
    assert manifest["configuration"]["repair_rounds"] == 1
    assert manifest["configuration"]["verify_times"] == 2
    links = FATHOM.rows("again", "links")
    assert any("unverified" not in link["flags"] for link in links)
    assert FATHOM.manifest("one")["second_look"] == []
    assert 0 <= manifest["holes"]["lost_share"] <= 1, manifest["holes"]
    text = FATHOM.ok("scan", "T", "--dry-run", *SMALL, "--verify=1")
    assert "512 probes" in text and "adds to that" in text, text


def test_another_reader_agrees_with_what_convert_writes():
    """hyparquet reads a scan's files as `fathom convert` does, row for row."""
    node = shutil.which("node") or shutil.which("nodejs")
    readers = pathlib.Path(__file__).resolve().parent / "readers"
    if node is None or not (readers / "node_modules").is_dir():
        raise tap.Skip("no node or no hyparquet; scripts/setup installs them")
    (HERE / "read").mkdir()
    (HERE / "slash12").write_text("4.0.0.0/12\n")
    FATHOM.ok("scan", "slash12", "-o", "read/scan", *SMALL)
    for table in ("links", "gaps", "hops"):
        FATHOM.ok("convert", "read/scan", "--to", "csv", "--table", table,
                  "-o", f"read/{table}.csv")
        lines = (HERE / f"read/{table}.csv").read_text().count("\n")
        assert lines > 100, f"{table}: only {lines} lines"
    done = subprocess.run([node, readers / "check_parquet.mjs", HERE / "read"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "not ok" not in done.stdout, done.stdout


def test_json_prints_the_manifest():
    printed = json.loads(FATHOM.ok("scan", "T", "-o", "jsonned", "--json",
                                   *SMALL))
    assert printed == FATHOM.manifest("jsonned")
    assert json.loads(FATHOM.ok("info", "jsonned", "--json")) == printed


def test_quiet_prints_nothing():
    done = FATHOM.run("scan", "T", "-o", "hushed", "-q", *SMALL)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done


def test_shards_are_the_whole_scan_dealt_out():
    """Shards send exactly what one scan would, once."""
    whole = {h["target"] for h in FATHOM.rows("one", "hops")}
    parts = []
    for i in (1, 2, 3):
        FATHOM.ok("scan", "T", "-o", f"part{i}", "--shard", f"{i}/3", *SMALL)
        parts += sorted({h["target"]
                         for h in FATHOM.rows(f"part{i}", "hops")})
    assert sorted(parts) == sorted(whole)


def test_shards_merge_into_one_scan():
    shards = ["part3", "part1", "part2"]
    refused = FATHOM.run("merge", *shards[:2], "-o", "merged")
    assert refused.returncode == 2 and "missing: 2" in refused.stderr, refused
    FATHOM.ok("merge", *shards, "-o", "merged")

    # Which of the whole scan's answers were lost is a matter of time.
    assert "shard" not in FATHOM.manifest("merged")
    parts = [row for name in shards for row in FATHOM.rows(name, "links")]
    merged = FATHOM.rows("merged", "links")
    assert {(r["near"], r["far"]) for r in merged} == \
        {(r["near"], r["far"]) for r in parts}
    assert sum(int(r["paths"]) for r in merged) == \
        sum(int(r["paths"]) for r in parts)
    changes = json.loads(FATHOM.ok("diff", "merged", "merged", "--json"))
    assert changes["links"]["trusted"]["stayed"] > 0, changes
    for counts in (*changes["links"].values(), changes["interfaces"]):
        assert counts["came"] == counts["went"] == 0, changes


def test_merged_rounds_stay_apart():
    FATHOM.ok("scan", "T", "-o", "round2", *SMALL, "--seed", "2")
    FATHOM.ok("merge", "one", "round2", "-o", "rounds")
    assert len(FATHOM.manifest("rounds")["scans"]) == 2
    for table in ("hops", "link_scans"):
        scans = {r["scan"] for r in FATHOM.rows("rounds", table)}
        assert {int(scan) for scan in scans} == {0, 1}, scans
    assert "Scans:     2 of" in FATHOM.ok("info", "rounds")
    rows = FATHOM.ok("diff", "one", "round2", "--to", "csv").splitlines()
    assert rows[0].startswith("near,far,change,"), rows[0]
    twice = FATHOM.run("merge", "rounds", "one", "-o", "twice")
    assert twice.returncode == 2 and "the same scan" in twice.stderr, twice


def test_time_limit_ends_as_incomplete():
    done = FATHOM.run("scan", "T", "-o", "limited", *SMALL[:4], "--pps", 100,
                      "--max-runtime", "2s")
    assert done.returncode == 4, done
    assert "--resume limited" in done.stderr, done
    assert "time limit" in FATHOM.ok("recover", "limited")
    probes = FATHOM.manifest("limited")["probes"]
    assert 190 <= probes["sent"] <= 210, probes


def big_scan(name):
    """A scan in virtual time that takes a good while of the user's."""
    (HERE / "many").write_text("4.0.0.0/8\n")
    process = FATHOM.start("scan", "many", "-o", name, "--per-prefix", 8,
                           *SMALL)
    spool = HERE / f"{name}.partial/replies.spool"
    while process.poll() is None and \
            not (spool.exists() and spool.stat().st_size > 1_000_000):
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()
    return process


def test_first_interrupt_stops_and_saves():
    process = big_scan("stopped")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "fathom scan --resume stopped" in errors, errors
    assert "fathom recover stopped" in errors, errors
    assert not (HERE / "stopped").exists()
    FATHOM.ok("recover", "stopped")
    assert not (HERE / "stopped.partial").exists()
    manifest = FATHOM.manifest("stopped")
    assert manifest["end"] == "interrupted"
    assert 0 < manifest["probes"]["sent"] < manifest["probes"]["planned"]


def test_kill_loses_only_the_last_moment():
    process = big_scan("killed")
    done = FATHOM.run("recover", "killed")
    assert done.returncode == 2 and "running" in done.stderr, done
    done = FATHOM.run("scan", "T", "-o", "killed", *SMALL)
    assert done.returncode == 2 and "recover" in done.stderr, done
    process.kill()
    process.communicate()
    assert not (HERE / "killed").exists()
    text = FATHOM.ok("recover", "killed")
    assert "recovered" in text, text
    assert not (HERE / "killed.partial").exists()
    assert len(FATHOM.rows("killed", "links")) > 100


def test_second_interrupt_leaves_the_spool():
    process = big_scan("left")
    process.send_signal(signal.SIGINT)
    # The message says that the first was taken; only then the second counts.
    while "Stopping" not in (line := process.stderr.readline()):
        assert line, "ended before it said that it stops"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    if not (HERE / "left").exists():  # It may have been quicker.
        FATHOM.ok("recover", "left")
    assert FATHOM.rows("left", "hops")


def test_full_disk_keeps_what_was_heard():
    """A disk that fills up ends the scan with an error, and loses nothing."""
    if os.geteuid() != 0:
        raise tap.Skip("needs root, to mount a small file system")
    script = (
        "mount -t tmpfs -o size=3m tmpfs small && "
        f"{FATHOM.binary} scan many -o small/scan --per-prefix 8 "
        "--backend simulated --seed 1 --pps 100K -q; code=$?; "
        "ls small small/* >&2; umount small; exit $code")
    (HERE / "small").mkdir()
    done = subprocess.run(tap.unshare() + ["sh", "-c", script], cwd=HERE,
                          timeout=120, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1, done
    assert "No space left" in done.stderr, done
    assert "replies.spool" in done.stderr, done
    assert "recover" in done.stderr, done


def score(*arguments):
    """What `fathom lab score` says of results on small.lab."""
    return json.loads(FATHOM.ok("lab", "score", "small.lab", "lab-targets",
                                *arguments, "--json"))


def test_truth_scores_full_marks():
    (HERE / "lab-targets").write_text(
        FATHOM.ok("lab", "targets", "small.lab"))
    FATHOM.ok("lab", "truth", "small.lab", "lab-targets", "-o", "truth")
    text = FATHOM.ok("lab", "truth", "small.lab", "lab-targets", "-o", "-",
                     "--format", "csv")
    (HERE / "truth.csv").write_text(text)
    assert text.startswith("near,far,"), text[:80]
    assert text == FATHOM.ok("convert", "truth", "--to", "csv")
    FATHOM.ok("lab", "truth", "small.lab", "lab-targets", "-o", "truth.jsonl",
              "--format", "jsonl", "--table", "hops")
    found = score("truth", "truth.csv", "truth.jsonl")
    for result in found["results"]:
        assert result["interfaces"]["precision"] == 1, result
        # Hops of several flows and times make few links.
        if result["file"] != "truth.jsonl":
            assert result["links"]["precision"] == 1, result
            assert result["links"]["recall"] == 1, result
    assert found["results"][0]["interfaces"]["recall"] == 1, found
    assert found["results"][2]["interfaces"]["recall"] == 1, found
    counts = FATHOM.manifest("truth")["truth"]
    assert counts["links"] == found["truth"]["any_flow"]["links"], counts


def test_scans_are_scored_beside_each_other():
    FATHOM.ok("scan", "lab-targets", "-o", "scored", "--interface",
              "small.lab", *SMALL)
    FATHOM.ok("convert", "scored", "--to", "csv", "-o", "scored.csv")
    found = score("scored", "scored.csv", "--seed", 1)
    scan, text = (r["links"] for r in found["results"])
    assert scan == text, found
    assert scan["asserted"] == scan["true"] + scan["false"] > 30, found
    assert scan["false"] == sum(scan["false_by_cause"].values()), found
    table = FATHOM.ok("lab", "score", "small.lab", "lab-targets", "scored",
                      "scored.csv", "--trusted", "--seed", 1)
    assert table.count("precision") == 2 and "none" in table, table
    # With another seed the scan would have had other targets.
    table = FATHOM.ok("lab", "score", "small.lab", "lab-targets", "scored")
    assert "elsewhere" in table and "--seed" in table, table


def test_finds_and_saves_what_is_damaged():
    FATHOM.ok("scan", "T", "-o", "fragile", *SMALL)
    whole = FATHOM.ok("info", "--check", "fragile")
    assert "Whole: 3 files" in whole, whole
    assert "nothing to recover" in FATHOM.ok("recover", "fragile")
    links = FATHOM.rows("fragile", "links")
    hops = FATHOM.directory / "fragile" / "hops.parquet"
    data = bytearray(hops.read_bytes())
    data[100] ^= 16
    hops.write_bytes(data)
    done = FATHOM.run("info", "--check", "fragile")
    assert done.returncode == 1, done
    assert "hops.parquet: row group 0:" in done.stderr, done.stderr
    assert "fathom recover fragile" in done.stderr, done.stderr
    done = FATHOM.run("recover", "fragile")
    assert done.returncode == 4, done
    assert FATHOM.rows("fragile.recovered", "links") == links
    FATHOM.ok("info", "--check", "fragile.recovered")


def test_help_fits_a_screen():
    for command in ([], ["scan"], ["info"], ["convert"], ["import"], ["merge"],
                    ["diff"], ["load"], ["recover"], ["doctor"], ["lab"],
                    ["lab", "truth"], ["lab", "score"],
                    ["lab", "serve"], ["lab", "peer"], ["lab", "route"]):
        text = FATHOM.ok(*command, "--help")
        assert len(text.splitlines()) <= 60, text
        assert max(map(len, text.splitlines())) <= 80, text


def main():
    global FATHOM, HERE, SCENARIOS
    with tempfile.TemporaryDirectory() as directory:
        HERE = pathlib.Path(directory)
        FATHOM = tap.Fathom(sys.argv[1], directory)
        SCENARIOS = pathlib.Path(sys.argv[2]).resolve()
        make_inputs()
        return tap.run_cases([case for name, case in globals().items()
                              if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
