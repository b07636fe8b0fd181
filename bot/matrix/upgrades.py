"""Follows rooms that were upgraded, once it is sure that they were."""

from __future__ import annotations

import structlog

from bot.matrix.admins import Admins
from bot.matrix.answers import Forbidden
from bot.matrix.api import MatrixApi
from bot.matrix.content import notice
from bot.matrix.entering import Entrance, resolve
from bot.matrix.news import Tombstone
from bot.matrix.rooms import Powers, continues, goes_on, server, uninvited
from commands.rooms import RoomBook
from domain.clock import Clock
from domain.errors import Refused
from fleet.store.database import Store

log = structlog.get_logger()


class Upgrades:
    """From a tombstone to a room that has taken the place of the old one. Safe to begin again."""

    def __init__(
        self,
        api: MatrixApi,
        store: Store,
        book: RoomBook,
        entrance: Entrance,
        admins: Admins,
        clock: Clock,
    ) -> None:
        self._api = api
        self._store = store
        self._book = book
        self._entrance = entrance
        self._admins = admins
        self._clock = clock
        self._awaited: dict[str, Tombstone] = {}
        """Replacement -> the proven tombstone that names it, where we were not let in yet."""

    def awaits(self, room: str) -> bool:
        """Whether an invitation to that room would let us follow an upgrade."""
        return room in self._awaited

    async def invited(self, room: str) -> None:
        """Go on with an upgrade whose new room lets us in now. Raises as `follow` does."""
        await self.follow(self._awaited[room])

    async def follow(self, stone: Tombstone) -> None:
        """Take an upgraded room's place along, or log why not. Raises Unreachable, RateLimited
        and LoggedOut."""
        old, new = stone.room, stone.replacement
        if self._book.successor(old) is not None:
            return
        if new == old or self._book.successor(new) is not None:
            log.warning("upgrade not followed", room=old, to=new, why="it leads back")
            return
        try:
            if not await self._proven(stone):
                return
            await self._api.join(new, via=[server(stone.sender)])
            create = await self._api.state(new, "m.room.create")
        except Forbidden as error:
            await self._shut_out(stone, error)
            return
        except Refused as error:
            log.warning("upgrade not followed", room=old, to=new, why=error.summary)
            return
        if not continues(create, old):
            log.warning("upgrade not followed", room=old, to=new, why="it does not say it is one")
            await self._api.leave(new)
            return
        await self._move(stone)

    async def _proven(self, stone: Tombstone) -> bool:
        """Whether who set a tombstone may: not every homeserver that lets it pass is right."""
        create = await self._api.state(stone.room, "m.room.create")
        levels = await self._api.state(stone.room, "m.room.power_levels")
        may = Powers.of(create, levels).allow(stone.sender, "m.room.tombstone", state=True)
        if not may:
            why = f"{stone.sender} has no power to upgrade it"
            log.warning("upgrade not followed", room=stone.room, to=stone.replacement, why=why)
        return may

    async def _shut_out(self, stone: Tombstone, error: Forbidden) -> None:
        old, new = stone.room, stone.replacement
        self._awaited[new] = stone
        log.warning("upgrade waits for an invitation", room=old, to=new, why=error.summary)
        await self._admins.tell(f"upgrade:{old}", uninvited(old, new, self._api.name(old)))

    async def _move(self, stone: Tombstone) -> None:
        """Keep that one room is the other now, together with what is said of it there."""
        old, new = stone.room, stone.replacement
        await resolve(self._api, self._book)  # aliases move to the new room
        self._awaited.pop(new, None)
        self._book.succeeded(old, new)
        words = notice(goes_on(self._api.name(old), self._book.policy.environment(new)))
        async with self._store.transaction() as tx:
            await tx.rooms.succeeded(old, new, self._clock.now())
            message = await tx.messages.want(f"upgrade:{new}", new, words)
        self._entrance.say_on_arrival(message)
        log.info("upgrade followed", room=old, to=new)
