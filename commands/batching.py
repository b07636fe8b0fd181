"""One batch, from its file to the answers that are handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from commands.access import Permit
from commands.batch_words import Counts, ended, frequent, in_files, so_far
from commands.replies import Enclosure, Reply, duration
from commands.verb import Deps
from domain.errors import OpsError, Refused, RequestError, UsageError
from domain.progress import Progress, Report
from fleet.batch_book import MOST_CHARACTERS, BatchBook, kept_texts
from inference.asking import Told
from inference.batch.course import Course
from inference.batch.entries import UNASKED, answered, unanswered
from inference.batch.lines import MOST_BYTES, BadFile, Line, read_lines

AGAIN, GIVEN_UP = 5.0, 600.0
"""Seconds before the file is asked for again where it cannot be had now, and for how long."""

CANCELLED = "batch_cancelled"
"""The code of a request that was not asked, since somebody ended the batch."""


@dataclass
class Batching:
    """What a `!batch` does. The handler of the verb says when it ends."""

    name: str
    """Who is asked."""
    file: str | None
    """The message that is the file."""
    permit: Permit
    deps: Deps
    report: Report
    lines: Sequence[Line] = ()
    book: BatchBook | None = None
    course: Course | None = None
    began_with: int = 0
    began_at: float = field(default=0.0)

    async def run(self) -> None:
        """Ask what was not asked yet. Raises OpsError where it has to end before that is done."""
        deps, name = self.deps, self.name
        deps.models.goal(name)
        self.lines = await asyncio.to_thread(read_lines, await self._file())
        book = BatchBook(self.permit.operation.id, self.lines, deps.store, deps.clock)
        await book.recall()
        self.book, self.began_with, self.began_at = book, book.done, deps.clock.monotonic()
        course = Course(
            name,
            self.permit.person.mxid,
            deps.models,
            deps.clock,
            took=self._took,
            news=self._tell,
            settled=self._settled,
        )
        self.course = course
        self._tell()
        writing = asyncio.create_task(book.run(), name=f"write batch {self.permit.operation.id}")
        asking = asyncio.create_task(course.run(book.left), name=f"ask {name}")
        try:
            await asyncio.wait({writing, asking}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
            asking.result()
        finally:
            for task in (asking, writing):
                task.cancel()
            await asyncio.gather(asking, writing, return_exceptions=True)
            await book.write()

    async def complete(self) -> Reply:
        """The reply where every line came to an end."""
        assert self.book is not None, "it has run"
        counts = self.counts
        mark = "✓" if counts.answered else "✗"
        now, operation = self.deps.clock.now(), self.permit.operation
        took = duration((now - (operation.started_at or now)).total_seconds())
        line = f"{mark} batch {self.name}: {ended(counts)}, after {took}"
        blocks = (f"{line}. The answers are in the thread of this message.",)
        reply = Reply(counts.answered > 0, (*blocks, *frequent(self.book.failures)))
        return reply.enclosing(*await self._files(UNASKED, "the batch had ended"))

    async def cut_short(self, error: OpsError, code: str = UNASKED) -> Reply:
        """The reply where something came between. What was answered until then goes with it; the
        code stands with every other line."""
        files = await self._files(code, f"not asked: {error.summary}")
        standing = [f"{ended(self.counts)}." if self.book else "", error.standing]
        standing += ["The answers are in the thread of this message."] if files else []
        error.standing = " ".join(part for part in standing if part)
        reply = Reply.failed(f"batch {self.name}", error)
        if isinstance(error, BadFile):
            reply = reply.adding(*error.problems)
        if self.book is not None:
            reply = reply.adding(*frequent(self.book.failures))
        reply = reply.enclosing(*files)
        return reply.marked_cancelled() if code == CANCELLED else reply

    @property
    def counts(self) -> Counts:
        """How far it is."""
        assert self.book is not None, "its file was read"
        seconds = self.deps.clock.monotonic() - self.began_at
        done, failed = self.book.done, self.book.failed
        return Counts(len(self.lines), done, failed, self.began_with, seconds)

    async def _file(self) -> bytes:
        """The file, waited for while the homeserver does not answer. Raises UsageError where there
        is none, Refused or Unreachable where it cannot be had."""
        wanted, deps = self.file, self.deps
        if wanted is None:
            raise _no_file()
        until = deps.clock.monotonic() + GIVEN_UP
        while True:
            try:
                found = await deps.gallery.file(self.permit.operation.room, wanted, MOST_BYTES)
            except (Refused, RequestError):
                raise
            except OpsError:
                if deps.clock.monotonic() > until:
                    raise
                self.report(Progress("waiting for the homeserver to hand out the file"))
                await deps.clock.sleep(AGAIN)
                continue
            if found is None:
                raise _no_file()
            return found

    async def _settled(self) -> None:
        """Wait until more answers can be held. Raises Refused once they take too much."""
        assert self.book is not None, "its file was read"
        if self.book.is_full:
            most = f"{MOST_CHARACTERS / 1e6:g} MB"
            raise Refused(f"the answers take more than {most}", hint="ask the rest in another file")
        await self.book.settled()

    def _took(self, line: Line, told: Told) -> None:
        assert self.book is not None, "its file was read"
        name, masked = self.permit.operation.id, self.deps.masked
        self.book.take(answered(name, line, told.answer, masked))
        self._tell()

    def _tell(self) -> None:
        self.report(so_far(self.counts, self.course.waits if self.course else ""))

    async def _files(self, code: str, why: str) -> tuple[Enclosure, ...]:
        """What was answered, if anything was; every other line says why it was not."""
        name, store = self.permit.operation.id, self.deps.store
        if self.book is None:
            texts = kept_texts(name, store)
        elif self.book.done:
            texts = self.book.texts(lambda line: unanswered(name, line, code, why).text)
        else:
            return ()
        largest = None
        with suppress(OpsError):
            largest = await self.deps.gallery.largest()
        return await in_files(f"batch-{name}", texts, largest)


def _no_file() -> UsageError:
    return UsageError(
        "`batch` needs a file of requests",
        hint="say it as a reply to the message with the JSONL file, or as its caption",
    )
