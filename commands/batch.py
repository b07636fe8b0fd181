"""`batch`: ask everything that stands in a file, and hand the answers over as one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from commands.access import Permit
from commands.batch_words import Counts, ended, frequent, in_files, so_far
from commands.model_words import EventWord, ModelWord
from commands.replies import Enclosure, Reply, duration
from commands.unanswered import explained
from commands.verb import Deps, Verb, argument, option
from commands.weighing import touched
from domain.errors import Cancelled, OpsError, Refused, RequestError, UnknownName, UsageError
from domain.people import Role
from domain.progress import Progress, Report
from domain.services import ServiceSpec
from fleet.batch_book import MOST_CHARACTERS, BatchBook, kept_texts
from inference.asking import Told
from inference.batch.course import Course, GaveUp
from inference.batch.entries import UNASKED, answered, unanswered
from inference.batch.lines import MOST_BYTES, MOST_LINES, BadFile, Line, read_lines
from inference.goals import Goal

AGAIN, GIVEN_UP = 5.0, 600.0
"""Seconds before the file is asked for again where it cannot be had now, and for how long."""

_CODES = {"cancelled": "batch_cancelled", "ended": UNASKED}


@dataclass(frozen=True)
class Batch:
    """A file of requests, and who is to answer them."""

    name: str
    """A service, a backend, `backend/model`, or a route."""
    file: str | None = None
    """The message that is the file."""


async def batch(request: Batch, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Ask line by line, never more at once than half of what whoever is asked can do.

    What was answered is kept as it comes, so that nothing is asked twice if the bot is killed; it
    is handed over however the batch ends.
    """
    run = _Run(request, permit, deps, report)
    try:
        await _weighed(request, permit, deps)
        await deps.cancellations.guard(permit.operation.id, run.run())
    except Cancelled as error:
        return await run.cut_short(error, "cancelled")
    except (UnknownName, GaveUp) as error:
        return await run.cut_short(await explained(error, request.name, deps), "ended")
    except OpsError as error:
        return await run.cut_short(error, "ended")
    return await run.complete()


@dataclass
class _Run:
    """One batch, from its file to the answers."""

    request: Batch
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
        deps, name = self.deps, self.request.name
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
        line = f"{mark} batch {self.request.name}: {ended(counts)}, after {took}"
        blocks = (f"{line}. The answers are in the thread of this message.",)
        reply = Reply(counts.answered > 0, (*blocks, *frequent(self.book.failures)))
        return reply.enclosing(*await self._files(UNASKED, "the batch had ended"))

    async def cut_short(self, error: OpsError, how: str) -> Reply:
        """The reply where something came between. What was answered until then goes with it."""
        files = await self._files(_CODES[how], f"not asked: {error.summary}")
        standing = [f"{ended(self.counts)}." if self.book else "", error.standing]
        standing += ["The answers are in the thread of this message."] if files else []
        error.standing = " ".join(part for part in standing if part)
        reply = Reply.failed(f"batch {self.request.name}", error)
        if isinstance(error, BadFile):
            reply = reply.adding(*error.problems)
        if self.book is not None:
            reply = reply.adding(*frequent(self.book.failures))
        reply = reply.enclosing(*files)
        return reply.marked_cancelled() if how == "cancelled" else reply

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
        wanted, deps = self.request.file, self.deps
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


async def _weighed(
    request: Batch, permit: Permit, deps: Deps
) -> tuple[Sequence[str], ServiceSpec | None]:
    """An operator may ask everything. For a role it counts what is asked: a service is on its
    targets; a backend is on none, and a route where the services are that it leads to."""
    specs, one = await _asked(request.name, deps)
    targets = touched(*specs)
    spec = specs[0] if one and specs else None
    if not permit.enough:
        permit.allow(targets, spec)
    return targets, spec


async def _asked(name: str | None, deps: Deps) -> tuple[list[ServiceSpec], bool]:
    """The services a name leads to, and whether it is the name of one."""
    goal: Goal | None = None
    with suppress(RequestError):
        goal = deps.models.goal(name or "")
    members = goal.members if goal else (name or "",)
    async with deps.store.transaction() as tx:
        found = [await tx.services.get(member) for member in members]
    return [each.spec for each in found if each], goal is None or goal.route is None


VERB = Verb(
    name="batch",
    summary="ask a model everything that stands in a file",
    examples=("batch tiny", "batch @chat"),
    request=Batch,
    handle=batch,
    role=Role.OPERATOR,
    acts=True,
    lasts=True,
    weigh=_weighed,
    params=(
        argument("name", ModelWord()),
        option("--file", EventWord(), "EVENT", "a message here that is the file"),
    ),
    notes=(
        "Say it as a reply to a file, as its caption, or in a thread on it: JSON Lines as OpenAI's "
        f"batches have them, up to {MOST_LINES:,} lines and {MOST_BYTES / 1e6:g} MB. NAME says who "
        "answers, as with `infer`; a `model` in the file does not.",
        "The whole file is looked at before anything is asked. The answers come as a file in the "
        "thread of the message that shows how far it is, one line for each request, in order.",
        "People come first: it takes half of what the replicas can do, and less while others ask.",
        "❌ under its message ends it; what was answered until then is handed over. A restart of "
        "the bot goes on where it was.",
    ),
)
