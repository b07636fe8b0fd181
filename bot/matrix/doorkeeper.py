"""Does what rooms ask of the bot: come in, come along, or stay out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from bot.matrix.admins import Admins
from bot.matrix.answers import Forbidden, RateLimited
from bot.matrix.api import MatrixApi
from bot.matrix.entering import Entrance
from bot.matrix.news import Departure, Invitation, Sync, Tombstone
from bot.matrix.rooms import put_out
from bot.matrix.upgrades import Upgrades
from domain.clock import Clock
from domain.errors import Refused, Unreachable

log = structlog.get_logger()

FIRST_WAIT = 5.0
LONGEST_WAIT = 60.0
"""Seconds before something that did not work is tried again."""

KNOCKS = 3
"""How often an invitation is taken up that counts for nothing there. Across servers it is shown to
whom it is for before the server that it comes from has put it on record (Matrix server-server API,
"Inviting to a room")."""


class Doorkeeper:
    """Notes what a sync says of rooms, and sees to it outside the sync loop."""

    def __init__(
        self,
        api: MatrixApi,
        entrance: Entrance,
        upgrades: Upgrades,
        admins: Admins,
        may_invite: Callable[[Invitation], bool],
        clock: Clock,
    ) -> None:
        self._api = api
        self._entrance = entrance
        self._upgrades = upgrades
        self._admins = admins
        self._may_invite = may_invite
        self._clock = clock
        self._invitations: dict[str, Invitation] = {}
        self._knocks: Counter[str] = Counter()
        self._tombstones: dict[str, Tombstone] = {}
        self._looked = False
        self._wake = asyncio.Event()

    async def attend(self, news: Sync) -> None:
        """Note what came, before it counts as read. Never waits on the homeserver."""
        for departure in news.departures:
            await self._put_out(departure)
        for room in news.left:
            self._forget(room)
            self._tombstones.pop(room, None)
        self._invitations |= {each.room: each for each in news.invitations}
        self._tombstones |= {each.room: each for each in news.tombstones}
        for timeline in news.timelines:
            self._entrance.arrived(timeline.room)
        self._wake.set()

    async def run(self) -> None:
        """See to what was noted, for ever. Raises LoggedOut."""
        wait = FIRST_WAIT
        while True:
            await self._wake.wait()
            self._wake.clear()
            if await self.work():
                wait = FIRST_WAIT
            else:
                await self._clock.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
                self._wake.set()

    async def work(self) -> bool:
        """See to everything once. False when something is to be tried again."""
        done = [self._looked or await self._managed(self._look)]
        for stone in list(self._tombstones.values()):
            done.append(await self._managed(partial(self._upgrades.follow, stone)))
            if done[-1] and self._tombstones.get(stone.room) is stone:
                del self._tombstones[stone.room]
        for each in list(self._invitations.values()):
            done.append(await self._managed(partial(self._answer, each)))
            if done[-1] and self._invitations.get(each.room) is each:
                self._forget(each.room)
        return all(done)

    async def _managed(self, act: Callable[[], Awaitable[None]]) -> bool:
        try:
            await act()
        except RateLimited as error:
            await self._clock.sleep(error.seconds)
            return False
        except Unreachable as error:
            log.warning("put off", why=error.summary)
            return False
        return True

    async def _look(self) -> None:
        """Invitations that an earlier run saw and did not answer: no sync brings them again."""
        for invitation in await self._api.invitations():
            self._invitations.setdefault(invitation.room, invitation)
        self._looked = True

    async def _answer(self, invitation: Invitation) -> None:
        room, sender = invitation.room, invitation.sender
        try:
            if self._upgrades.awaits(room):
                await self._upgrades.invited(room)
            elif self._may_invite(invitation):
                await self._entrance.enter(room)
                log.info("joined", room=room, invited_by=sender)
            else:
                log.warning("invitation declined", room=room, by=sender, why="see invites_from")
                await self._api.leave(room)
        except Refused as error:
            self._knocks[room] += 1
            if isinstance(error, Forbidden) and self._knocks[room] < KNOCKS:
                raise Unreachable(f"{room}: {error.summary}") from error
            log.warning("invitation came to nothing", room=room, by=sender, why=error.summary)

    def _forget(self, room: str) -> None:
        self._invitations.pop(room, None)
        del self._knocks[room]

    async def _put_out(self, departure: Departure) -> None:
        room, text = departure.room, put_out(departure)
        how = "banned" if departure.banned else "removed"
        log.warning("put out", room=room, by=departure.sender, how=how, why=departure.reason)
        await self._admins.tell(f"put-out:{departure.event_id}", text)
