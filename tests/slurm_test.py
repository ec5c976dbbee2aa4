#!/usr/bin/env python3
"""scripts/slurm on a real Slurm: its daemons on loopback, one node.

Usage: slurm_test.py FATHOM SCENARIO_DIRECTORY

Four shards scan the lab; one of them is killed on the way, goes back into the
queue and resumes; the job that waits for all merges them.
"""

import ctypes
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import tap

FATHOM = None
HERE = None
SCENARIOS = None
SLURM = None

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent / "scripts" / "slurm"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun",
            "scontrol", "scancel", "sinfo")
SHARDS = 4
KILLED = 2  # The shard that is killed.

# Files, ports and users are the test's own. A job that is requeued waits until
# the credentials of its last run are void, which by default takes 120 s.
CONFIG = """
ClusterName=lab
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket={home}/munge/socket,cred_expire=5
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
SlurmctldDebug=info
SlurmdDebug=info
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=1,sched_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=300
KillWait=1
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=lab Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""

# Stands in for fathom: the shard to be killed is stopped once some replies are
# on the disk, so that the kill comes in the middle of the scan. Once only.
SLOWED = """#!/usr/bin/env python3
import os, pathlib, signal, subprocess, sys, time
arguments = sys.argv[1:]
mark = pathlib.Path({mark!r})
scan = subprocess.Popen([{fathom!r}] + arguments)
if "{killed}/{shards}" in arguments and not mark.exists():
    partial = pathlib.Path(arguments[arguments.index("-o") + 1] + ".partial")
    def heard():
        return sum(f.stat().st_size for f in partial.glob("*") if f.is_file())
    while scan.poll() is None and heard() < 20_000:
        time.sleep(0.0005)
    if scan.poll() is None:
        scan.send_signal(signal.SIGSTOP)
        mark.with_suffix(".new").write_text(str(scan.pid))
        mark.with_suffix(".new").rename(mark)
code = scan.wait()
sys.exit(128 - code if code < 0 else code)
"""


def poll(what, condition, seconds=60):
    """Asks until it holds, and returns what it says."""
    deadline = time.monotonic() + seconds
    while not (said := condition()):
        assert time.monotonic() < deadline, f"{what}: not in {seconds} s\n" + \
            SLURM.tell()
        time.sleep(0.05)
    return said


def prepare_host():
    """Makes a host of loopback alone of the namespace, called localhost.

    Slurm's daemons listen where their host's name leads, and look names up as
    do those who want addresses only if the host has one: 127.0.0.1 is none.
    """
    clone_newuts = 0x04000000
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(clone_newuts) == 0, os.strerror(ctypes.get_errno())
    socket.sethostname("localhost")
    for command in ("ip link set lo up", "ip address add 10.77.0.1/32 dev lo"):
        subprocess.run(command.split(), check=True)


class Slurm:
    """munged, slurmctld and slurmd, started as a site does."""

    def __init__(self, home):
        self.home = home
        self.daemons = []
        munge = home / "munge"
        for directory in (home / "state", home / "spool", munge):
            directory.mkdir(mode=0o755)
        (munge / "key").write_bytes(os.urandom(128))
        (munge / "key").chmod(0o600)
        user = pwd.getpwnam("munge")
        for path in (munge, munge / "key"):
            os.chown(path, user.pw_uid, user.pw_gid)
        (home / "slurm.conf").write_text(CONFIG.format(home=home, cpus=SHARDS))
        self.environment = dict(os.environ, SLURM_CONF=f"{home}/slurm.conf",
                                FATHOM=str(home / "fathom"))
        self.start("runuser", "-u", "munge", "--", "munged", "--foreground",
                   f"--socket={munge}/socket", f"--key-file={munge}/key",
                   f"--pid-file={munge}/pid", f"--log-file={munge}/log",
                   f"--seed-file={munge}/seed")
        deadline = time.monotonic() + 30
        while not (munge / "socket").exists():
            assert time.monotonic() < deadline, self.tell()
            time.sleep(0.02)
        self.start("slurmctld", "-D", "-c", "-f", f"{home}/slurm.conf")
        self.start("slurmd", "-D", "-N", "localhost", "-f",
                   f"{home}/slurm.conf")

    def start(self, *command):
        with open(self.home / "daemons", "ab") as log:
            self.daemons.append(subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment))

    def run(self, *command):
        done = subprocess.run([str(c) for c in command], capture_output=True,
                              text=True, env=self.environment, timeout=60,
                              check=False)
        return done.returncode, done.stdout + done.stderr

    def ask(self, *command):
        code, said = self.run(*command)
        assert code == 0, f"{command}: {said}{self.tell()}"
        return said

    def job(self, number):
        """What Slurm says of a job: its keys and values."""
        return dict(pair.split("=", 1) for pair in self.ask(
            "scontrol", "--oneliner", "show", "job", number).split()
            if "=" in pair)

    def tell(self):
        """The last that daemons and jobs said."""
        texts = []
        for path in sorted([*self.home.glob("*.log"), self.home / "daemons",
                            *self.home.glob("scan/logs/*")]):
            text = path.read_text(errors="replace").splitlines()
            texts += [f"== {path.name}", *text[-8:]]
        return "\n".join(texts)

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.terminate()
            daemon.wait()


def submit(*arguments):
    said = SLURM.ask(SCRIPTS / "submit", *arguments)
    scan, merge = re.search(r"^(\d+) scans .*, (\d+) merges", said).groups()
    return scan, merge


def scan_options():
    return ["-b", "simulated", "-i", SCENARIOS / "clean.lab", "--pps", "10K",
            "--include-special", "--seed", "5"]


def test_becomes_idle():
    """the node is there"""
    poll("an idle node", lambda: "idle" in SLURM.run(
        "sinfo", "--noheader", "-o", "%T")[1])


def test_refuses_bad_input():
    """submit names what is wrong before anything is in the queue"""
    for arguments, text in ((["0", "d", "targets"], "submit SHARDS"),
                            (["2", "d"], "submit SHARDS"),
                            (["2", HERE / "d", "nowhere"], "nowhere")):
        code, said = SLURM.run(SCRIPTS / "submit", *arguments)
        assert code == 2 and text in said, said
    assert SLURM.ask("squeue", "--noheader") == ""


def test_survives_a_kill():
    """a shard that is killed resumes, and the merge waits for it"""
    mark = HERE / "stopped"
    (HERE / "fathom").write_text(SLOWED.format(
        mark=str(mark), fathom=FATHOM.binary, killed=KILLED, shards=SHARDS))
    (HERE / "fathom").chmod(0o755)
    scan, merge = submit(SHARDS, HERE / "scan", HERE / "targets",
                         *scan_options())
    poll("a shard in the middle of its scan", mark.exists)
    assert (HERE / "scan" / f"shard-{KILLED}.partial").is_dir()
    assert not (HERE / "scan" / f"shard-{KILLED}").exists()
    os.kill(int(mark.read_text()), signal.SIGKILL)
    poll("the shard in the queue again", lambda: SLURM.job(
        f"{scan}_{KILLED}")["Restarts"] == "1")
    assert SLURM.job(merge)["JobState"] == "PENDING"
    poll("the merge", lambda: SLURM.job(merge)["JobState"] not in (
        "PENDING", "RUNNING", "COMPLETING"), 120)
    assert SLURM.job(merge)["JobState"] == "COMPLETED", SLURM.tell()
    log = (HERE / "scan" / "logs" / f"shard-{KILLED}").read_text()
    assert "back into the queue" in log and "goes on, restart 1" in log, log
    for shard in range(1, SHARDS + 1):
        job = SLURM.job(f"{scan}_{shard}")
        assert job["JobState"] == "COMPLETED", job
        assert job["Restarts"] == str(int(shard == KILLED)), job


def rows_without_times(dataset, table):
    times = {"received", "rtt_100us", "first_seen", "last_seen"}
    return [[value for name, value in row.items() if name not in times]
            for row in FATHOM.rows(dataset, table)]


def test_equals_one_scan():
    """what is merged is what one scan would have found"""
    FATHOM.ok("scan", "targets", "-o", "whole", "-q", *scan_options())
    for table in ("links", "gaps", "hops"):
        want = rows_without_times("whole", table)
        got = rows_without_times("scan/links", table)
        assert len(want) > (1000 if table != "gaps" else -1)
        assert want == got, f"{table}: {len(want)} rows, {len(got)} merged"


def test_does_not_merge_failures():
    """a shard that cannot be scanned ends the whole, and says why"""
    (HERE / "fathom").write_text(f'#!/bin/sh\nexec {FATHOM.binary} "$@"\n')
    scan, merge = submit(2, HERE / "bad", HERE / "targets", *scan_options(),
                         "--max-ttl", "99")
    poll("the failure of all", lambda: SLURM.job(merge)["JobState"] ==
         "CANCELLED")
    assert SLURM.job(f"{scan}_1")["JobState"] == "FAILED"
    assert SLURM.job(f"{scan}_1")["ExitCode"] == "2:0"
    assert "--max-ttl" in (HERE / "bad" / "logs" / "shard-1").read_text()
    assert not (HERE / "bad" / "links").exists()


def main():
    global FATHOM, HERE, SCENARIOS, SLURM
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        print(f"1..0 # SKIP no {', '.join(missing)}; scripts/setup installs "
              "them")
        return 0
    if os.geteuid() != 0:
        print("1..0 # SKIP Slurm's daemons want root")
        return 0
    tap.isolate()
    prepare_host()
    SCENARIOS = pathlib.Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory(prefix="fathom-slurm-") as directory:
        HERE = pathlib.Path(directory)
        HERE.chmod(0o755)  # munged is another user.
        (HERE / "targets").write_text("10.0.0.0/10\n")
        FATHOM = tap.Fathom(sys.argv[1], HERE)
        SLURM = Slurm(HERE)
        try:
            return tap.run_cases([case for name, case in globals().items()
                                  if name.startswith("test_")])
        finally:
            SLURM.stop()


if __name__ == "__main__":
    sys.exit(main())
