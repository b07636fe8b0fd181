"""Writes down what was answered of one batch, a moment behind; a kill loses no more than that."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

from domain.clock import Clock
from fleet.store.batches import KeptEntry
from fleet.store.database import Store
from inference.batch.entries import Entry
from inference.batch.lines import Line

EVERY = 0.5
"""Seconds from the first answer that is not written down yet until it is."""

HELD_AT_MOST = 64
"""Answers that may wait to be written down before no more is asked."""

MOST_CHARACTERS = 100_000_000
"""Of all entries of one batch."""

_AT_ONCE = 100
"""Entries that are read at once."""


class BatchBook:
    """What is known of the lines of one batch. The texts are kept in the state, not in memory."""

    def __init__(self, operation: str, lines: Sequence[Line], store: Store, clock: Clock) -> None:
        self._operation = operation
        self._lines = lines
        self._store = store
        self._clock = clock
        self._open: list[Entry] = []
        self._noted = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._writing = asyncio.Lock()
        self._size = 0
        self._done: set[int] = set()
        self.failures: Counter[str] = Counter()
        """What went wrong -> how often."""

    @property
    def done(self) -> int:
        """How many lines have an entry."""
        return len(self._done)

    @property
    def failed(self) -> int:
        """How many of them got no answer."""
        return self.failures.total()

    @property
    def left(self) -> list[Line]:
        """What has no entry yet."""
        return [line for line in self._lines if line.number not in self._done]

    @property
    def is_full(self) -> bool:
        """Whether what was answered takes as much as it may."""
        return self._size >= MOST_CHARACTERS

    async def recall(self) -> None:
        """Know what an earlier run of the bot was answered; what belongs to another file is
        forgotten."""
        asked = {line.number: line.fingerprint for line in self._lines}
        async with self._store.transaction() as tx:
            known = await tx.batches.known(self._operation)
            others = [each.line for each in known if asked.get(each.line) != each.fingerprint]
            await tx.batches.forget(self._operation, others)
        for each in known:
            if each.line not in others:
                self._note(each.line, each.failure, each.size)

    def take(self, entry: Entry) -> None:
        """Note how a line came out. Quick, and never raises."""
        self._open.append(entry)
        self._note(entry.line.number, entry.failure, len(entry.text))
        self._noted.set()
        if len(self._open) >= HELD_AT_MOST:
            self._settled.clear()

    async def settled(self) -> None:
        """Wait until more may be taken."""
        await self._settled.wait()

    async def run(self) -> None:
        """Write behind, for ever."""
        while True:
            await self._noted.wait()
            if self._settled.is_set():
                await self._clock.sleep(EVERY)
            await self.write()

    async def write(self) -> None:
        """Write down what there is."""
        async with self._writing:
            self._noted.clear()
            entries = list(self._open)
            async with self._store.transaction() as tx:
                await tx.batches.keep(self._kept(entry) for entry in entries)
            del self._open[: len(entries)]
            if len(self._open) < HELD_AT_MOST:
                self._settled.set()

    async def texts(self, unasked: Callable[[Line], str]) -> AsyncIterator[str]:
        """The entry of every line in the order of the file; `unasked` says it for one that has
        none."""
        for start in range(0, len(self._lines), _AT_ONCE):
            lines = self._lines[start : start + _AT_ONCE]
            async with self._store.transaction() as tx:
                span = lines[0].number, lines[-1].number
                texts = await tx.batches.texts(self._operation, *span)
            for line in lines:
                yield texts.get(line.number) or unasked(line)

    def _note(self, line: int, failure: str | None, size: int) -> None:
        self._done.add(line)
        self._size += size
        if failure is not None:
            self.failures[failure] += 1

    def _kept(self, entry: Entry) -> KeptEntry:
        line = entry.line
        return KeptEntry(self._operation, line.number, line.fingerprint, entry.text, entry.failure)


async def kept_texts(operation: str, store: Store) -> AsyncIterator[str]:
    """Every entry that is kept of a batch whose file cannot be had any more."""
    async with store.transaction() as tx:
        known = [each.line for each in await tx.batches.known(operation)]
    for start in range(0, len(known), _AT_ONCE):
        span = known[start : start + _AT_ONCE]
        async with store.transaction() as tx:
            texts = await tx.batches.texts(operation, span[0], span[-1])
        for text in texts.values():
            yield text
