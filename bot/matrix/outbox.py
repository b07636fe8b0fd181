"""One ordered queue a room: what is to be said, until it has been said."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from bot.matrix.api import MatrixApi, RateLimited, TooLarge
from bot.matrix.content import Content, edit, transaction_id
from domain.clock import Clock
from domain.errors import OpsError, Refused, Unreachable
from fleet.store.database import Store
from fleet.store.messages import Message

log = structlog.get_logger()

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
"""Seconds between attempts while the homeserver does not answer."""


@dataclass
class _Slot:
    """One message: what it should say and what the room sees."""

    key: str
    room: str
    posted: Content
    wanted: Content
    event_id: str | None
    shown: Content | None = None
    final: bool = False

    @property
    def pending(self) -> bool:
        return self.event_id is None or self.shown != self.wanted

    @property
    def urgency(self) -> int:
        """New messages in their order, then final edits, then edits that only show progress."""
        return 0 if self.event_id is None else 1 if self.final else 2


class Outbox:
    """Says what is wanted: messages once each, edits coalesced, rooms apart from each other."""

    def __init__(self, api: MatrixApi, store: Store, clock: Clock) -> None:
        self._api = api
        self._store = store
        self._clock = clock
        self._slots: dict[str, dict[str, _Slot]] = {}
        self._wake: dict[str, asyncio.Event] = {}
        self._served: set[str] = set()
        self._newer: set[str] | None = set()
        """Keys delivered before what an earlier run left was read; None once that is done."""
        self._not_before = 0.0
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Send, for ever. Begins with what an earlier run left unsaid. Raises LoggedOut."""
        try:
            await self._run()
        except ExceptionGroup as group:
            raise group.exceptions[0] from group

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            for room in self._slots:
                self._employ(room)
            async with self._store.transaction() as tx:
                left = await tx.messages.unsaid()
            newer, self._newer = self._newer or set(), None
            for message in left:
                if message.key not in newer:
                    self.deliver(message, final=True)
            await asyncio.Event().wait()

    def deliver(self, message: Message, *, final: bool) -> None:
        """Have the room see this message as it is kept in the store."""
        if self._newer is not None:
            self._newer.add(message.key)
        slots = self._slots.setdefault(message.room, {})
        slot = slots.get(message.key)
        if slot is None:
            slot = _Slot(
                message.key, message.room, message.posted, message.wanted, message.event_id
            )
            slots[message.key] = slot
        slot.wanted, slot.final = message.wanted, final
        self._employ(message.room)
        self._wake[message.room].set()

    def show(self, key: str, room: str, content: Content) -> None:
        """Have a message that was delivered show progress; the latest wins, none is kept."""
        slot = self._slots.get(room, {}).get(key)
        if slot is not None and not slot.final:
            slot.wanted = content
            self._wake[room].set()

    async def settled(self, seconds: float) -> None:
        """Wait until everything has been said, but not longer than that."""
        deadline = self._clock.monotonic() + seconds
        while self._pending() and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.05)

    def _pending(self) -> bool:
        return any(slot.pending for slots in self._slots.values() for slot in slots.values())

    def _employ(self, room: str) -> None:
        """See to it that somebody sends for this room."""
        self._wake.setdefault(room, asyncio.Event())
        if self._group is not None and room not in self._served:
            self._served.add(room)
            self._group.create_task(self._serve(room), name=f"outbox {room}")

    async def _serve(self, room: str) -> None:
        wake, wait = self._wake[room], FIRST_WAIT
        while True:
            slot = _next(self._slots[room].values())
            if slot is None:
                wake.clear()
                await wake.wait()
                continue
            try:
                await self._be_patient()
                await self._send(slot)
                wait = FIRST_WAIT
            except RateLimited as error:
                self._not_before = self._clock.monotonic() + error.seconds
                log.info("rate limited", seconds=error.seconds)
            except Unreachable as error:
                log.warning("cannot send", room=room, why=error.summary, wait=wait)
                await self._clock.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                wait = min(wait * 2, LONGEST_WAIT)

    async def _be_patient(self) -> None:
        """The homeserver limits the account, not the room: all rooms wait together."""
        while (wait := self._not_before - self._clock.monotonic()) > 0:
            await self._clock.sleep(wait)

    async def _send(self, slot: _Slot) -> None:
        content = slot.posted if slot.event_id is None else slot.wanted
        try:
            if slot.event_id is None:
                key = transaction_id(slot.key)
                slot.event_id = await self._api.send(slot.room, content, key)
            else:
                key = transaction_id(slot.key, content, slot.shown)
                await self._api.send(slot.room, edit(slot.event_id, content), key)
        except TooLarge as error:
            await self._shorten(slot, content, error)
            return
        except Refused as error:
            await self._give_up(slot, error)
            return
        first, slot.shown = slot.shown is None, content
        await self._sent(slot, first=first)

    async def _shorten(self, slot: _Slot, content: Content, error: TooLarge) -> None:
        short = _too_large(content)
        if content == short:
            await self._give_up(slot, error)
            return
        slot.posted = short
        if slot.wanted == content:
            slot.wanted = short
            async with self._store.transaction() as tx:
                await tx.messages.want(slot.key, slot.room, short)

    async def _give_up(self, slot: _Slot, error: OpsError) -> None:
        log.error("will not be said", room=slot.room, key=slot.key, why=error.summary)
        self._slots[slot.room].pop(slot.key, None)
        async with self._store.transaction() as tx:
            await tx.messages.give_up(slot.key)

    async def _sent(self, slot: _Slot, *, first: bool) -> None:
        done = slot.final and not slot.pending
        if done:
            self._slots[slot.room].pop(slot.key, None)
        if (first or done) and slot.event_id:
            async with self._store.transaction() as tx:
                await tx.messages.said(slot.key, slot.event_id, slot.shown if done else None)


def _next(slots: Iterable[_Slot]) -> _Slot | None:
    return min((s for s in slots if s.pending), key=lambda slot: slot.urgency, default=None)


def _too_large(content: Content) -> Content:
    short = {key: content[key] for key in content if key not in ("format", "formatted_body")}
    return {**short, "body": "This answer is too large for the homeserver."}
