"""How a batch gets on and how it ended, in words and as files. Does no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

from commands.replies import Block, Code, Enclosure, bar, duration
from domain.progress import Progress

SHOWN = 5
"""Kinds of failures that are told."""

PART = 20_000_000
"""Bytes of one file at most, unless the homeserver takes less."""

_SURE = 5
"""Lines after which it can be told how long the rest takes."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a batch is."""

    total: int
    done: int
    """Answered or failed."""
    failed: int
    began_with: int = 0
    """How many an earlier run of the bot had done."""
    seconds: float = 0.0
    """Since this run began to ask."""

    @property
    def answered(self) -> int:
        """How many got an answer."""
        return self.done - self.failed

    @property
    def rate(self) -> float | None:
        """Lines a second; None while that cannot be told."""
        done = self.done - self.began_with
        return done / self.seconds if done >= _SURE and self.seconds > 0 else None


def so_far(counts: Counts, waits: str = "") -> Progress:
    """A line for the message about it."""
    told = [f"{bar(counts.done / counts.total)} {counts.done:,} of {counts.total:,}"]
    if counts.failed:
        told.append(f"{counts.failed:,} failed")
    if counts.rate:
        told.append(f"{counts.rate:.1f} lines/s")
        told.append(f"about {duration((counts.total - counts.done) / counts.rate)} left")
    return Progress(" · ".join([*told, *([waits] if waits else [])]))


def ended(counts: Counts) -> str:
    """`980 of 1,000 answered, 20 failed`."""
    told = f"{counts.answered:,} of {counts.total:,} answered"
    if counts.failed:
        told += f", {counts.failed:,} failed"
    if counts.done < counts.total:
        told += f", {counts.total - counts.done:,} not asked"
    return told


def frequent(failures: Counter[str]) -> tuple[Block, ...]:
    """What went wrong most often. The words are those of whoever was asked."""
    if not failures:
        return ()
    lines = [f"{count:,} × {what}" for what, count in failures.most_common(SHOWN)]
    if len(failures) > SHOWN:
        lines.append(f"and {len(failures) - SHOWN:,} others")
    return (Code("\n".join(lines)),)


async def in_files(
    name: str, texts: AsyncIterator[str], largest: int | None
) -> tuple[Enclosure, ...]:
    """The entries as JSON Lines, in as many files as it takes for each to be let through."""
    limit, size = min(largest or PART, PART), 0
    parts: list[list[str]] = [[]]
    async for text in texts:
        if parts[-1] and size + len(text) + 1 > limit:
            parts.append([])
            size = 0
        parts[-1].append(text)
        size += len(text) + 1
    if not parts[0]:
        return ()
    count = len(parts)
    names = [f"{name}-{n}-of-{count}" for n in range(1, count + 1)] if count > 1 else [name]
    return tuple(
        Enclosure(f"{each}.jsonl", "\n".join([*part, ""]))
        for each, part in zip(names, parts, strict=True)
    )
