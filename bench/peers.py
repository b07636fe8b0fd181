"""`!ping` in plain and in encrypted rooms: Gantry beside a bare bot and the usual frameworks.

Every bot answers with a reply, by its framework's own means and at its defaults. Bots take turns
in chunks, so that whatever else the machine does hits all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from bench.frameworks import FRAMEWORKS, Framework
from bench.measures import Book, Figure, Measure
from bench.peer_env import environment
from bench.peer_stage import Contestant, open_contest
from bench.pings import Chunk
from bench.room import Tell
from bench.scores import Score, measures, side_by_side
from domain.errors import OpsError

_CACHE = Path(".bench-peers")
"""Keeps the frameworks installed from run to run."""
_WARM_UP = 10
_CHUNKS = {1: 10, 20: 50, 100: 150}
"""Pings in flight -> pings in a row before it is the next bot's turn."""
_ONE_BY_ONE = 100
"""More pings than that tell no more with one in flight."""
_KEEP_UP = 20
"""The number in flight at which our rate has a bound."""
_SETTLE = 2.0
"""Seconds at the end in which an answer nobody waits for any more would still be noticed."""


def install_peers(book: Book, tell: Tell, *, sealed: bool) -> dict[Framework, Path]:
    """The frameworks that install here, each with its Python. Others are noted with the reason."""
    pythons = {}
    for framework in FRAMEWORKS:
        tell(f"{framework.name}: {', '.join(framework.requirements(sealed=sealed))}")
        try:
            pythons[framework] = environment(_CACHE, framework, sealed=sealed)
        except OpsError as error:
            book.skip(f"{_room(sealed)}.{framework.name}", error.summary)
    return pythons


async def bench_peers(
    book: Book,
    synapse: Path,
    pythons: dict[Framework, Path],
    tell: Tell,
    pings: int,
    *,
    sealed: bool,
) -> None:
    """One kind of room, with 1, 20 and 100 pings in flight, and what memory each bot has then."""
    where = _room(sealed)

    def skip(name: str, why: str) -> None:
        book.skip(f"{where}.{name}", why)

    async with open_contest(synapse, pythons, skip, sealed=sealed) as contestants:
        for contestant in contestants:
            await contestant.answers.chunk(contestant.bot.room, _WARM_UP, in_flight=1)
        chunks = {
            in_flight: await _in_turns(contestants, in_flight, pings, tell) for in_flight in _CHUNKS
        }
        await asyncio.sleep(_SETTLE)
        scores = {n: _scores(contestants, of_each) for n, of_each in chunks.items()}
        memory = {c.bot.name: c.bot.process.memory_info().rss / 1e6 for c in contestants}
    ours, *others = memory
    for in_flight, bots in scores.items():
        peers = {name: bots[name] for name in others}
        name, keep_up = f"{where}.{in_flight}", in_flight == _KEEP_UP
        for measure in measures(name, bots[ours], peers, keep_up=keep_up):
            book.note(measure)
    for other in others:
        mine, theirs = Figure(memory[ours]), Figure(memory[other])
        book.note(Measure(f"{where}.memory", "MB", 1, mine, theirs, other))
    tell(f"\n{where} rooms:\n{side_by_side(scores, memory)}\n")


async def _in_turns(
    contestants: Sequence[Contestant], in_flight: int, pings: int, tell: Tell
) -> dict[str, list[Chunk]]:
    """A chunk each, then the next one each, with another bot first."""
    row = _CHUNKS[in_flight]
    wanted = min(pings, _ONE_BY_ONE) if in_flight == 1 else pings
    chunks: dict[str, list[Chunk]] = {contestant.bot.name: [] for contestant in contestants}
    for turn in range(max(1, wanted // row)):
        first = turn % len(contestants)
        for contestant in (*contestants[first:], *contestants[:first]):
            bot = contestant.bot
            chunk = await contestant.answers.chunk(bot.room, row, in_flight)
            chunks[bot.name].append(chunk)
            answered, rate = len(chunk.latencies), len(chunk.latencies) / chunk.seconds
            said = f"{answered} of {row} answered, {rate:5.1f} a second"
            tell(f"{bot.name:18} {in_flight:3} in flight: {said}")
    return chunks


def _scores(contestants: Sequence[Contestant], chunks: dict[str, list[Chunk]]) -> dict[str, Score]:
    scores = {}
    for contestant in contestants:
        mine, answers = chunks[contestant.bot.name], contestant.answers
        scores[contestant.bot.name] = Score(mine, answers.lost(mine), answers.duplicates(mine))
    return scores


def _room(sealed: bool) -> str:
    return "encrypted" if sealed else "plain"
