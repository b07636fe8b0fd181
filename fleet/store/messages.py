"""Messages: what the bot means to say, and what of it has been said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fleet.store.insert import insert
from fleet.store.tables import messages

Content = dict[str, Any]
"""The content of an `m.room.message` event."""

_OPERATION = "operation:"

# Made once: putting a statement together takes SQLAlchemy longer than SQLite takes to run it.
_NEW = insert(messages)
_WANT = _NEW.on_conflict_do_update(
    index_elements=["key"],
    set_={"wanted": _NEW.excluded.wanted, "done": messages.c.redacted},
).returning(messages)
_BY_KEY = sa.select(messages).where(messages.c.key == sa.bindparam("of"))
_CHANGE = sa.update(messages).where(messages.c.key == sa.bindparam("of"))
_SAID_NOW = sa.bindparam("said", type_=sa.JSON)  # as text: PostgreSQL does not compare JSON
_ATTEMPTED = _CHANGE.where(messages.c.attempt == sa.bindparam("at"))
_ANEW = _CHANGE.where(~messages.c.redacted).values(attempt=messages.c.attempt + 1, done=False)
_SAID = _ATTEMPTED.values(
    event_id=sa.bindparam("event"),
    done=messages.c.done | (sa.cast(messages.c.wanted, sa.Text) == sa.cast(_SAID_NOW, sa.Text)),
)


def key_of(operation: str) -> str:
    """The key of the one message about an operation. Others about it have more behind that."""
    return f"{_OPERATION}{operation}"


def about(key: sa.ColumnElement[str], operation: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether a key is that of a message about an operation, the one or another."""
    first = sa.literal(_OPERATION) + operation
    return (key == first) | ((key > first + ":") & (key < first + ";"))  # `;` comes after `:`


_DROP = sa.delete(messages).where(about(messages.c.key, sa.bindparam("of", type_=sa.String)))


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
    redacted: bool = False
    """True once a person took it away: then it says nothing any more."""
    attempt: int = 0
    """How often it had to be said anew. Each time is another transaction."""

    @property
    def operation(self) -> str | None:
        """The id of the operation it is about, if it is about one."""
        if not self.key.startswith(_OPERATION):
            return None
        return self.key.removeprefix(_OPERATION).partition(":")[0]


class Messages:
    """The messages table, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def want(self, key: str, room: str, content: Content) -> Message:
        """Have this message say this; it is made if it is new. A redacted one stays as it is."""
        new = {"key": key, "room": room, "posted": content, "wanted": content, "done": False}
        return _message((await self._connection.execute(_WANT, new)).one())

    async def unsaid(self) -> list[Message]:
        """Messages that do not yet say what is wanted, oldest first."""
        query = sa.select(messages).where(~messages.c.done).order_by(messages.c.id)
        return [_message(row) for row in await self._connection.execute(query)]

    async def get(self, key: str) -> Message | None:
        """The message of that key."""
        row = (await self._connection.execute(_BY_KEY, {"of": key})).one_or_none()
        return None if row is None else _message(row)

    async def by_event(self, room: str, event_id: str) -> Message | None:
        """The message a room sees as that event."""
        where = (messages.c.event_id == event_id, messages.c.room == room)
        row = (await self._connection.execute(sa.select(messages).where(*where))).first()
        return None if row is None else _message(row)

    async def redact(self, room: str, event_id: str) -> Message | None:
        """Note that a person took this one away. Returns it if it had not said all it should."""
        where = (messages.c.event_id == event_id, messages.c.room == room)
        query = sa.select(messages).where(*where, ~messages.c.done)
        row = (await self._connection.execute(query)).first()
        await self._connection.execute(
            sa.update(messages).where(*where).values(redacted=True, done=True)
        )
        return None if row is None else replace(_message(row), redacted=True)

    async def anew(self, key: str, *, whole: bool) -> Message | None:
        """Have it said another time: by another event if `whole`, else by another edit of the one
        it is. None for one that a person took away."""
        change = _ANEW.values(event_id=None, posted=messages.c.wanted) if whole else _ANEW
        row = (await self._connection.execute(change.returning(messages), {"of": key})).first()
        return None if row is None else _message(row)

    async def said(
        self, key: str, event_id: str, content: Content | None, attempt: int = 0
    ) -> bool:
        """Note its event, and that nothing is left to say if `content` is what is wanted.

        False, and nothing noted, for what an earlier attempt said.
        """
        note = {"of": key, "at": attempt}
        if content is None:
            done = await self._connection.execute(_ATTEMPTED, {**note, "event_id": event_id})
        else:
            values = {**note, "event": event_id, "said": content}
            done = await self._connection.execute(_SAID, values)
        return bool(done.rowcount)

    async def give_up(self, key: str) -> None:
        """The homeserver will not have it: try no more."""
        await self._connection.execute(
            sa.update(messages).where(messages.c.key == key).values(done=True)
        )

    async def drop_about(self, names: Iterable[str]) -> None:
        """Forget what was said of these operations."""
        about_them = [{"of": name} for name in names]
        if about_them:
            await self._connection.execute(_DROP, about_them)


def _message(row: sa.Row[tuple[Any, ...]]) -> Message:
    fields = (row.key, row.room, row.posted, row.wanted, row.event_id, row.redacted)
    return Message(*fields, row.attempt)
