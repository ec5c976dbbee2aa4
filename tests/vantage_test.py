#!/usr/bin/env python3
"""scripts/vantage: the unit and the playbook for vantage points.

Usage: vantage_test.py FATHOM SCENARIO_DIRECTORY
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import tap

FATHOM = None
HERE = None
SCENARIOS = None

VANTAGE = pathlib.Path(__file__).resolve().parent.parent / "scripts" / "vantage"
UNIT = VANTAGE / "fathom-scan@.service"


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True,
                          text=True, check=False, timeout=120, **options)
    return done.returncode, done.stdout + done.stderr


def test_systemd_reads_the_unit():
    """systemd has nothing to say against the unit"""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        raise tap.Skip("no systemd-analyze")
    code, said = run(analyze, "verify", UNIT)
    assert code == 0 and said == "", said


def start_unit():
    """Runs what the unit would, with its environment file."""
    text = UNIT.read_text()
    script = re.search(r"^ExecStart=/bin/sh -c '(.*)'$", text, re.MULTILINE)
    script = script.group(1).replace("%i", "june")
    options = (HERE / "june.env").read_text().strip().split("=", 1)
    return run("sh", "-c", script, cwd=HERE, env={
        "PATH": f"{HERE}/bin:/usr/bin:/bin", options[0]: options[1]})


def test_unit_scans_and_goes_on():
    """the unit starts a scan, and resumes one that was interrupted"""
    (HERE / "bin").mkdir()
    (HERE / "bin" / "fathom").symlink_to(FATHOM.binary)
    (HERE / "targets").write_text("4.4.0.0/18\n")
    (HERE / "june.env").write_text(
        f"FATHOM_OPTIONS={HERE}/targets -b simulated -i {SCENARIOS}/small.lab "
        "--seed 5 --pps 10K -q\n")
    code, said = start_unit()
    assert code == 0, said
    assert FATHOM.manifest("june")["end"] == "done"
    # What is to be resumed fathom is only asked for here: tests of --resume
    # are elsewhere.
    (HERE / "june").rename(HERE / "whole")
    (HERE / "june.partial").mkdir()
    (HERE / "bin" / "fathom").unlink()
    (HERE / "bin" / "fathom").write_text('#!/bin/sh\necho "$@"\n')
    (HERE / "bin" / "fathom").chmod(0o755)
    assert start_unit() == (0, "scan --resume june\n")


def test_ansible_reads_the_playbook():
    """ansible knows what the playbook asks, or at least it is YAML"""
    ansible = shutil.which("ansible-playbook")
    if ansible is None:
        try:
            import yaml
        except ImportError as error:
            raise tap.Skip("neither ansible nor python3-yaml") from error
        tasks = yaml.safe_load((VANTAGE / "vantage.yml").read_text())[0]["tasks"]
        assert {"install", "start", "fetch"} <= {task["tags"] for task in tasks}
        return
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(HERE), "LANG": "C.UTF-8",
                   "ANSIBLE_LOCAL_TEMP": str(HERE / "ansible")}
    code, said = run(ansible, "-i", VANTAGE / "inventory.example",
                     VANTAGE / "vantage.yml", "--syntax-check",
                     env=environment)
    assert code == 0, said


def main():
    global FATHOM, HERE, SCENARIOS
    SCENARIOS = pathlib.Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory(prefix="fathom-vantage-") as directory:
        HERE = pathlib.Path(directory)
        FATHOM = tap.Fathom(sys.argv[1], HERE)
        return tap.run_cases([case for name, case in globals().items()
                              if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
