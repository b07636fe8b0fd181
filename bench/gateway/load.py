"""Load, as a process of its own: a command a line on standard input, what came of it as JSON.

echo '{"port": 8080, "in_flight": 16, "seconds": 2, "stream": false}' | python -m bench.gateway.load
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, TypedDict

import uvloop

from bench.gateway.wire import Heard, Pool, request
from bench.measures import quantile

PATIENCE = 30.0
"""Seconds after which a request has failed."""


class Order(TypedDict, total=False):
    """What to do to a port."""

    port: int
    stream: bool
    seconds: float
    in_flight: int
    """So many at once, each followed by the next."""
    rate: float
    """So many a second, whatever becomes of them; in place of `in_flight`."""
    rows: bool
    """Whether to tell of every request."""


async def carry_out(order: Order) -> dict[str, Any]:
    """Load the port for a while; returns when the last answer has come."""
    pool = Pool(order["port"])
    begun = time.perf_counter()
    heard = await (_paced(pool, order) if "rate" in order else _closed(pool, order))
    took = time.perf_counter() - begun
    pool.close()
    return _summary(heard, begun, took, rows=order.get("rows", False))


async def _closed(pool: Pool, order: Order) -> list[Heard]:
    data = request(order["port"], stream=order["stream"])
    until = time.perf_counter() + order["seconds"]
    heard: list[Heard] = []

    async def keep_asking() -> None:
        while (now := time.perf_counter()) < until:
            heard.append(await pool.ask(data, now, PATIENCE))

    async with asyncio.TaskGroup() as group:
        for _ in range(order["in_flight"]):
            group.create_task(keep_asking())
    return heard


async def _paced(pool: Pool, order: Order) -> list[Heard]:
    """From when each was due: waiting to be sent is waiting."""
    data = request(order["port"], stream=order["stream"])
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        asked = []
        for number in range(int(order["rate"] * order["seconds"])):
            due = begun + number / order["rate"]
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asked.append(group.create_task(pool.ask(data, due, PATIENCE)))
    return [task.result() for task in asked]


def _summary(heard: list[Heard], begun: float, took: float, *, rows: bool) -> dict[str, Any]:
    good = [each for each in heard if each.good]
    firsts = [each.first for each in good if each.first is not None]
    told: dict[str, Any] = {
        "n": len(heard),
        "failed": len(heard) - len(good),
        "took": took,
        "pieces": sum(each.pieces for each in heard),
        "p50": quantile([each.seconds for each in good], 0.5) if good else None,
        "p99": quantile([each.seconds for each in good], 0.99) if good else None,
        "first_p50": quantile(firsts, 0.5) if firsts else None,
    }
    if rows:
        told["rows"] = [
            [each.at - begun, each.seconds, each.first, each.status, each.good] for each in heard
        ]
    return told


async def _main() -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await carry_out(json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    uvloop.run(_main())
