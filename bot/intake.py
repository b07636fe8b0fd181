"""Readings -> filed operations -> work. The first half is one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from bot import recorded
from bot.acquaintance import Changed, recognised
from bot.declined import Declined
from bot.echo import Echo
from bot.leaks import repaired
from bot.matrix.answers import RateLimited
from bot.matrix.content import brief, notice, shows_progress, tells_the_end
from bot.matrix.gestures import Redaction
from bot.matrix.outbox import Outbox
from bot.matrix.session import Reading
from bot.requests import Requests
from bot.submissions import Submission
from commands.grammar import Grammar
from domain.clock import Clock
from domain.decisions import Vote
from domain.errors import Refused, Unreachable
from domain.operations import Operation
from fleet.store.database import Store, Transaction
from fleet.store.messages import Message as Said
from fleet.store.sealed import SealedEvent

log = structlog.get_logger()

AT_MOST = 100
"""Readings in a row that brought nothing and whose token is not kept."""

UNREADABLE = (
    "✗ I cannot read an encrypted message of {sender}: its key was not shared with me. "
    "I asked for it, and if it comes soon the message counts as said. Otherwise say it again; "
    "if that does not help, see whether your client withholds keys from unverified devices."
)


@dataclass(frozen=True, slots=True)
class Around:
    """What else in the house an intake calls on."""

    work: Callable[[Sequence[Operation]], Awaitable[None]]
    """Begins what was filed."""
    answered: Callable[[], Awaitable[None]] | None = None
    """Waits a moment for quick answers."""
    remove: Callable[[str, str, str], Awaitable[None]] | None = None
    """(room, event id, why): takes a message away."""
    reconsider: Callable[[str], None] = lambda operation: None
    """Says that what people said about an operation has changed."""
    holds_secret: Callable[[str], bool] = lambda text: False
    """Whether one of the bot's own secrets stands in a text."""
    leaked: Callable[[], None] = lambda: None
    """Says that something is to be taken away that should not have been said in the clear."""
    tell_admins: Callable[[str, str], Awaitable[None]] | None = None
    """(key, text): has it said in the admins' room, once."""


class Intake:
    """Where commands become operations."""

    def __init__(
        self,
        store: Store,
        grammar: Grammar,
        outbox: Outbox,
        clock: Clock,
        user_id: str,
        prefix: str,
        around: Around,
    ) -> None:
        self._store = store
        self._requests = Requests(grammar, prefix, around.holds_secret)
        self._outbox = outbox
        self._clock = clock
        self._user_id = user_id
        self._around = around
        self._strangers: set[Changed] = set()
        """Those whom the log has already."""
        self._passed_over = AT_MOST
        self._echo: Echo | None = None

    def listen(self) -> None:
        """There are other devices of ours: note what they said together with how far was read."""
        self._echo = Echo()

    async def file(self, reading: Reading) -> None:
        """Keep what was said together with how far was read, then have it worked on.

        After a crash on either side of the commit, nothing is lost and nothing is done twice. A
        reading that brought nothing is mostly passed over: reading that little again costs less
        than keeping every token. Commands are given a moment to be answered before the rooms are
        read again, since each reading costs the homeserver as much as an answer does.
        """
        if self._echo:
            self._echo.hear(reading.own)
        if reading.nothing and self._passed_over < AT_MOST:
            self._passed_over += 1
            return
        self._passed_over = 0
        if reading.points_back:
            await self._outbox.noted()
        async with self._store.transaction() as tx:
            heard, strangers = await recognised(reading.said, tx, self._clock.now())
            filed, declined = await self._requests.file(replace(reading, said=heard), tx)
            await tx.positions.reached(self._user_id, reading.token)
            echoed = await self._echo.note(tx) if self._echo else {}
            await tx.sealed.drop(reading.opened)
            await tx.sealed.keep(reading.sealed)
            notices = [said for each in reading.sealed if (said := await self._notice(tx, each))]
            withdrawn: list[str] = []
            for refused in declined:
                notices += await _answered_once(tx, refused, self._clock.now())
            for each in reading.redactions:
                notices += await _taken_away(tx, each)
                withdrawn += await _taken_back(tx, each)
            anew = [said for each in reading.leaks if (said := await repaired(each, tx))]
        for name in withdrawn:
            self._around.reconsider(name)
        self._outbox.heard(echoed)
        for told in notices:
            self._outbox.deliver(told, final=True)
        for told in anew:
            self._outbox.deliver(told, final=not shows_progress(told.wanted))
        if reading.leaks:
            self._around.leaked()
        for refused in declined:
            await self._clear_away(refused)
        for stranger in strangers:
            await self._warn_of(stranger)
        for operation in filed:
            verb = operation.text.split(maxsplit=1)[0][:40]
            log.info("filed", operation=operation.id, sender=operation.sender, verb=verb)
        await self._around.work(filed)
        if filed and self._around.answered:
            await self._around.answered()

    async def submit(self, said: Submission) -> Operation:
        """Keep what a webhook or a schedule asks for, then have it worked on as anybody's command.

        A delivery that comes again is the same operation, and is returned as it is by then. Raises
        Refused for what holds a secret: only that there was such a thing is kept.
        """
        made = self._requests.submitted(said)
        if isinstance(made, Declined):
            async with self._store.transaction() as tx:
                await tx.audit.append(recorded.declined(made, self._clock.now()))
            log.warning("declined", room=said.room, sender=str(said.actor), holds=made.secret)
            raise Refused(
                f"{made.verb} was not run: it holds what looks like {made.secret}",
                hint="put it into a file or an environment variable where it is needed",
            )
        async with self._store.transaction() as tx:
            filed = await tx.operations.file([made])
            known = filed[0] if filed else await tx.operations.by_origin(made.origin)
        assert known is not None, "what is not new was filed before"
        for operation in filed:
            log.info("filed", operation=operation.id, sender=operation.sender, verb=operation.verb)
        await self._around.work(filed)
        return known

    async def file_own(self, operation: Operation) -> None:
        """Keep an operation of the bot's own, then have it worked on."""
        async with self._store.transaction() as tx:
            filed = await tx.operations.file([operation])
        await self._around.work(filed)

    async def still_sealed(self) -> Sequence[SealedEvent]:
        """What could not be read so far."""
        async with self._store.transaction() as tx:
            return await tx.sealed.all()

    async def _clear_away(self, refused: Declined) -> None:
        """Have a secret disappear from the room, if we may do that there."""
        message = refused.message
        log.warning("declined", room=message.room, sender=message.sender, holds=refused.secret)
        if refused.secret and self._around.remove:
            try:
                await self._around.remove(message.room, message.event_id, "it holds a secret")
            except (Refused, RateLimited, Unreachable) as error:
                log.warning("secret not removed", room=message.room, why=error.summary)

    async def _warn_of(self, stranger: Changed) -> None:
        """Tell once that somebody's identity is another one now."""
        if stranger not in self._strangers:
            self._strangers.add(stranger)
            log.warning("identity changed", user=stranger.user_id, now=stranger.shown)
        if self._around.tell_admins:
            await self._around.tell_admins(
                f"identity:{stranger.user_id}:{stranger.shown}", stranger.text
            )

    async def _notice(self, tx: Transaction, event: SealedEvent) -> Said | None:
        """Say that something cannot be read: once a room, however much it is."""
        key = f"sealed:{event.room}"
        log.warning("cannot be read", room=event.room, event_id=event.event_id)
        if await tx.messages.get(key) is not None:
            return None
        text = UNREADABLE.format(sender=event.event.get("sender", "somebody"))
        return await tx.messages.want(key, event.room, notice(text))


async def _answered_once(tx: Transaction, refused: Declined, now: datetime) -> list[Said]:
    if await tx.messages.get(refused.key) is not None:
        return []
    await tx.audit.append(recorded.declined(refused, now))
    return [await tx.messages.want(refused.key, refused.message.room, refused.answer)]


async def _taken_away(tx: Transaction, redaction: Redaction) -> list[Said]:
    """A message of ours was taken away: it is edited no more.

    An end it was about to tell is told by another, in short, rather than by nobody.
    """
    gone = await tx.messages.redact(redaction.room, redaction.event_id)
    if gone is None:
        return []
    log.info("taken away", room=gone.room, key=gone.key)
    if not tells_the_end(gone.wanted):
        return [gone]
    return [gone, await tx.messages.want(f"{gone.key}:end", gone.room, brief(gone.wanted))]


async def _taken_back(tx: Transaction, redaction: Redaction) -> list[str]:
    """A reaction was taken away: what it said to a question counts no more, even should it not
    have been counted yet. Returns the operation that is asked about."""
    gesture = await tx.operations.by_origin(redaction.event_id)
    if gesture is None or not gesture.quiet or gesture.verb not in ("approve", "deny"):
        return []
    about, yes = gesture.text.split()[1], gesture.verb == "approve"
    vote = Vote(gesture.origin, about, gesture.sender, yes, gesture.said_at)
    await tx.decisions.withdraw(vote)
    log.info("vote taken back", operation=about, sender=gesture.sender)
    return [about]
