#!/usr/bin/env python3
"""What `fathom doctor` says of interfaces and privileges made for it.

Usage: doctor_test.py FATHOM

All of it lives in a private mount and network namespace: v0 is an interface
there, v0f its other end in another one.
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import tap

VERDICTS = {"ok", "better", "wrong"}
WMEM = "/proc/sys/net/core/wmem_max"
CLOCK = "/sys/devices/system/clocksource/clocksource0/current_clocksource"


def sh(command):
    return subprocess.run(command, shell=True, check=True, capture_output=True,
                          text=True).stdout


@contextlib.contextmanager
def wire(name="v0"):
    """A veth, up, with an address and a route to everywhere; the other end is
    in a namespace that lives as long as a process does."""
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c",
                               "echo ready; exec sleep 600"],
                              stdout=subprocess.PIPE, text=True)
    try:
        holder.stdout.readline()
        sh(f"ip link add {name} type veth peer name {name}f "
           f"netns {holder.pid}")
        sh(f"ip link set {name} addrgenmode none")
        sh(f"nsenter --net=/proc/{holder.pid}/ns/net "
           f"ip link set {name}f addrgenmode none up")
        sh(f"ip addr add 10.0.0.2/24 dev {name}")
        sh(f"ip link set {name} up")
        sh(f"ip route add default via 10.0.0.1 dev {name}")
        yield f"nsenter --net=/proc/{holder.pid}/ns/net "
    finally:
        subprocess.run(["ip", "link", "del", name], check=False,
                       capture_output=True)
        holder.kill()
        holder.communicate()


class Cases:
    def __init__(self, binary, directory):
        self.directory = pathlib.Path(directory)
        self.directory.chmod(0o755)
        # Where others than root may run it.
        shutil.copy(binary, self.directory / "fathom")
        self.fathom = tap.Fathom(self.directory / "fathom", directory)

    def examine(self, *options, prefix=(), code=0):
        """The findings by name, from JSON."""
        done = subprocess.run(
            [*prefix, self.fathom.binary, "doctor", "--json", *options],
            cwd=self.directory, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=30, check=False)
        assert done.returncode == code, (done.returncode, done.stdout,
                                         done.stderr)
        result = json.loads(done.stdout)
        assert result["can_scan"] == (code == 0)
        names = [check["check"] for check in result["checks"]]
        assert len(set(names)) == len(names), names
        for check in result["checks"]:
            assert check["verdict"] in VERDICTS and check["is"], check
            assert (check["verdict"] == "ok") == (not check["advice"]), check
            assert "\n" not in "".join(map(str, check.values())), check
        return {check["check"]: check for check in result["checks"]}

    def test_finds_nothing_wrong_with_a_plain_veth(self):
        with wire():
            found = self.examine()
            assert found["link"]["verdict"] == "ok", found["link"]
            assert "v0 is up" in found["link"]["is"]
            assert found["address"]["is"] == "10.0.0.2"
            assert found["driver"]["is"].startswith("veth")
            for name in ("xdp", "filters", "capabilities", "backends"):
                assert found[name]["verdict"] == "ok", found[name]
            assert "io_uring" in found["backends"]["is"]

    def test_says_the_same_as_lines_and_as_json(self):
        with wire():
            found = self.examine()
            lines = self.fathom.ok("doctor").splitlines()
            said = {line.split()[1]: line.split()[0] for line in lines}
            assert said == {name: check["verdict"]
                            for name, check in found.items()}
            assert len(lines) == len(found)

    def test_changes_nothing_and_sends_nothing(self):
        with wire() as far:
            def state():
                counts = far + "cat /proc/net/dev"
                return [sh(c) for c in ("ip -d addr", "ip route", "ip neigh",
                                        "tc qdisc", counts)]
            before = state()
            self.examine()
            self.examine("--interface", "v0")
            assert state() == before

    def test_finds_that_there_is_no_way_out(self):
        found = self.examine(code=3)
        assert found["link"]["verdict"] == "wrong", found
        assert "no route" in found["link"]["is"], found
        found = self.examine("--interface", "v9", code=3)
        assert "v9: no such device" in found["link"]["is"], found

    def test_finds_a_link_down_and_says_how_to_raise_it(self):
        with wire():
            sh("ip link set v0 down")
            link = self.examine("-i", "v0", code=3)["link"]
            assert link["is"] == "v0 is down", link
            sh(link["command"])
            assert self.examine("-i", "v0")["link"]["verdict"] == "ok"

    def test_finds_that_the_other_end_is_down(self):
        with wire() as far:
            sh(far + "ip link set v0f down")
            link = self.examine("-i", "v0", code=3)["link"]
            assert link["is"] == "v0 has no carrier", link

    def test_finds_that_there_is_no_address(self):
        with wire():
            sh("ip addr flush dev v0")
            found = self.examine("-i", "v0")["address"]
            assert found["verdict"] == "better", found

    def test_finds_an_xdp_program_and_says_how_to_remove_it(self):
        with wire():
            self.fathom.ok("lab", "peer", "v0")
            xdp = self.examine()["xdp"]
            assert xdp["verdict"] == "better", xdp
            assert "is attached" in xdp["is"], xdp
            sh(xdp["command"])
            assert self.examine()["xdp"]["verdict"] == "ok"

    def test_finds_a_filter_in_the_way(self):
        if not shutil.which("tc"):
            raise tap.Skip("no tc")
        with wire():
            sh("tc qdisc add dev v0 clsact")
            found = self.examine()["filters"]
            assert found["verdict"] == "better", found
            sh(found["command"])  # It shows them.

    def test_finds_missing_capabilities(self):
        def without(*names):
            less = ",".join("-" + name for name in names)
            return ["setpriv", f"--bounding-set={less}", f"--inh-caps={less}"]

        with wire():
            found = self.examine(prefix=without("net_raw"), code=3)
            raw = found["capabilities"]
            assert raw["verdict"] == "wrong", raw
            assert "CAP_NET_RAW" in raw["is"], raw
            assert "CAP_NET_ADMIN" not in raw["is"], raw
            assert "has to allow CAP_NET_RAW" in raw["advice"], raw
            assert raw["command"].startswith("setcap cap_net_raw"), raw
            assert self.fathom.binary in raw["command"], raw
            assert found["backends"]["verdict"] == "wrong", found["backends"]
            found = self.examine(prefix=without("net_admin", "bpf"))
            less = found["capabilities"]
            assert less["verdict"] == "better", less
            assert "CAP_NET_ADMIN, CAP_BPF" in less["is"], less

    def test_needs_no_privilege_itself(self):
        nobody = ["setpriv", "--reuid=65534", "--regid=65534",
                  "--clear-groups"]
        with wire():
            found = self.examine(prefix=nobody, code=3)
            capabilities = found["capabilities"]
            assert capabilities["verdict"] == "wrong", capabilities
            # setcap would do.
            assert "first" not in capabilities["advice"], capabilities
            assert set(found) == set(self.examine())

    def test_setcap_as_it_says_suffices(self):
        if not shutil.which("setcap"):
            raise tap.Skip("no setcap")
        nobody = ["setpriv", "--reuid=65534", "--regid=65534",
                  "--clear-groups"]
        with wire():
            command = self.examine(
                prefix=nobody, code=3)["capabilities"]["command"]
            try:
                if subprocess.run(command, shell=True, capture_output=True,
                                  check=False).returncode != 0:
                    raise tap.Skip("files have no capabilities here")
                found = self.examine(prefix=nobody)["capabilities"]
                assert found["verdict"] == "ok", found
            finally:
                sh(f"setcap -r {self.fathom.binary} || true")

    def test_finds_threaded_reception_switched_off(self):
        def inside(command):
            # /sys shows the namespace of who mounted it.
            return tap.unshare() + ["sh", "-c", "mount -t sysfs none /sys && "
                                    f"{command}; umount /sys"]

        with wire():
            assert not [line for line in self.fathom.ok("doctor").splitlines()
                        if "threaded_napi" in line and "echo" in line]
            self.fathom.ok("lab", "peer", "v0")  # Now it has NAPI.
            ask = f"{self.fathom.binary} doctor -i v0"
            lines = subprocess.run(
                inside(f"{ask}; echo 1 >/sys/class/net/v0/threaded && {ask}"),
                capture_output=True, text=True, check=True).stdout.splitlines()
            said = [line for line in lines if " threaded_napi " in line]
            if not said:
                raise tap.Skip("no threaded NAPI in this kernel")
            assert len(said) == 2, lines
            if os.cpu_count() > 1:
                assert said[0].startswith("better"), said
                assert said[0].endswith(
                    "echo 1 > /sys/class/net/v0/threaded"), said
            assert said[1].startswith("ok"), said

    def test_passes_over_a_namesake_in_another_namespace(self):
        shown = [p.name for p in pathlib.Path("/sys/class/net").iterdir()
                 if p.name != "lo" and (p / "ifindex").exists()]
        if not shown:
            raise tap.Skip("/sys shows no interface")
        with wire(shown[0]):
            # One more number apart, should they be equal by chance.
            index = int(pathlib.Path(f"/sys/class/net/{shown[0]}/ifindex")
                        .read_text())
            if f"{index}: {shown[0]}@" in sh("ip link"):
                raise tap.Skip("the same number by chance")
            assert "threaded_napi" not in self.examine()

    def test_finds_small_send_buffers_where_they_are_a_limit(self):
        fake = self.directory / "wmem_max"
        less = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
        with wire():
            if "send_buffers" not in self.examine(prefix=less):
                raise tap.Skip("no limit to be seen in this namespace")
            for size, verdict in ((212_992, "better"), (8 << 20, "ok")):
                fake.write_text(f"{size}\n")
                sh(f"mount --bind {fake} {WMEM}")
                try:
                    found = self.examine(prefix=less)["send_buffers"]
                    assert found["verdict"] == verdict, found
                    assert str(size) in found["is"], found
                    # Who may do what he likes has no limit.
                    assert self.examine()["send_buffers"]["verdict"] == "ok"
                finally:
                    sh(f"umount {WMEM}")

    def test_finds_a_slow_clock(self):
        fake = self.directory / "clock"
        fake.write_text("hpet\n")
        with wire():
            if "clock" not in self.examine():
                raise tap.Skip("no clock sources to be seen")
            sh(f"mount --bind {fake} {CLOCK}")
            try:
                found = self.examine()["clock"]
            finally:
                sh(f"umount {CLOCK}")
            assert found["verdict"] == "better" and found["is"] == "hpet", found

    def test_finds_too_little_disk_and_no_directory(self):
        small = self.directory / "small"
        small.mkdir()
        with wire():
            disk = self.examine("--output", "nowhere", code=3)["disk"]
            assert disk["verdict"] == "wrong", disk
            sh(f"mount -t tmpfs -o size=1m tmpfs {small}")
            try:
                disk = self.examine("--output", str(small))["disk"]
                assert disk["verdict"] == "better", disk
                sh(f"mount -o remount,ro {small}")
                disk = self.examine("--output", str(small), code=3)["disk"]
                assert "cannot be written" in disk["is"], disk
            finally:
                sh(f"umount {small}")


def main():
    tap.isolate()
    with tempfile.TemporaryDirectory() as directory:
        cases = Cases(sys.argv[1], directory)
        return tap.run_cases([getattr(cases, name) for name in vars(Cases)
                              if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
