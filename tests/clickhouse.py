"""Starts ClickHouse's server for a test, in a directory of its own.

Only inside a private network namespace (tap.isolate()): it listens on loopback
there.
"""

import contextlib
import pathlib
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import tap

SERVER = shutil.which("clickhouse-server")

CONFIG = """<yandex>
<logger><level>warning</level><log>{home}/server.log</log>
<errorlog>{home}/errors.log</errorlog></logger>
<listen_host>127.0.0.1</listen_host>
<http_port>{http}</http_port><tcp_port>{tcp}</tcp_port>
<path>{home}/data/</path><tmp_path>{home}/tmp/</tmp_path>
<users_config>{home}/users.xml</users_config>
<default_profile>default</default_profile>
<default_database>default</default_database>
<mark_cache_size>67108864</mark_cache_size>
<max_concurrent_queries>20</max_concurrent_queries>
<remote_servers><halves>{shards}</halves></remote_servers>
</yandex>
"""

SHARD = """<shard><internal_replication>true</internal_replication><replica>
<host>127.0.0.1</host><port>{tcp}</port><default_database>{database}</default_database>
<user>default</user><password></password></replica></shard>"""

USERS = """<yandex>
<profiles><default/><readonly><readonly>1</readonly></readonly></profiles>
<users>
<default><password></password><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota></default>
<scanner><password>se:cret@/</password><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota></scanner>
<looker><password></password><networks><ip>127.0.0.1</ip></networks>
<profile>readonly</profile><quota>default</quota></looker>
</users>
<quotas><default><interval><duration>3600</duration><queries>0</queries>
<errors>0</errors><result_rows>0</result_rows><read_rows>0</read_rows>
<execution_time>0</execution_time></interval></default></quotas>
</yandex>
"""


class Clickhouse:
    """A server, and what one asks of it."""

    def __init__(self, home, http=18123, tcp=19000, shards=()):
        """`shards` are pairs (TCP port, database) of the cluster `halves`."""
        if SERVER is None:
            raise tap.Skip("no clickhouse-server; scripts/setup installs it")
        self.home = pathlib.Path(home)
        self.url = f"http://127.0.0.1:{http}"
        self.tcp = tcp
        self.home.mkdir(parents=True)
        for name in ("data", "tmp"):
            (self.home / name).mkdir()
        (self.home / "users.xml").write_text(USERS)
        (self.home / "config.xml").write_text(CONFIG.format(
            home=self.home, http=http, tcp=tcp, shards="".join(
                SHARD.format(tcp=port, database=database)
                for port, database in shards)))
        self.process = None
        self.start()

    def start(self):
        """Starts it and waits until it answers."""
        with open(self.home / "output", "ab") as output:
            self.process = subprocess.Popen(
                [SERVER, f"--config-file={self.home}/config.xml"],
                cwd=self.home, stdin=subprocess.DEVNULL, stdout=output,
                stderr=output)
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                if self.ask("SELECT 1") == "1\n":
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("clickhouse-server did not start: " + (
                    self.home / "output").read_text()[-2000:])
            time.sleep(0.02)

    def kill(self):
        """Ends it as a crash does."""
        self.process.kill()
        self.process.wait()

    def ask(self, query, body=b"", **settings):
        """What the server answers to a query; errors with its own words."""
        url = self.url + "/?" + urllib.parse.urlencode(
            {"query": query, **settings})
        try:
            with urllib.request.urlopen(url, data=body or b"",
                                        timeout=60) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(
                f"{query}\n{error.read().decode()}") from error

    def rows(self, query, **settings):
        """The rows of an answer, as lists of text."""
        text = self.ask(query + " FORMAT TabSeparated", **settings)
        return [line.split("\t") for line in text.splitlines()]
