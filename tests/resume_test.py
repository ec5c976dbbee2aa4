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


def whole(plan):
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
