"""What each scanner is and how it is run: scanners/<name>.toml, one file each.

A description names programs and arguments; words in braces are filled in when
it runs, from what Run.values() of running.py knows. The word {speed} becomes as
many words as the list for the rate asked for has.
"""

import dataclasses
import re
import shutil
import subprocess
import tomllib


class Unusable(Exception):
    """A description, or an option of ours, that cannot be meant."""


def words(templates, values):
    """Fills in a list of words."""
    filled = []
    for template in templates:
        if template == "{speed}":
            filled += values["speed"]
        else:
            filled.append(fill(template, values))
    return filled


def fill(template, values):
    def value(match):
        if match[1] not in values:
            raise Unusable(f"{template!r}: nothing is called {match[0]} here")
        return str(values[match[1]])

    return re.sub(r"\{([a-z_]+)\}", value, template)


@dataclasses.dataclass
class Scanner:
    """One description; bench/README.md explains every key."""
    name: str
    about: str
    kind: str                # "path": hops and links; "host": who answers.
    program: str             # Looked for on the PATH.
    command: list
    format: str              # Of its output, as `fathom lab score` calls it.
    fixed_seconds: float     # It runs this much longer than it sends.
    version: list = dataclasses.field(default_factory=list)
    # How fast it sends, if it can be told.
    at_rate: list = None
    at_full_speed: list = None
    fastest: int = None      # It sends no faster than this, whatever is asked.
    presumed_pps: int = 50_000   # At full speed, for the bound in time.
    probes: str = "1"        # To a target, at most; factors by "*".
    # What it reads and writes besides its arguments.
    input: str = "{target}"
    stdin: str = None
    stdout: str = None
    environment: dict = dataclasses.field(default_factory=dict)
    companion: list = None   # Runs beside it.
    stop: str = "INT"
    # Those that take one target.
    each: bool = False
    most_targets: int = None
    parallel: int = 16
    seconds_each: float = 10

    found: str = None        # Where its program is; None is not installed.

    def paced(self):
        return self.at_rate is not None

    def probes_to_target(self, ttl):
        product = 1
        for factor in fill(self.probes, {"ttl": ttl}).split("*"):
            product *= int(factor)
        return product

    def expected_seconds(self, targets, rate, ttl):
        """How long a run takes, by its description. `rate` 0 is full speed."""
        if self.each:
            return self.fixed_seconds + \
                -(-targets // self.parallel) * self.seconds_each
        pps = rate or self.presumed_pps
        if self.fastest:
            pps = min(pps, self.fastest)
        return self.fixed_seconds + targets * self.probes_to_target(ttl) / pps

    def find_version(self):
        """The first number that looks like one; some exit with an error."""
        if not self.version:
            return "unknown"
        try:
            said = subprocess.run(
                words(self.version, {"program": self.found}),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace",
                timeout=10, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            return "unknown"
        number = re.search(r"\d+(\.\d+)*", said)
        return number[0] if number else "unknown"


def read(path, fathom):
    try:
        fields = tomllib.loads(path.read_text())
        scanner = Scanner(name=path.stem, **fields)
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise Unusable(f"{path}: {error}") from None
    if scanner.kind not in ("path", "host"):
        raise Unusable(f"{path}: kind {scanner.kind!r} is not path or host")
    if scanner.paced() != (scanner.at_full_speed is not None):
        raise Unusable(f"{path}: at_rate and at_full_speed go together")
    if scanner.each == scanner.paced():
        raise Unusable(f"{path}: needs either at_rate or each")
    if scanner.program == "{fathom}":
        scanner.found = fathom
    else:
        scanner.found = shutil.which(scanner.program)
    return scanner


def read_all(names, fathom, directory):
    """The named descriptions in that order, or all of them."""
    paths = {stem: directory / f"{stem}.toml" for stem in
             sorted(path.stem for path in directory.glob("*.toml"))}
    if not paths:
        raise Unusable(f"--descriptions {directory}: no *.toml there")
    for name in names or []:
        if name not in paths:
            raise Unusable(f"--scanners {name}: there is {', '.join(paths)}")
    return [read(paths[name], fathom) for name in names or paths]
