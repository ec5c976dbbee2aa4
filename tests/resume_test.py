#!/usr/bin/env python3
"""Scans that are killed, interrupted, starved of disk, and go on.

In virtual time: a scan takes as long as its arithmetic, and a kill comes at
any moment of it.
"""

import functools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import tap

FATHOM = HERE = SCENARIOS = None

# Nothing is lost, no router is silent for a while, and no balancer goes by the
# packet: what a probe is answered does not depend on when it is sent.
COMMON = ("--backend", "simulated", "--seed", 1, "--include-special")
KILLS = 50


def options(strategy, *more):
    return ("scan", "T", "-q", "--interface", "clean.lab", "--strategy",
            strategy, *COMMON, *more)


# What is scanned, how often it is killed, and whether it must find the very
# same: what adaptive strategies ask depends on when answers come.
PLANS = [
    ("sweep", options("sweep", "--pps", "6K"), 14, True),
    ("second look", options("sweep", "--pps", "6K", "--repair", 1,
                            "--verify"), 12, True),
    ("back_forward", options("back_forward", "--pps", "2K"), 12, False),
    ("multipath", options("multipath", "--pps", "4K"), 12, False),
]


def make_inputs():
    (HERE / "T").write_text("".join(f"10.{i // 256}.{i % 256}.{1 + i % 200}\n"
                                    for i in range(1000)))
    for name in ("clean.lab", "wire.lab"):
        shutil.copy(SCENARIOS / name, HERE)


@functools.cache
def hops(name):
    """The hops of a dataset, without what tells of times."""
    return sorted((h["target"], h["flow"], h["ttl"], h["responder"], h["kind"])
                  for h in FATHOM.rows(name, "hops"))


@functools.cache
def links(name):
    return {(r["near"], r["far"]) for r in FATHOM.rows(name, "links")}


@functools.cache
def whole(plan):
    """The scan of a plan, never killed: its name, and how long it took."""
    name, command, _, _ = plan
    name = "whole-" + name.replace(" ", "-")
    began = time.monotonic()
    FATHOM.ok(*command, "-o", name)
    return name, time.monotonic() - began


def kill_at(process, seconds):
    """Kills after so long; whether it was still running."""
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    assert process.returncode == 0, process.returncode
    return False


def resume(name, *more):
    return ("scan", "--resume", name, "-q", *more)


def check_conserved(name):
    probes = FATHOM.manifest(name)["probes"]
    assert probes["answered"] + probes["unanswered"] == probes["sent"], probes
    return probes


def check_same(name, reference, exact):
    probes, expected = check_conserved(name), check_conserved(reference)
    if exact:
        found, wanted = hops(name), hops(reference)
        assert found == wanted, (
            len(found), len(wanted), FATHOM.manifest(name)["resumed"],
            sorted(set(wanted) - set(found))[:5],
            sorted(set(found) - set(wanted))[:5])
        assert links(name) == links(reference)
        assert probes == expected, (probes, expected)
        return
    found, wanted = links(name), links(reference)
    both = len(found & wanted)
    assert both > 0.97 * len(wanted) and both > 0.97 * len(found), (
        both, len(found), len(wanted))
    # Some ask other addresses of a target's /24 besides.
    targets = set((HERE / "T").read_text().split())
    found, wanted = ({h[0] for h in hops(n)} & targets
                     for n in (name, reference))
    assert found == wanted, (found ^ wanted)
    assert abs(probes["sent"] - expected["sent"]) < 0.05 * expected["sent"], (
        probes, expected)


def kills_of(plan):
    random.seed(plan[0])
    name, command, times, exact = plan
    reference, lasts = whole(plan)
    killed = 0
    for i in range(times):
        dataset = f"{reference}-{i}"
        process = FATHOM.start(*command, "-o", dataset)
        # Every third scan is killed again and again.
        rest = 3 if i % 3 == 0 else 0
        while kill_at(process, random.uniform(0, lasts)):
            killed += 1
            if (HERE / dataset).exists():  # Whole, and not yet tidied up.
                shutil.rmtree(HERE / f"{dataset}.partial", ignore_errors=True)
                break
            if not (HERE / f"{dataset}.partial/replies.spool").exists() or \
                    not (HERE / f"{dataset}.partial/replies.spool"
                         ).stat().st_size:
                shutil.rmtree(HERE / f"{dataset}.partial", ignore_errors=True)
                process = FATHOM.start(*command, "-o", dataset)
                continue
            if rest == 0:
                FATHOM.ok(*resume(dataset))
                break
            rest -= 1
            process = FATHOM.start(*resume(dataset))
        check_same(dataset, reference, exact)
        assert not (HERE / f"{dataset}.partial").exists()
        shutil.rmtree(HERE / dataset)
    assert killed > times / 2, killed
    return killed


def test_kills_of_a_sweep_do_not_show():
    kills_of(PLANS[0])


def test_kills_of_a_second_look_do_not_show():
    kills_of(PLANS[1])


def test_kills_of_back_forward_cost_next_to_nothing():
    kills_of(PLANS[2])


def test_kills_of_multipath_cost_next_to_nothing():
    kills_of(PLANS[3])


def refused(*arguments):
    """What a command that must be refused says of it."""
    done = FATHOM.run(*arguments)
    assert done.returncode == 2, done
    return done.stderr


def left(name, *more):
    """Leaves a scan that ended early."""
    done = FATHOM.run(*PLANS[0][1], "-o", name, "--max-runtime", "3s", *more)
    assert done.returncode == 4, done
    assert (HERE / f"{name}.partial").exists()


def test_goes_on_only_as_it_was_begun():
    """What differs is shown with what it was, and nothing is lost by asking."""
    (HERE / "out").write_text("10.0.0.0/24\n10.0.7.0/24\n")
    left("kept", "--exclude", "out", "--max-ttl", 20, "--contact", "us")
    spool = (HERE / "kept.partial/replies.spool").read_bytes()
    for change, says in (
            (("--max-ttl", 16), "--max-ttl: was 20, is 16"),
            (("--seed", 2), "--seed: was 1, is 2"),
            (("--strategy", "multipath"), '--strategy: was "sweep", is '
                                          '"multipath"'),
            (("--contact", "them"), '"us", is "them"'),
            (("--shard", "1/2"), "--shard: was 1/1, is 1/2"),
            (("--repair", 3), "--repair: was 0, is 3"),
            (("--verify", ), "--verify: was 0, is 2"),
            (("-o", "other"), "kept")):
        text = refused(*resume("kept", *change))
        assert says in text, (change, text)
    good = (HERE / "T").read_text()
    (HERE / "T").write_text(good + "10.99.0.1\n")
    text = refused(*resume("kept"))
    assert f"T was {len(good)} bytes" in text, text
    (HERE / "T").write_text(good)
    (HERE / "out").write_text("10.0.0.0/24\n")
    text = refused(*resume("kept"))
    assert "10.0.7.0" in text, text
    (HERE / "out").unlink()
    assert "out" in refused(*resume("kept"))
    assert spool == (HERE / "kept.partial/replies.spool").read_bytes()
    # More may be excluded, and the rate is anybody's.
    (HERE / "out").write_text("10.0.0.0/23\n10.0.7.0/24\n10.2.0.0/15\n")
    text = FATHOM.ok("scan", "--resume", "kept", "--pps", "60K")
    assert "Resumed:   1 times" in text and "withheld" in text, text
    check_conserved("kept")
    manifest = FATHOM.manifest("kept")
    assert manifest["configuration"]["max_ttl"] == 20
    assert "nothing to resume" in refused(*resume("nothing"))
    assert "done" in refused(*resume("kept"))


def test_a_running_scan_is_left_alone():
    process = FATHOM.start(*PLANS[0][1], "-o", "running", "--per-prefix", 2)
    if process.poll() is None and (HERE / "running.partial").exists():
        FATHOM.run(*resume("running"))
    process.communicate(timeout=120)
    assert process.returncode == 0


def test_shards_are_the_whole_scan():
    """Rows of shards together, and what their manifests say."""
    FATHOM.ok(*PLANS[0][1], "-o", "all", "--vantage", "here")
    rows = []
    for i in (1, 2, 3, 4):
        FATHOM.ok(*PLANS[0][1], "-o", f"shard{i}", "--shard", f"{i}/4")
        rows += hops(f"shard{i}")
        manifest = FATHOM.manifest(f"shard{i}")
        assert manifest["shard"] == {"number": i, "of": 4}, manifest
    assert sorted(rows) == hops("all")
    manifest = FATHOM.manifest("all")
    assert "shard" not in manifest and manifest["vantage"] == "here"


def test_a_shard_that_was_killed_goes_on_as_that_shard():
    left("piece", "--shard", "2/4", "--max-runtime", "1s")
    FATHOM.ok(*resume("piece"))
    FATHOM.ok(*PLANS[0][1], "-o", "piece2", "--shard", "2/4")
    assert hops("piece") == hops("piece2")
    assert FATHOM.manifest("piece")["shard"] == {"number": 2, "of": 4}


def in_a_shell(script):
    """Runs it where file systems may be mounted; what became of it."""
    if os.geteuid() != 0:
        raise tap.Skip("needs root, to mount a small file system")
    return subprocess.run(tap.unshare() + ["sh", "-c", script], cwd=HERE,
                          timeout=120, capture_output=True, text=True,
                          check=False)


def shell(*arguments):
    return " ".join(map(str, [FATHOM.binary, *arguments]))


def test_a_full_disk_is_no_end():
    """What was heard stays, and the scan goes on once there is room."""
    name, _ = whole(PLANS[0])
    (HERE / "disk").mkdir()
    done = in_a_shell(
        "mount -t tmpfs -o size=256k tmpfs disk && "
        f"{shell(*PLANS[0][1], '-o', 'disk/scan')}; echo first $?; "
        "ls disk; mount -o remount,size=64m disk; "
        f"{shell(*resume('disk/scan'))}; echo then $?; "
        "cp -r disk/scan from-disk; umount disk")
    assert "first 1" in done.stdout and "then 0" in done.stdout, done
    assert "No space left" in done.stderr, done
    assert "--resume disk/scan" in done.stderr, done
    check_same("from-disk", name, True)


def test_a_disk_that_is_full_at_the_end_leaves_the_spool():
    """The replies fit, the dataset does not: nothing half-written is there."""
    name, _ = whole(PLANS[0])
    size = (HERE / name / "hops.parquet").stat().st_size
    (HERE / "tight").mkdir()
    found = 0
    for kilobytes in (400, 500, 600, 700, 800, 900):
        done = in_a_shell(
            f"mount -t tmpfs -o size={kilobytes}k tmpfs tight && "
            f"{shell(*PLANS[0][1], '-o', 'tight/scan')}; echo first $?; "
            "ls tight; mount -o remount,size=64m tight; "
            f"if [ ! -e tight/scan ]; then {shell(*resume('tight/scan'))}; "
            "echo then $?; fi; "
            "rm -rf tidied; cp -r tight/scan tidied; umount tight")
        hops.cache_clear()
        links.cache_clear()
        if "first 0" not in done.stdout:
            found += 1
            assert "first 1" in done.stdout and "then 0" in done.stdout, done
            assert "No space left" in done.stderr, done
        check_same("tidied", name, True)
    assert found, (size, "no size was too small")


def test_a_read_only_disk_is_told_of():
    (HERE / "fixed").mkdir()
    done = in_a_shell(
        "mount -t tmpfs -o ro tmpfs fixed && "
        f"{shell(*PLANS[0][1], '-o', 'fixed/scan')}; echo code $?; "
        "umount fixed")
    assert "code 1" in done.stdout or "code 3" in done.stdout, done
    assert "fixed/scan.partial" in done.stderr, done
    assert "Read-only" in done.stderr, done


def test_a_quota_is_as_a_full_disk():
    name, _ = whole(PLANS[0])
    done = subprocess.run(
        ["sh", "-c", "ulimit -f 100; "
         f"{shell(*PLANS[0][1], '-o', 'limited')}; echo code $?"], cwd=HERE,
        capture_output=True, text=True, timeout=120, check=False)
    assert "code 1" in done.stdout, done
    assert "File too large" in done.stderr, done
    FATHOM.ok(*resume("limited"))
    check_same("limited", name, True)


def test_a_pulled_directory_is_told_of():
    """The scan ends: what it would hear from now on would be lost."""
    (HERE / "many").write_text("10.0.0.0/8\n")
    command = [*PLANS[0][1], "--per-prefix", 8]
    command[1] = "many"
    for pulled in ("pulled.partial", "parent"):
        (HERE / "parent").mkdir(exist_ok=True)
        name = "parent/x" if pulled == "parent" else "pulled"
        process = FATHOM.start(*command, "-o", name)
        spool = HERE / f"{name}.partial/replies.spool"
        while not (spool.exists() and spool.stat().st_size > 500_000):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        shutil.rmtree(HERE / pulled)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 1, (process.returncode, errors)
        assert "removed" in errors and name in errors, errors
        assert not (HERE / name).exists()


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
