"""What the Python tests share: results in TAP, and running the command."""

import csv
import io
import json
import os
import pathlib
import subprocess
import sys
import traceback


class Skip(Exception):
    """Raised by a case that cannot run here; the text says why."""


def run_cases(cases):
    """Runs functions in order, prints TAP and returns an exit code.

    A case fails by raising. Its docstring, or its name, is what it shows.
    """
    print(f"1..{len(cases)}")
    failed = 0
    for number, case in enumerate(cases, 1):
        name = case.__name__.removeprefix("test_").replace("_", " ")
        try:
            case()
            print(f"ok {number} - {name}")
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}")
        except Exception:  # A failed case must not hide the others.
            failed += 1
            print(f"not ok {number} - {name}")
            # Where the runner shows it: comments among results it drops.
            print(f"{name}: {traceback.format_exc()}", file=sys.stderr)
        sys.stdout.flush()
    return 1 if failed else 0


def unshare(*namespaces):
    """The command that runs another in new namespaces, one of mounts included.

    In a chroot whose root is no mount point nothing can be made private there;
    then whoever mounts must unmount. Raises Skip where neither is allowed.
    """
    for propagation in ("private", "unchanged"):
        command = ["unshare", "--mount", "--propagation", propagation,
                   *namespaces]
        tried = subprocess.run(command + ["true"], capture_output=True,
                               text=True, check=False)
        if tried.returncode == 0:
            return command
    raise Skip(f"no new namespaces: {tried.stderr.strip()}")


def isolate():
    """Runs this program again in new network and mount namespaces.

    Returns there, having checked that nothing but loopback is in it. Where
    that is not allowed, says so in TAP and ends.
    """
    if os.environ.get("FATHOM_TEST_NAMESPACE") != "1":
        try:
            command = unshare("--net")
        except Skip as reason:
            print(f"1..0 # SKIP {reason}")
            sys.exit(0)
        os.environ["FATHOM_TEST_NAMESPACE"] = "1"
        os.execvp("unshare", command + [sys.executable] + sys.argv)
    interfaces = subprocess.run(["ip", "-o", "link"], capture_output=True,
                                text=True, check=True).stdout.splitlines()
    assert len(interfaces) == 1, "not an isolated network namespace"


class Fathom:
    """The command under test, run in a directory of the test's own."""

    def __init__(self, binary, directory, prefix=()):
        self.binary = str(pathlib.Path(binary).resolve())
        self.directory = pathlib.Path(directory)
        self.prefix = list(prefix)

    def command(self, *arguments):
        return self.prefix + [self.binary] + [str(a) for a in arguments]

    def run(self, *arguments, stdin=None, timeout=120):
        """Runs to the end; returns the finished process, its output text."""
        return subprocess.run(self.command(*arguments), cwd=self.directory,
                              input=stdin, stdin=None if stdin else
                              subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=timeout, check=False)

    def start(self, *arguments):
        """Starts and does not wait."""
        return subprocess.Popen(self.command(*arguments), cwd=self.directory,
                                stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def ok(self, *arguments, **options):
        """Runs, insists on exit code 0 and returns standard output."""
        done = self.run(*arguments, **options)
        assert done.returncode == 0, \
            f"{arguments}: exit {done.returncode}\n{done.stderr}"
        return done.stdout

    def rows(self, dataset, table):
        """The rows of a table of a dataset, as dictionaries of text."""
        text = self.ok("convert", dataset, "--to", "csv", "--table", table)
        return list(csv.DictReader(io.StringIO(text)))

    def manifest(self, dataset):
        """The manifest as it stands in the footers: without the checksums."""
        manifest = json.loads((self.directory / dataset / "manifest.json")
                              .read_text())
        manifest.pop("files", None)
        manifest.pop("files_xxh3", None)
        return manifest
