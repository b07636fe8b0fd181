"""Takes filed operations to their end, each in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from bot.discretion import Discretion
from bot.ending import Ending
from bot.matrix.content import Content, attributed, told
from bot.matrix.live_reply import LiveReply
from bot.matrix.outbox import Outbox
from bot.recorded import ended
from commands.access import Permit, own_permit, permit
from commands.answers import ANSWERING, stopped
from commands.dispatch import dispatch
from commands.enclosed import unenclosed
from commands.grammar import Grammar, Parsed
from commands.log_window import FOLLOWING, left_behind
from commands.replies import Block, Reply, answering, following, masked_blocks, working
from commands.verb import Deps
from domain.errors import Cancelled, OpsError
from domain.operations import Operation, State
from domain.people import Person
from domain.progress import Progress
from fleet.store.messages import key_of

log = structlog.get_logger()

HEAD_START = 0.005
"""Seconds an operation has to itself before the next one begins, unless it ends sooner."""


class Worker:
    """Runs operations. Whatever happens to this process, the store says where to go on."""

    def __init__(
        self,
        grammar: Grammar,
        deps: Deps,
        outbox: Outbox,
        max_age: timedelta,
        discretion: Discretion,
        standing: Callable[[str, str], Awaitable[Person]] | None = None,
    ) -> None:
        self._grammar = grammar
        self._deps = deps
        self._outbox = outbox
        self._max_age = max_age
        self._standing = standing
        """(MXID, room) -> what the policy asks about somebody; None to go by names alone."""
        self._discretion = discretion
        self._tasks: dict[asyncio.Task[None], bool] = {}

    async def take_up(self, operations: Sequence[Operation]) -> None:
        """Begin in order. Each gets a head start, so that the first answer need not wait until the
        last command is understood."""
        for operation in operations:
            await asyncio.wait({self._start(operation)}, timeout=HEAD_START)

    def _start(self, operation: Operation) -> asyncio.Task[None]:
        task = asyncio.create_task(self._run(operation), name=f"work {operation.id}")
        self._tasks[task] = self._lasts(operation)
        task.add_done_callback(self._done)
        return task

    async def resume(self) -> None:
        """Go on with everything an earlier run of the bot had accepted and not ended."""
        async with self._deps.store.transaction() as tx:
            left = await tx.operations.unended()
            for operation in left:
                by = await tx.operations.cancelled_by(operation.id)
                if by is not None:
                    self._deps.cancellations.ask(operation.id, by)
        for operation in left:
            log.info("resumed", operation=operation.id, state=str(operation.state))
        await self.take_up(left)

    async def quiet(self, seconds: float) -> None:
        """Wait until what only talks has ended, but not longer than that."""
        talking = [task for task, lasts in self._tasks.items() if not lasts]
        if talking:
            await asyncio.wait(talking, timeout=seconds)

    async def aclose(self, grace: float) -> None:
        """Let what only talks finish within `grace` seconds; leave what lasts to the next run."""
        await self.quiet(grace)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()):
            log.error("operation fell over", task=task.get_name(), exc_info=error)

    async def _run(self, operation: Operation) -> None:
        if self._is_stale(operation):
            await self._end(operation, _expired(operation), State.EXPIRED)
            return
        live = self._live(operation)
        try:
            reply = (await self._reply(operation, live)).masked(self._discretion.masked)
        finally:
            await live.stop()
        state = State.SUCCEEDED if reply.ok else State.FAILED
        await self._end(operation, reply, State.CANCELLED if reply.cancelled else state)

    def _lasts(self, operation: Operation) -> bool:
        """Whether it goes on in the next run of the bot, and is not waited for."""
        verb = self._grammar.verb(operation.text)
        return operation.changes or (verb is not None and verb.lasts)

    def _is_stale(self, operation: Operation) -> bool:
        """Whether a command waited so long, unread, that nobody can still mean it."""
        unread = operation.state is State.FILED and not operation.own
        return unread and self._deps.clock.now() - operation.said_at > self._max_age

    async def _reply(self, operation: Operation, live: LiveReply) -> Reply:
        deps = self._deps
        try:
            parsed = self._grammar.parse(operation.text)
            person = await self._person(operation)
            allowed = self._permit(operation, parsed, person)
        except OpsError as error:
            return Reply.failed("", error)
        if operation.changes or parsed.verb.lasts:
            operation = await self._started(operation, parsed)
            allowed = self._permit(operation, parsed, person)
            return await dispatch(parsed, allowed, deps, live.report)
        talk = dispatch(parsed, allowed, deps, live.report)
        try:
            return await deps.cancellations.guard(operation.id, talk)
        except Cancelled as error:
            reply = Reply.failed(operation.text.split()[0], error).marked_cancelled()
            news = live.news and live.news.masked(self._discretion.so_far)
            return stopped(reply, news).adding(*left_behind(news))

    async def _person(self, operation: Operation) -> Person:
        sender, room = operation.sender, operation.room
        return await self._standing(sender, room) if self._standing else Person(sender, room)

    def _permit(self, operation: Operation, parsed: Parsed, person: Person) -> Permit:
        rooms = self._deps.rooms
        if operation.own:
            return own_permit(operation, rooms.policy)
        return permit(
            operation,
            parsed.role,
            rooms.policy,
            rooms.name(operation.room),
            command=parsed.verb.name,
            environment=parsed.environment,
            person=person,
            begun=operation.state in (State.RUNNING, State.WAITING),
            alters=parsed.alters,
        )

    async def _started(self, operation: Operation, parsed: Parsed) -> Operation:
        service = getattr(parsed.request, "service", None)
        async with self._deps.store.transaction() as tx:
            await tx.operations.started(operation.id, service, self._deps.clock.now())
            return await tx.operations.get(operation.id) or operation

    async def _end(self, operation: Operation, reply: Reply, state: State) -> None:
        """Keep the end and what is to be said of it in one transaction, then say it."""
        deps = self._deps
        now = deps.clock.now()
        async with deps.store.transaction() as tx:
            lasted = self._lasts(operation)
            kept = await tx.operations.get(operation.id) if lasted else None
            kept = kept or operation
            await tx.operations.ended(operation.id, state, reply.summary[:500], now)
            messages = await Ending(kept, reply, state, deps.prefix).keep(tx, now)
            if reply.files:
                await tx.batches.drop_of([operation.id])  # the files have it
            asked = await tx.decisions.get(operation.id) if operation.changes else None
            await tx.audit.append(ended(kept, reply, state, now, self._grammar, asked))
        for message in messages:
            self._outbox.deliver(message, final=True)
        deps.cancellations.forget(operation.id)
        deps.decisions.forget(operation.id)
        told_to_log = {"said": reply.summary[:200]} if operation.changes or not reply.ok else {}
        log.info("ended", operation=operation.id, state=str(state), **told_to_log)

    def _live(self, operation: Operation) -> LiveReply:
        title = unenclosed(operation.text).split("\n")[0][:60]

        def show(news: Progress, elapsed: float) -> Sequence[Block]:
            if news.step == ANSWERING:
                return answering(title, news.masked(self._discretion.so_far), operation.id)
            news = replace(news, text=self._discretion.masked(news.text))  # before it is cut short
            shown = following if news.step == FOLLOWING else working
            blocks = shown(title, news, elapsed, operation.id)
            return masked_blocks(blocks, self._discretion.masked)

        def render(blocks: Sequence[Block]) -> Content:
            return self._content(operation, blocks, State.RUNNING)

        deps = self._deps
        return LiveReply(
            key_of(operation.id), operation.room, show, render, self._outbox, deps.store, deps.clock
        )

    def _content(self, operation: Operation, blocks: Sequence[Block], state: State) -> Content:
        return told(attributed(blocks, operation), operation, state, self._deps.prefix)


def _expired(operation: Operation) -> Reply:
    said = operation.said_at.strftime("%d %b %H:%M UTC")
    error = OpsError(
        f"expired, not run: it was said on {said}", hint="Say it again if you still mean it"
    )
    return Reply.failed("", error)
