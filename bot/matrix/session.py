"""Keeps reading the rooms, and files every command before anything is done about it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from bot.matrix.answers import RateLimited
from bot.matrix.api import MatrixApi
from bot.matrix.crypto.senders import Seal
from bot.matrix.gestures import Reaction, Redaction, reactions, redactions
from bot.matrix.inbound import (
    Event,
    Message,
    begins_encryption,
    exposed_among,
    messages,
    read,
    said_at,
    sealed,
)
from bot.matrix.leaks import Leak, leaks
from bot.matrix.marks import own_marks
from bot.matrix.news import Sync, Timeline
from domain.clock import Clock
from domain.errors import Refused, Unreachable
from fleet.store.sealed import SealedEvent

log = structlog.get_logger()

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
"""Seconds between attempts while the homeserver does not answer."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at the rooms brought. To be kept whole or not at all."""

    token: str
    """How far has been read with it."""
    said: tuple[Message, ...] = ()
    sealed: tuple[SealedEvent, ...] = ()
    """Encrypted events whose keys are missing."""
    opened: tuple[str, ...] = ()
    """Event ids that were sealed before and are among `said` now."""
    reactions: tuple[Reaction, ...] = ()
    redactions: tuple[Redaction, ...] = ()
    own: tuple[tuple[str, str], ...] = ()
    """(transaction id, event id) of what we said ourselves, as whatever device."""
    leaks: tuple[Leak, ...] = ()
    """What we said ourselves in the clear, in rooms that were encrypted by then."""

    @property
    def nothing(self) -> bool:
        """True when it brought nothing to be kept but the token, and perhaps our own words."""
        found = (self.said, self.sealed, self.opened, self.reactions, self.redactions)
        return not any((*found, self.leaks))

    @property
    def points_back(self) -> bool:
        """True when some of it is about messages that were there before."""
        threaded = any(message.thread for message in self.said)
        return threaded or bool(self.reactions or self.redactions or self.leaks)


File = Callable[[Reading], Awaitable[None]]


class Session:
    """One supervised sync loop. Nothing slow runs inside it."""

    def __init__(
        self,
        api: MatrixApi,
        file: File,
        still_sealed: Callable[[], Awaitable[Sequence[SealedEvent]]],
        attend: Callable[[Sync], Awaitable[None]],
        clock: Clock,
        token: str | None,
        fetch: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._api = api
        self._file = file
        self._still_sealed = still_sealed
        self._attend = attend
        self._clock = clock
        self._token = token
        self._fetch = fetch
        """Gets what was sent to this device while another one read the rooms."""
        self._known = False
        self.caught_up = asyncio.Event()
        """Set once everything said while the bot was away is filed."""
        self.read_at = clock.monotonic()
        """When the rooms were last read."""

    async def run(self) -> None:
        """Read, for ever. Raises LoggedOut when the account is no longer ours."""
        wait = FIRST_WAIT
        while True:
            try:
                await self.step()
                wait = FIRST_WAIT
            except RateLimited as error:
                await self._clock.sleep(error.seconds)
            except (Unreachable, Refused) as error:
                log.warning("cannot sync", why=error.summary, wait=wait)
                await self._clock.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                wait = min(wait * 2, LONGEST_WAIT)

    async def step(self) -> None:
        """Read what is new and file it. Should this fail half-way, it is read again."""
        if not self._known:
            await self._api.keyring.tend()  # who lets us in encrypts for keys that are there
            if self._fetch is not None:
                await self._fetch()
        news = await self._api.sync(self._token, everything=not self._known)
        await self._attend(news)
        reading = await self._reading(news) if self._token else Reading(news.token)
        await self._file(reading)
        first, self._token, self._known = not self._known, news.token, True
        self.read_at = self._clock.monotonic()
        await self._api.keyring.tend()
        for each in reading.sealed:
            await self._api.keyring.request(each.room, each.event)
        if news.keys_came or first:
            await self.open_late()
        self.caught_up.set()

    async def open_late(self) -> None:
        """File what was sealed and can be read now, its key having come."""
        said: list[Message] = []
        opened: list[str] = []
        seals: dict[str, Seal] = {}
        for each in await self._still_sealed():
            event = self._api.keyring.open(each.room, each.event)
            if event is not None:
                opened.append(each.event_id)
                seals[each.event_id] = Seal.of(each.event)
                message = read(event, each.room, self._api.user_id)
                said += [message] if message else []
        if opened and self._token:
            log.info("opened late", events=len(opened))
            authored = await self._authored(said, seals)
            await self._file(Reading(self._token, authored, opened=tuple(opened)))

    async def _authored(
        self, said: Sequence[Message], seals: Mapping[str, Seal]
    ) -> tuple[Message, ...]:
        """The messages, with the devices that they came from.

        Keys that nobody has asked for yet are waited for, a second at most.
        """
        if not seals:
            return tuple(said)
        senders = self._api.senders
        await senders.meet({each.sender for each in said if each.event_id in seals})
        authored: list[Message] = []
        for each in said:
            if each.event_id in seals:
                by = senders.of(each.room, each.sender, seals[each.event_id])
                each = replace(each, device=by.device, master=by.master)
            authored.append(each)
        return tuple(authored)

    async def _reading(self, news: Sync) -> Reading:
        said: list[Message] = []
        closed: list[SealedEvent] = []
        reacted: list[Reaction] = []
        redacted: list[Redaction] = []
        own: list[tuple[str, str]] = []
        leaked: list[Leak] = []
        seals: dict[str, Seal] = {}
        for timeline in news.timelines:
            events, clear, encrypted_with = await self._events(timeline)
            seals |= encrypted_with
            room, encrypted = timeline.room, _was_encrypted(timeline, events)
            exposed = frozenset(exposed_among(events, clear, encrypted=encrypted))
            said += messages(events, room, self._api.user_id, exposed)
            reacted += reactions(events, room, self._api.user_id)
            redacted += redactions(events, room, self._api.user_id)
            own += own_marks(events, self._api.user_id)
            leaked += leaks(events, room, clear, self._api.user_id, encrypted=encrypted)
            for event in sealed(events, self._api.user_id):
                at = said_at(event) or self._clock.now()
                closed.append(SealedEvent(event["event_id"], room, dict(event), at))
        return Reading(
            news.token,
            await self._authored(said, seals),
            tuple(closed),
            reactions=tuple(reacted),
            redactions=tuple(redacted),
            own=tuple(own),
            leaks=tuple(leaked),
        )

    async def _events(
        self, timeline: Timeline
    ) -> tuple[list[Event], frozenset[str], Mapping[str, Seal]]:
        """Everything since the last sync, oldest first, the ids of what came unencrypted, and with
        what the rest was encrypted."""
        clear, seals = timeline.clear, dict(timeline.seals)
        if not timeline.limited:
            return list(timeline.events), clear, seals
        missed: list[Event] = []
        before = timeline.before
        while before and self._token:
            try:
                page = await self._api.earlier(timeline.room, before, self._token)
            except Refused as error:  # we may have been put out; other rooms go on
                log.error("gap not filled", room=timeline.room, why=error.summary)
                break
            missed += page.events
            clear, before = clear | page.clear, page.before if page.events else None
            seals |= page.seals
        log.info("gap filled", room=timeline.room, events=len(missed))
        return [*missed[::-1], *timeline.events], clear, seals


def _was_encrypted(timeline: Timeline, events: Sequence[Event]) -> bool:
    """Whether a room was encrypted before the first of its events, those in a gap included.

    What a sync says of that is about what came after the gap.
    """
    filled = timeline.limited and not timeline.known
    return timeline.encrypted and not (filled and any(map(begins_encryption, events)))
