"""What a gateway costs: requests a second, what it adds to each, processor time, memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.gateway.candidates import BARE, CANDIDATES, DIRECT, LITELLM, OURS
from bench.gateway.stage import Gateway, Load, Stage
from bench.gateway.table import side_by_side
from bench.measures import Book, Bound, Figure, Measure
from domain.errors import OpsError

Tell = Callable[[str], None]

IN_FLIGHT = (1, 16, 64)
RATE = 25.0
"""Requests a second, paced."""
ROUNDS = 3
_SECONDS, _PACED = 1.5, 3.0
_WARM_UP = 0.3

_RATE = Bound(factor=0.7, at_least=True)
_COST = Bound(factor=1.5)
_FAST = Bound(factor=30.0, at_least=True)
_ADDED, _MEMORY = Bound(slack=1.5), Bound(slack=80.0)


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere to ask: a gateway, or the upstream itself."""

    name: str
    port: int
    gateway: Gateway | None = None


async def bench_gateway(book: Book, tell: Tell) -> None:
    """All of them at once, asked in turns, so that whatever else the machine does hits all."""
    async with Stage.opened() as stage:
        upstream = await stage.upstream()
        places = [Place(DIRECT, upstream.port)]
        for candidate in CANDIDATES:
            tell(f"{candidate.name}: starting ...")
            try:
                gateway = await stage.gateway(candidate, [upstream.url])
                places.append(Place(candidate.name, gateway.port, gateway))
            except OpsError as error:
                book.skip(f"gateway.{candidate.name}", error.summary)
        load = await stage.load()
        rounds = [await _round(load, places, n, tell) for n in range(ROUNDS)]
    scores = {
        p.name: {w: [r[p.name][w] for r in rounds] for w in rounds[0][p.name]} for p in places
    }
    tell(f"\n{side_by_side(scores)}\n")
    if OURS in scores:
        for measure in measures(scores):
            book.note(measure)


async def _round(
    load: Load, places: Sequence[Place], number: int, tell: Tell
) -> dict[str, dict[str, float]]:
    """Everybody once, each time with another one first. Figure by name, of each."""
    first = number % len(places)
    found = {}
    for place in (*places[first:], *places[:first]):
        found[place.name] = await _figures(load, place)
        rate, chunks = found[place.name]["rate.16"], found[place.name]["chunks.64"]
        tell(f"round {number + 1}: {place.name:8} {rate:8.0f} requests/s, {chunks:7.0f} chunks/s")
    direct = found[DIRECT]
    for mine in found.values():
        mine["added"] = mine["paced.p50"] - direct["paced.p50"]
        mine.update(
            {f"added.first.{n}": mine[f"first.{n}"] - direct[f"first.{n}"] for n in IN_FLIGHT}
        )
    return found


async def _figures(load: Load, place: Place) -> dict[str, float]:
    """Milliseconds, but for rates (a second), `cpu.chunk` (microseconds) and memory (MB)."""
    found: dict[str, float] = {}
    await load({"port": place.port, "stream": False, "in_flight": 16, "seconds": _WARM_UP})
    for count in IN_FLIGHT:
        heard, cpu = await _asked(load, place, count, stream=False)
        found[f"rate.{count}"] = (heard["n"] - heard["failed"]) / heard["took"]
        found[f"p50.{count}"] = heard["p50"] * 1000
        found[f"p99.{count}"] = heard["p99"] * 1000
        if count == 16 and place.gateway:
            found["cpu.request"] = cpu / heard["n"] * 1000
        found["failed"] = found.get("failed", 0) + heard["failed"]
    paced = await load({"port": place.port, "stream": False, "rate": RATE, "seconds": _PACED})
    found |= {"paced.p50": paced["p50"] * 1000, "paced.p99": paced["p99"] * 1000}
    for count in IN_FLIGHT:
        heard, cpu = await _asked(load, place, count, stream=True)
        found[f"first.{count}"] = heard["first_p50"] * 1000
        found[f"chunks.{count}"] = heard["pieces"] / heard["took"]
        found["failed"] += heard["failed"]
        if count == 64 and place.gateway:
            found["cpu.chunk"] = cpu / heard["pieces"] * 1e6
    if place.gateway:
        found["memory"] = place.gateway.resident
    return found


async def _asked(
    load: Load, place: Place, in_flight: int, *, stream: bool
) -> tuple[dict[str, Any], float]:
    """What was heard, and the processor seconds that the gateway took for it."""
    before = place.gateway.cpu if place.gateway else 0.0
    heard = await load(
        {"port": place.port, "stream": stream, "in_flight": in_flight, "seconds": _SECONDS}
    )
    if heard["p50"] is None or (stream and heard["first_p50"] is None):
        raise OpsError(f"{place.name} gave no good answer to {in_flight} at once")
    return heard, (place.gateway.cpu if place.gateway else 0.0) - before


def measures(scores: dict[str, dict[str, list[float]]]) -> list[Measure]:
    """Ours beside each of the others, and what we promise (pure)."""
    found = []
    ours = scores[OURS]
    for name, peer in scores.items():
        if name == OURS:
            continue
        bounds = _bounds(name)
        for what, unit in _UNITS.items():
            if what in peer and (what in bounds or name in (BARE, LITELLM)):
                mine, theirs = Figure.median(ours[what]), Figure.median(peer[what])
                rounds = len(ours[what])
                bound = bounds.get(what)
                found.append(Measure(f"gateway.{what}", unit, rounds, mine, theirs, name, bound))
    for what, unit, bound in (
        ("added", "ms", _ADDED),
        ("added.first.1", "ms", _ADDED),
        ("memory", "MB", _MEMORY),
        ("failed", "", Bound()),
    ):
        found.append(
            Measure(
                f"gateway.{what}", unit, len(ours[what]), Figure.median(ours[what]), bound=bound
            )
        )
    return found


_UNITS = {
    **{f"rate.{n}": "/s" for n in IN_FLIGHT},
    "paced.p50": "ms",
    "paced.p99": "ms",
    **{f"first.{n}": "ms" for n in IN_FLIGHT},
    **{f"chunks.{n}": "/s" for n in IN_FLIGHT},
    "cpu.request": "ms",
    "cpu.chunk": "us",
    "memory": "MB",
}


def _bounds(peer: str) -> dict[str, Bound]:
    if peer == BARE:
        costs = {"cpu.request": _COST, "cpu.chunk": _COST}
        return {**{f"rate.{n}": _RATE for n in IN_FLIGHT}, **costs}
    return {"rate.16": _FAST} if peer == LITELLM else {}
