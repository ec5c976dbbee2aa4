#!/usr/bin/env python3
"""Joins network namespaces by links that take time, for kernels without netem.

Usage: delaying_links.py NAME:NEAR:FAR:MILLISECONDS...

Each link is a tap NAMEn in the namespace NEAR and a tap NAMEf in FAR; what
enters one leaves the other so much later, both ways. Says "ready" when they are
there, and ends when standard input does.
"""

import ctypes
import fcntl
import heapq
import itertools
import os
import select
import struct
import sys
import time

TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI = 2, 0x1000
LIBC = ctypes.CDLL(None, use_errno=True)


def open_tap(node, name):
    with open(f"/run/netns/{node}", encoding="ascii") as namespace:
        if LIBC.setns(namespace.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), f"enter {node}")
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF,
                struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def forward(ends):
    """Until standard input ends: ends maps a tap to its other end and delay."""
    poll = select.poll()
    for fd in (*ends, 0):
        poll.register(fd, select.POLLIN)
    waiting, order = [], itertools.count()
    while True:
        patience = None
        if waiting:
            patience = max(0.0, (waiting[0][0] - time.monotonic()) * 1000)
        for fd, _ in poll.poll(patience):
            if fd == 0:
                if not os.read(0, 1):
                    return
                continue
            other, delay = ends[fd]
            heapq.heappush(waiting, (time.monotonic() + delay, next(order),
                                     other, os.read(fd, 2048)))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, other, frame = heapq.heappop(waiting)
            try:
                os.write(other, frame)
            except OSError:
                pass  # Its device is down.


def main():
    ends = {}
    for link in sys.argv[1:]:
        name, near, far, delay = link.split(":")
        a, b = open_tap(near, name + "n"), open_tap(far, name + "f")
        ends[a], ends[b] = (b, float(delay) / 1000), (a, float(delay) / 1000)
    print("ready", flush=True)
    forward(ends)


if __name__ == "__main__":
    main()
