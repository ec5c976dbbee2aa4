#!/usr/bin/env python3
"""Annotation against what others say of the same files.

Usage: annotate_test.py FATHOM SCENARIO_DIRECTORY

libloc's own reader over its whole table; BIRD writes routes and bgpdump reads
them, too; MaxMind's writer in Perl makes databases. BIRD runs in a private
network namespace.
"""

import ipaddress
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

import tap

FATHOM = None
SCENARIOS = None
HERE = None
LIBLOC = pathlib.Path("/usr/share/libloc-location/location.db")

# Prints a prefix, its AS and its country of each n-th network of libloc, or of
# the address in each line of standard input; then the name of the AS.
READ_LIBLOC = r"""
import sys, location
db = location.Database(sys.argv[1])
def show(key, network):
    asn = network.asn or 0
    name = db.get_as(asn) if asn else None
    print(key, asn, network.country_code or "-",
          name.name if name else "", sep="\t")
if len(sys.argv) > 2:
    for i, network in enumerate(db.networks):
        if i % int(sys.argv[2]) == 0:
            show(str(network), network)
else:
    for line in sys.stdin:
        network = db.lookup(line.strip())
        if network:
            show(line.strip(), network)
        else:
            print(line.strip(), 0, "-", "", sep="\t")
"""


def need(*programs):
    for program in programs:
        if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            raise tap.Skip(f"{program} is not installed")


def libloc(*arguments, stdin=None):
    """What Debian's Python module of libloc says."""
    done = subprocess.run(["/usr/bin/python3", "-c", READ_LIBLOC, str(LIBLOC),
                           *map(str, arguments)], input=stdin, text=True,
                          capture_output=True, check=False)
    if "ModuleNotFoundError" in done.stderr or not LIBLOC.exists():
        raise tap.Skip("libloc-database and location are not installed")
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def look_up(addresses, *arguments):
    """What fathom says of each address."""
    text = FATHOM.ok("annotate", "--lookup", "-", *arguments,
                     stdin="".join(f"{a}\n" for a in addresses))
    return [json.loads(line) for line in text.splitlines()]


def random_addresses(count):
    chance = random.Random(6)
    return [str(ipaddress.IPv4Address(chance.getrandbits(32))) if i % 2 == 0
            else str(ipaddress.IPv6Address(0x2 << 124 |
                                           chance.getrandbits(13) << 112 |
                                           chance.getrandbits(112)))
            for i in range(count)]


def ends(prefix):
    network = ipaddress.ip_network(prefix)
    return [str(network.network_address), str(network.broadcast_address)]


def test_the_whole_of_libloc_sampled():
    """Ends of every 100th network and random addresses, as libloc has them."""
    addresses = [a for prefix, *_ in libloc(100) for a in ends(prefix)]
    addresses += random_addresses(20000)
    assert len(addresses) > 40000, len(addresses)
    wrong = []
    for (address, asn, country, name), found in zip(
            libloc(stdin="".join(f"{a}\n" for a in addresses)),
            look_up(addresses, "--networks", LIBLOC)):
        if (found["asn"], found["country"] or "-") != (int(asn), country) or \
                (found["as_name"] != name and name.isascii()):
            wrong.append((address, asn, country, name, found))
    assert not wrong, (len(wrong), wrong[:5])


def test_a_table_of_a_million_prefixes_is_as_the_tree():
    """libloc's table as pfx2as: the longest match of both is the same."""
    rows = libloc(1)
    assert len(rows) > 1000000, len(rows)
    with open(HERE / "pfx2as", "w", encoding="ascii") as file:
        for prefix, asn, *_ in rows:
            address, length = prefix.split("/")
            file.write(f"{address}\t{length}\t{asn}\n")
    # AS 0 is skipped where it is read, so networks without one would show the
    # AS of a wider one: such are left out.
    addresses = random_addresses(40000) + \
        [a for prefix, *_ in rows[::211] for a in ends(prefix)]
    unknown = {prefix for prefix, asn, *_ in rows if asn == "0"}
    wrong = [(tree, table["asn"]) for tree, table in
             zip(look_up(addresses, "--networks", LIBLOC),
                 look_up(addresses, "--networks", "pfx2as"))
             if tree["asn"] not in (0, table["asn"])]
    assert not wrong, (len(wrong), wrong[:5], len(unknown))


BIRD = """
router id 10.255.0.1;
protocol device {{}}
function give_path() {{
  bgp_path.empty;
  bgp_path.prepend(65000 + net.len);
  if net.len ~ [16, 24, 48] then bgp_path.prepend(4200000000);
  bgp_path.prepend(64500);
}}
protocol static {{
  ipv4 {{ import filter {{ give_path(); accept; }}; }};
{v4}
}}
protocol static {{
  ipv6 {{ import filter {{ give_path(); accept; }}; }};
{v6}
}}
protocol mrt {{ table "master*"; filename "{here}/%N.mrt"; period 1; }}
"""


def bgpdump(path):
    """Prefixes and the last AS of the paths to them."""
    text = subprocess.run(["bgpdump", "-m", str(path)], capture_output=True,
                          text=True, check=True).stdout
    routes = {}
    for line in text.splitlines():
        fields = line.split("|")
        routes[str(ipaddress.ip_network(fields[5]))] = int(fields[6].split()[-1].strip("{}").split(",")[0])
    return routes


def run_bird(directory, prefixes):
    """The dumps that BIRD makes of routes to these prefixes."""
    routes = {family: "\n".join(f"  route {p} blackhole;" for p in prefixes
                                if (":" in p) == (family == "v6"))
              for family in ("v4", "v6")}
    (directory / "conf").write_text(BIRD.format(here=directory, **routes))
    bird = subprocess.Popen(
        tap.unshare("--net") + ["bird", "-f", "-c", str(directory / "conf"),
                                "-s", str(directory / "ctl")],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    dumps = [directory / "master4.mrt", directory / "master6.mrt"]
    try:
        # The first dump is whole once the second is there.
        while not all(d.exists() and
                      d.read_bytes().count(prefix_mark(d)) > 1 for d in dumps):
            assert bird.poll() is None, bird.stderr.read()
            time.sleep(0.05)
    finally:
        bird.terminate()
        bird.wait()
    return dumps


def prefix_mark(dump):
    """What a dump begins with after its time: TABLE_DUMP_V2, peers."""
    return dump.read_bytes()[4:8]


def test_routes_that_bird_dumped_are_read_as_bgpdump_reads_them():
    need("bird", "bgpdump")
    chance = random.Random(7)
    prefixes = {str(ipaddress.ip_network(
        (chance.getrandbits(24) | 10 << 24, chance.randrange(9, 33)),
        strict=False)) for _ in range(1500)}
    prefixes |= {str(ipaddress.ip_network(
        (0xfd << 120 | chance.getrandbits(120), chance.randrange(9, 129)),
        strict=False)) for _ in range(1500)}
    directory = HERE / "bird"
    directory.mkdir()
    dumps = run_bird(directory, sorted(prefixes))
    routes = {}
    for dump in dumps:
        routes |= bgpdump(dump)
    assert set(routes) == prefixes, len(set(routes) ^ prefixes)
    addresses = [a for prefix in sorted(prefixes) for a in ends(prefix)]
    networks = [ipaddress.ip_network(p) for p in prefixes]
    found = look_up(addresses, "--networks", dumps[0], "--networks", dumps[1])
    for address, annotation in zip(addresses, found):
        ip = ipaddress.ip_address(address)
        longest = max((n for n in networks
                       if n.version == ip.version and ip in n),
                      key=lambda n: n.prefixlen)
        assert annotation["asn"] == routes[str(longest)], (address, annotation)


MAKE_MMDB = r"""
use MaxMind::DB::Writer::Tree;
my ($path, $schema) = @ARGV;
my %types = (
  autonomous_system_number => 'uint32', autonomous_system_organization =>
  'utf8_string', country => 'map', iso_code => 'utf8_string', city => 'map',
  names => 'map', en => 'utf8_string', de => 'utf8_string', location => 'map',
  latitude => 'double', longitude => 'double', country_code => 'utf8_string',
  asn => 'utf8_string', as_name => 'utf8_string');
if ($schema ne 'nested') { $types{$_} = 'utf8_string' for qw(country city); }
if ($schema eq 'text') { $types{$_} = 'utf8_string' for qw(latitude longitude) }
my $tree = MaxMind::DB::Writer::Tree->new(
  ip_version => 6, record_size => 24, database_type => 'Test',
  languages => ['en'], description => { en => 'Test' },
  alias_ipv6_to_ipv4 => 1, remove_reserved_networks => 0,
  map_key_type_callback => sub { $types{$_[0]} });
while (<STDIN>) {
  chomp;
  my ($prefix, $asn, $name, $country, $city, $lat, $long) = split /\t/;
  my %entry;
  if ($schema eq 'nested') {
    %entry = (autonomous_system_number => $asn,
      autonomous_system_organization => $name,
      country => { iso_code => $country },
      city => { names => { en => $city, de => 'falsch' } },
      location => { latitude => $lat, longitude => $long });
  } elsif ($schema eq 'flat') {
    %entry = (autonomous_system_number => $asn,
      autonomous_system_organization => $name, country_code => $country,
      city => $city, latitude => $lat, longitude => $long);
  } else {
    %entry = (asn => "AS$asn", as_name => $name, country => $country,
      city => $city, latitude => $lat, longitude => $long);
  }
  $tree->insert_network($prefix, \%entry);
}
open my $out, '>:raw', $path or die;
$tree->write_tree($out);
"""


def check_mmdb(schema):
    need("perl")
    chance = random.Random(8)
    known = {}
    for i in range(300):
        v4 = i % 2 == 0
        prefix = f"10.{i // 2}.0.0/16" if v4 else f"fd00:{i:x}::/32"
        known[prefix] = (
            chance.randrange(1, 2**32 - 1), f"Name {i}",
            chance.choice(["DE", "FR", "JP"]), f"Z\u00fcrich {i}",
            round(chance.uniform(-90, 90), 4),
            round(chance.uniform(-180, 180), 4))
    made = subprocess.run(
        ["/usr/bin/perl", "-Mopen=:std,:utf8", "-e", MAKE_MMDB, HERE / schema,
         schema],
        input="".join("\t".join(map(str, (prefix, *entry))) + "\n"
                      for prefix, entry in known.items()),
        capture_output=True, text=True, check=False)
    if "Can't locate MaxMind" in made.stderr:
        raise tap.Skip("libmaxmind-db-writer-perl is not installed")
    assert made.returncode == 0, made.stderr
    addresses, expected = [], []
    for prefix, entry in known.items():
        addresses += ends(prefix)
        expected += [entry, entry]
    found = look_up(addresses, "--networks", schema)
    for address, entry, annotation in zip(addresses, expected, found):
        assert entry == tuple(annotation[key] for key in (
            "asn", "as_name", "country", "city", "latitude", "longitude")), \
            (address, entry, annotation)
    nothing = look_up(["11.0.0.1", "fe80::1"], "--networks", schema)
    assert all(a["asn"] == 0 and "latitude" not in a for a in nothing), nothing


def test_mmdb_of_maxminds_schema():
    check_mmdb("nested")


def test_mmdb_of_the_flat_schema():
    check_mmdb("flat")


def test_mmdb_of_ipinfos_schema():
    check_mmdb("text")


def test_every_truncation_of_an_mmdb_is_survived():
    if not (HERE / "nested").exists():
        raise tap.Skip("there is no MMDB")
    whole = (HERE / "nested").read_bytes()
    chance = random.Random(9)
    for size in [0, 1, 100, len(whole) - 1] + \
            [chance.randrange(len(whole)) for _ in range(60)]:
        (HERE / "cut").write_bytes(whole[:size])
        done = FATHOM.run("annotate", "--lookup", "10.1.0.1", "--networks",
                          "cut")
        assert done.returncode in (0, 2), (size, done)
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(20):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (HERE / "cut").write_bytes(damaged)
        done = FATHOM.run("annotate", "--lookup", "10.1.0.1", "--networks",
                          "cut")
        assert done.returncode in (0, 2), done


def test_a_damaged_libloc_database_is_survived():
    if not LIBLOC.exists():
        raise tap.Skip("libloc-database is not installed")
    whole = LIBLOC.read_bytes()
    chance = random.Random(10)
    for size in (7, 8, 4000, 4200, 5000, len(whole) // 2):
        (HERE / "cut.db").write_bytes(whole[:size])
        done = FATHOM.run("annotate", "--lookup", "1.1.1.1", "--networks",
                          "cut.db")
        assert done.returncode == 2 and "cut.db" in done.stderr, (size, done)
    for _ in range(20):
        damaged = bytearray(whole)
        # Some in the header, some anywhere.
        for _ in range(4):
            damaged[chance.randrange(8, 80)] = chance.randrange(256)
        for _ in range(1000):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (HERE / "cut.db").write_bytes(damaged)
        done = FATHOM.run("annotate", "--lookup", "1.1.1.1", "--networks",
                          "cut.db")
        assert done.returncode in (0, 2), done


def test_a_dataset_is_annotated():
    (HERE / "targets").write_text("4.4.0.0/18\n")
    FATHOM.ok("scan", "targets", "-o", "d", "--backend", "simulated",
              "--interface", f"{SCENARIOS}/small.lab", "--seed", "1", "--pps",
              "100K", "-q")
    (HERE / "networks").write_text("4.0.0.0\t16\t1\n4.4.0.0\t16\t2\n")
    before = FATHOM.rows("d", "links")
    said = FATHOM.ok("annotate", "d", "--networks", "networks")
    interfaces = {row[key] for row in FATHOM.rows("d", "hops")
                  for key in ["responder"]}
    for table in ("links", "gaps"):
        interfaces |= {row[key] for row in FATHOM.rows("d", table)
                       for key in ("near", "far")}
    assert f"Interfaces: {len(interfaces)};" in said, said
    asns = {row[key]: 1 if row[key].startswith("4.0.") else 2
            for row in before for key in ("near", "far")}
    trusted = [row for row in before
               if not set(row["flags"].split("+")) - {"", "destination",
                                                      "tunnel"}]
    between = [row for row in trusted if asns[row["near"]] != asns[row["far"]]]
    assert f"{len(between)} between ASes" in said, said
    assert FATHOM.rows("d", "links") == before
    files = {f.name: f.read_bytes() for f in (HERE / "d").iterdir()}
    assert set(files) == {"hops.parquet", "links.parquet", "gaps.parquet",
                          "manifest.json", "interfaces.parquet",
                          "as_links.parquet"}, files.keys()
    assert FATHOM.ok("annotate", "d/", "--networks", "networks", "-q") == ""
    assert files == {f.name: f.read_bytes() for f in (HERE / "d").iterdir()}
    FATHOM.ok("info", "d")


def test_bad_uses_say_what_is_wrong():
    (HERE / "one").write_text("1.0.0.0\t24\t1\n")
    (HERE / "bad").write_text("1.0.0.0\t24\t1\n1.0.0.0\t44\t1\n")
    for arguments, says in [
            ([], "NAME"), (["d"], "--networks"),
            (["d", "--lookup", "1.1.1.1"], "NAME"),
            (["nowhere", "--networks", "one"], "nowhere"),
            (["--lookup", "1.1.1.1", "--networks", "nowhere"], "nowhere"),
            (["--lookup", "1.1.1.1", "--networks", "bad"], "bad: line 2"),
            (["--lookup", "1.1.1.1", "--ixps", "one"], "one: line 1"),
            (["--lookup", "x", "--networks", "one"], "--lookup"),
            (["--lookup", "1.1.1.1", "--resolver", "ns.example"],
             "name server"),
            (["--lookup", "1.1.1.1", "--resolver", "127.0.0.1",
              "--queries-per-second", "0"], "--queries-per-second")]:
        done = FATHOM.run("annotate", *arguments)
        assert done.returncode == 2, (arguments, done)
        assert says in done.stderr, (arguments, done.stderr)
        assert re.fullmatch(r"fathom: [^\n]+\n(Try [^\n]+\n)?", done.stderr), \
            done.stderr


def main():
    global FATHOM, SCENARIOS, HERE
    SCENARIOS = pathlib.Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory() as here:
        HERE = pathlib.Path(here)
        FATHOM = tap.Fathom(sys.argv[1], here)
        return tap.run_cases([case for name, case in globals().items()
                              if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
