"""A network bridge for one engine: the engine's own choice would be `docker0`, which is taken."""

from __future__ import annotations

import ipaddress
import itertools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import psutil

from tests.engines.remains import alone

BENCHMARKS = IPv4Network("198.18.0.0/15")
"""Kept for tests of network devices (RFC 2544), so that nobody's network is in the way."""

_BLOCK = 21
"""Bits: one engine's addresses, of which an eighth are its bridge's and half its networks'."""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Bridge:
    """A bridge of this machine, and addresses for the networks beside it."""

    name: str
    block: IPv4Network

    @property
    def pool(self) -> IPv4Network:
        """Where further networks (those of Compose projects) take their addresses from."""
        return list(self.block.subnets(1))[1]

    @classmethod
    @contextmanager
    def made(cls) -> Iterator[Bridge]:
        """Make one with addresses that nobody on this machine has, for as long as the block."""
        with alone():
            _sweep()
            bridge = cls(f"gantry{os.getpid()}x{next(_numbers)}"[:15], _free())
            own = next(bridge.block.subnets(new_prefix=24))
            _ip("link", "add", bridge.name, "type", "bridge")
            _ip("addr", "add", f"{own[1]}/{own.prefixlen}", "dev", bridge.name)
            _ip("link", "set", bridge.name, "up")
        try:
            yield bridge
        finally:
            _delete(bridge.block)


def _sweep() -> None:
    """Remove the bridges of test runs that were killed."""
    for name, address in _bridges():
        owner = re.fullmatch(r"gantry(\d+)x\d+", name)
        if owner and not psutil.pid_exists(int(owner[1])):
            _delete(IPv4Network((address, _BLOCK), strict=False))


def _delete(block: IPv4Network) -> None:
    """Remove the bridges of one engine, those of its networks too, which it leaves behind."""
    for name, address in _bridges():
        if address in block:
            _ip("link", "delete", name)


def _bridges() -> list[tuple[str, IPv4Address]]:
    return [
        (link["ifname"], IPv4Address(address["local"]))
        for link in _ip_json("-4", "addr", "show", "type", "bridge")
        for address in link.get("addr_info", ())
    ]


def _free() -> IPv4Network:
    taken = [
        ipaddress.ip_network(route["dst"])
        for route in _ip_json("-4", "route", "show", "table", "all")
        if re.fullmatch(r"[\d.]+(/\d+)?", route.get("dst", ""))
    ]
    for block in BENCHMARKS.subnets(new_prefix=_BLOCK):
        if not any(block.overlaps(network) for network in taken):
            return block
    raise AssertionError(f"no free addresses in {BENCHMARKS}: `ip route` shows who has them")


def _ip_json(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_ip("-j", *words) or "[]")
    return found


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout
