"""How fast `!ping` is answered, by Gantry and by a bare echo bot on the same homeserver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from bench.measures import Book, Bound, Figure, Measure, quantile
from bench.pings import Answers, Chunk
from bench.stage import Bot, Stage

_WARM_UP = 10
_CHUNKS = {1: 10, 20: 50}
"""Pings in flight -> pings in a row before it is the other bot's turn: about a second of the one,
and of the other enough to get going."""
_SETTLE = 2.0
"""Seconds at the end in which an answer nobody waits for any more would still be noticed."""

Tell = Callable[[str], None]


@dataclass
class Tally:
    """What one bot did at one number of pings in flight."""

    chunks: list[Chunk] = field(default_factory=list)
    bot_cpu: float = 0.0
    synapse_cpu: float = 0.0

    @property
    def pings(self) -> int:
        """How many were sent."""
        return sum(len(chunk.asked) for chunk in self.chunks)

    def latency(self, share: float) -> Figure:
        """A quantile in ms over all answers; its spread is that of the chunks."""
        each = [quantile(chunk.latencies, share) * 1000 for chunk in self.chunks]
        every = [seconds for chunk in self.chunks for seconds in chunk.latencies]
        return Figure(quantile(every, share) * 1000, (min(each), max(each)))

    @property
    def rate(self) -> Figure:
        """Answers a second; its spread is that of the chunks."""
        each = [len(chunk.latencies) / chunk.seconds for chunk in self.chunks]
        answered = sum(len(chunk.latencies) for chunk in self.chunks)
        return Figure(answered / sum(c.seconds for c in self.chunks), (min(each), max(each)))

    def per_ping(self, seconds: float) -> Figure:
        """A share of processor time in ms a ping."""
        return Figure(seconds * 1000 / self.pings)


async def bench_room(book: Book, stage: Stage, tell: Tell, pings: int) -> None:
    """Both bots in alternating chunks, so that whatever else the machine does hits both alike."""
    answers = Answers(stage.caller)
    tallies: dict[int, dict[str, Tally]] = {}
    for bot in (stage.gantry, stage.echo):
        await answers.chunk(bot.room, _WARM_UP, in_flight=1)
    for in_flight, chunk in _CHUNKS.items():
        tallies[in_flight] = {stage.gantry.name: Tally(), stage.echo.name: Tally()}
        for turn in range(max(1, pings // chunk)):
            bots = (stage.gantry, stage.echo) if turn % 2 == 0 else (stage.echo, stage.gantry)
            for bot in bots:
                tally = tallies[in_flight][bot.name]
                with _processor_time(tally, bot, stage.synapse):
                    tally.chunks.append(await answers.chunk(bot.room, chunk, in_flight))
                tell(_progress(bot, in_flight, tally))
    await asyncio.sleep(_SETTLE)
    for in_flight, both in tallies.items():
        _note(book, stage, in_flight, both, answers)


@contextmanager
def _processor_time(tally: Tally, bot: Bot, synapse: psutil.Process) -> Iterator[None]:
    before = _used(bot.process), _used(synapse)
    yield
    tally.bot_cpu += _used(bot.process) - before[0]
    tally.synapse_cpu += _used(synapse) - before[1]


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _progress(bot: Bot, in_flight: int, tally: Tally) -> str:
    last = tally.chunks[-1]
    if not last.latencies:
        return f"{bot.name}: no answer"
    p50, rate = quantile(last.latencies, 0.5) * 1000, len(last.latencies) / last.seconds
    return f"{bot.name:9} {in_flight:2} in flight: p50 {p50:5.0f} ms, {rate:5.1f} a second"


def _note(
    book: Book, stage: Stage, in_flight: int, both: dict[str, Tally], answers: Answers
) -> None:
    ours, peer, against = both[stage.gantry.name], both[stage.echo.name], stage.echo.name

    def note(what: str, unit: str, of: Callable[[Tally], Figure], bound: Bound | None) -> None:
        name = f"ping.{in_flight}.{what}"
        book.note(Measure(name, unit, ours.pings, of(ours), of(peer), against, bound))

    alone = in_flight == 1
    note("p50", "ms", lambda t: t.latency(0.5), Bound(factor=1.15) if alone else None)
    note("p95", "ms", lambda t: t.latency(0.95), None)
    note("max", "ms", lambda t: t.latency(1.0), None)
    note("rate", "/s", lambda t: t.rate, None if alone else Bound(factor=1.0, at_least=True))
    note("lost", "", lambda t: Figure(answers.lost(t.chunks)), Bound())
    note("duplicates", "", lambda t: Figure(answers.duplicates(t.chunks)), Bound())
    note("bot_cpu", "ms/ping", lambda t: t.per_ping(t.bot_cpu), None)
    note("synapse_cpu", "ms/ping", lambda t: t.per_ping(t.synapse_cpu), None)
