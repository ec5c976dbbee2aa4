"""Network namespaces as nodes of a network, for tests that run in their own.

A test first calls tap.isolate(), so that nothing here is joined to anything
else, then prepare(), and at the end, however it ends, take_down().
"""

import pathlib
import subprocess


def sh(command):
    done = subprocess.run(command, shell=True, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"


def enter(node):
    """The command that runs another in a node's network namespace.

    `ip netns exec` would do, but not in a chroot: it remounts the root.
    """
    return ["nsenter", f"--net=/run/netns/{node}"]


def inside(node, command):
    sh(" ".join(enter(node)) + " " + command)


def configure(node, key, value):
    """Sets a key under /proc/sys/net in one namespace."""
    inside(node, f"sh -c 'echo {value} > /proc/sys/net/{key}'")


def prepare(nodes):
    """Makes the namespaces, with loopback up.

    No address made in them later is tested for duplicates: while the link-local
    ones were, a neighbour would not be asked for, and packets would wait.
    """
    pathlib.Path("/run/netns").mkdir(exist_ok=True)
    sh("mount -t tmpfs tmpfs /run/netns")
    for node in nodes:
        sh(f"ip netns add {node}")
        inside(node, "ip link set lo up")
        configure(node, "ipv6/conf/default/accept_dad", 0)
        configure(node, "ipv6/conf/default/dad_transmits", 0)


def take_down(nodes):
    for node in nodes:
        subprocess.run(["ip", "netns", "del", node], check=False,
                       capture_output=True)
    subprocess.run(["umount", "--recursive", "/run/netns"], check=False,
                   capture_output=True)
