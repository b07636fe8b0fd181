"""Messages: what the bot means to say, and what of it has been said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from fleet.store.steady import SteadyConnection
from fleet.store.tables import messages

Content = dict[str, Any]
"""The content of an `m.room.message` event."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message in one room, posted once and then edited until it says what is wanted."""

    key: str
    """Names it for good; the first send's transaction id comes from it."""
    room: str
    posted: Content
    """What it is first sent as, whatever is wanted by then, so that a resend is the same event."""
    wanted: Content
    event_id: str | None = None


class Messages:
    """The messages table, within one transaction."""

    def __init__(self, connection: SteadyConnection) -> None:
        self._connection = connection

    async def want(self, key: str, room: str, content: Content) -> Message:
        """Have this message say this; it is made if it is new."""
        statement = insert(messages).values(
            key=key, room=room, posted=content, wanted=content, done=False
        )
        row = await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["key"], set_={"wanted": content, "done": False}
            ).returning(messages)
        )
        return _message(row.one())

    async def unsaid(self) -> list[Message]:
        """Messages that do not yet say what is wanted, oldest first."""
        query = sa.select(messages).where(~messages.c.done).order_by(messages.c.id)
        return [_message(row) for row in await self._connection.execute(query)]

    async def get(self, key: str) -> Message | None:
        """The message of that key."""
        query = sa.select(messages).where(messages.c.key == key)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _message(row)

    async def said(self, key: str, event_id: str, content: Content | None) -> None:
        """Note its event, and that nothing is left to say if `content` is what is wanted."""
        row = await self.get(key)
        done = row is not None and content is not None and row.wanted == content
        await self._connection.execute(
            sa.update(messages)
            .where(messages.c.key == key)
            .values(event_id=event_id, done=messages.c.done | sa.literal(done))
        )

    async def give_up(self, key: str) -> None:
        """The homeserver will not have it: try no more."""
        await self._connection.execute(
            sa.update(messages).where(messages.c.key == key).values(done=True)
        )


def _message(row: sa.Row[tuple[Any, ...]]) -> Message:
    return Message(row.key, row.room, row.posted, row.wanted, row.event_id)
