"""One queue a room: what is to be said, until it has been said."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import structlog

from bot.matrix.answers import Forbidden, RateLimited, TooLarge
from bot.matrix.api import MatrixApi
from bot.matrix.attachments import ATTACHED, Attachments, too_large
from bot.matrix.content import Content, edit
from bot.matrix.patience import Patience
from bot.matrix.slots import PROGRESS, Slot, most_urgent
from domain.clock import Clock
from domain.errors import OpsError, Refused, Unreachable
from fleet.store.database import Store
from fleet.store.messages import Message

log = structlog.get_logger()

NOTED_WITHIN = 0.25
"""Seconds after which it is noted what was said, however much there is still to say."""


class Outbox:
    """Says what is wanted: messages once each, edits coalesced, rooms apart from each other."""

    def __init__(
        self, api: MatrixApi, store: Store, clock: Clock, *, listens: bool = False
    ) -> None:
        self._api = api
        self._attachments = Attachments(api, store)
        self._store = store
        self._clock = clock
        self._slots: dict[str, dict[str, Slot]] = {}
        self._wake: dict[str, asyncio.Event] = {}
        self._flying: dict[str, set[str]] = {}
        """Room that is served -> subjects of which something is being sent."""
        self._newer: set[str] | None = set()
        """Keys delivered before what an earlier run left was read; None once that is done."""
        self._receipts: list[tuple[str, str, Content | None, int]] = []
        """(key, event id, what it says if that is all, attempt) of what was said and not noted
        yet."""
        self._received = asyncio.Event()
        self._noted = asyncio.Event()
        """Set while there is nothing to note."""
        self._noted.set()
        self._idle = asyncio.Event()
        """Set while there is nothing left to send but progress."""
        self._idle.set()
        self._patience = Patience(clock)
        self._may_speak = asyncio.Event()
        """Set once it is known what another device of ours has said, if there may be one."""
        if not listens:
            self._may_speak.set()
        self._edited_at = 0.0
        """When progress was last shown, in whatever room."""
        self._group: asyncio.TaskGroup | None = None
        self.forbidden: asyncio.Queue[str] = asyncio.Queue()
        """Rooms that did not let us speak."""

    async def run(self) -> None:
        """Send, for ever. Begins with what an earlier run left unsaid. Raises LoggedOut."""
        try:
            await self._run()
        except ExceptionGroup as group:
            raise group.exceptions[0] from group

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._keep_receipts(), name="outbox receipts")
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
        """Have the room see this message as it is kept in the store.

        One that a person took away is given up, whatever it should have said; of one that is to be
        said anew, what is on its way counts no more.
        """
        if self._newer is not None:
            self._newer.add(message.key)
        if message.redacted:
            self._slots.get(message.room, {}).pop(message.key, None)
            self._rest()
            return
        slots = self._slots.setdefault(message.room, {})
        slot = slots.get(message.key)
        if slot is None or slot.attempt < message.attempt:
            slot = Slot(message.key, message.room, message.posted, message.wanted, message.event_id)
            slot.attempt = message.attempt
            slots[message.key] = slot
        slot.wanted, slot.final = message.wanted, final
        self._rest()
        self._employ(message.room)
        self._wake[message.room].set()

    def show(self, key: str, room: str, content: Content) -> None:
        """Have a message that was delivered show progress; the latest wins, none is kept."""
        slot = self._slots.get(room, {}).get(key)
        if slot is not None and not slot.final:
            slot.wanted = content
            self._wake[room].set()

    def heard(self, said: Mapping[str, str]) -> None:
        """Another device of ours said these, message key -> event id, as the store knows by now.
        From the first time on, even if it was nothing, there is no reason left to be silent."""
        for slots in self._slots.values():
            for slot in slots.values():
                slot.event_id = slot.event_id or said.get(slot.key)
        self._may_speak.set()

    async def settled(self, seconds: float) -> None:
        """Wait until everything has been said but progress, and noted, but not longer than that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
                await self._noted.wait()

    async def noted(self) -> None:
        """Wait until what was said can be found in the store by its event id."""
        await self._noted.wait()

    async def answered(self, seconds: float) -> None:
        """Wait until what is wanted now has been sent, but not longer than that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    async def _keep_receipts(self) -> None:
        """Note what was said, many at once and behind the sending: after a crash in between it
        is sent again under the same transaction id, which says nothing twice."""
        while True:
            await self._received.wait()
            await self.answered(NOTED_WITHIN)
            self._received.clear()
            receipts = list(self._receipts)
            async with self._store.transaction() as tx:
                for key, event_id, content, attempt in receipts:
                    noted = await tx.messages.said(key, event_id, content, attempt)
                    if noted and content is not None and ATTACHED in content:
                        await tx.files.drop(key)
            del self._receipts[: len(receipts)]
            if not self._receipts:
                self._noted.set()

    def _rest(self) -> None:
        """Tell those who wait whether there is anything left to send but progress."""
        slots = (slot for slots in self._slots.values() for slot in slots.values())
        if any(slot.pending and slot.urgency < PROGRESS for slot in slots):
            self._idle.clear()
        else:
            self._idle.set()

    def _employ(self, room: str) -> None:
        """See to it that somebody sends for this room."""
        self._wake.setdefault(room, asyncio.Event())
        if self._group is not None and room not in self._flying:
            self._flying[room] = set()
            self._group.create_task(self._serve(room, self._group), name=f"outbox {room}")

    async def _serve(self, room: str, group: asyncio.TaskGroup) -> None:
        """Begin to send in order, so many at a time; of one subject one after the other, and
        progress only when nothing else is on its way."""
        wake, flying = self._wake[room], self._flying[room]
        await self._may_speak.wait()
        while True:
            await self._patience.wait(room)
            free = (each for each in self._slots[room].values() if each.subject not in flying)
            slot = most_urgent(free) if len(flying) < self._patience.at_once else None
            if slot is None or (slot.urgency == PROGRESS and flying):
                wake.clear()
                self._rest()
                await wake.wait()
                continue
            if slot.urgency == PROGRESS and not await self._may_show(slot, wake):
                continue
            flying.add(slot.subject)
            group.create_task(self._attempt(slot), name=f"send {slot.key}")

    async def _attempt(self, slot: Slot) -> None:
        room = slot.room
        try:
            await self._send(slot)
            self._patience.went_well(room)
        except RateLimited as error:
            self._patience.limited(error.seconds)
        except Unreachable as error:
            self._patience.failed(room, error)
        finally:
            self._flying[room].discard(slot.subject)
            self._wake[room].set()

    async def _may_show(self, slot: Slot, wake: asyncio.Event) -> bool:
        """Take the next edit that is due for this slot; when none is, wait until one is or
        something else is to be said."""
        now = self._clock.monotonic()
        due = self._patience.until_progress(self._edited_at)
        if not due:
            self._edited_at = slot.edited_at = now
            return True
        wake.clear()
        waiting = [asyncio.create_task(work) for work in (wake.wait(), self._clock.sleep(due))]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
        return False

    def _is_current(self, slot: Slot) -> bool:
        """False once its message is taken away, or is to be said anew."""
        return self._slots[slot.room].get(slot.key) is slot

    async def _send(self, slot: Slot) -> None:
        if not self._is_current(slot):
            return
        content = slot.posted if slot.event_id is None else slot.wanted
        transaction = slot.transaction(content)
        try:
            if slot.event_id is None:
                said = {key: event_id for key, event_id, *_ in self._receipts}
                ready = await self._attachments.ready(slot.key, slot.room, content, said)
                slot.event_id = await self._api.send(slot.room, ready, transaction)
            else:
                await self._api.send(slot.room, edit(slot.event_id, content), transaction)
        except TooLarge as error:
            await self._shorten(slot, content, error)
            return
        except Refused as error:
            await self._give_up(slot, error)
            return
        first, slot.shown = slot.shown is None, content
        await self._sent(slot, first=first)

    async def _shorten(self, slot: Slot, content: Content, error: TooLarge) -> None:
        short = too_large(content)
        if content == short:
            await self._give_up(slot, error)
            return
        slot.posted = short
        if slot.wanted == content:
            slot.wanted = short
            async with self._store.transaction() as tx:
                await tx.messages.want(slot.key, slot.room, short)

    async def _give_up(self, slot: Slot, error: OpsError) -> None:
        log.error("will not be said", room=slot.room, key=slot.key, why=error.summary)
        if isinstance(error, Forbidden):
            self.forbidden.put_nowait(slot.room)
        if not self._is_current(slot):
            return
        self._slots[slot.room].pop(slot.key, None)
        async with self._store.transaction() as tx:
            await tx.messages.give_up(slot.key)
            await tx.files.drop(slot.key)
        self._attachments.forget(slot.key)

    async def _sent(self, slot: Slot, *, first: bool) -> None:
        done = slot.final and not slot.pending
        if done and self._is_current(slot):
            self._slots[slot.room].pop(slot.key, None)
        if (first or done) and slot.event_id:
            shown = slot.shown if done else None
            self._receipts.append((slot.key, slot.event_id, shown, slot.attempt))
            self._noted.clear()
            self._received.set()
        if done:
            self._attachments.forget(slot.key)
