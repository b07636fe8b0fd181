"""Operations: every command that was accepted, from its filing to its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.operations import Operation, State, operation_id
from fleet.store.insert import insert
from fleet.store.messages import about
from fleet.store.tables import Moment, messages, operations, revisions, services, turns

_FIELDS = [operations.c[name] for name in Operation.__dataclass_fields__]

# Made once: putting a statement together takes SQLAlchemy longer than SQLite takes to run it.
_LAST = sa.select(sa.func.max(operations.c.filed_order))
_FILE = insert(operations).on_conflict_do_nothing().returning(operations.c.origin)
_UPDATE = sa.update(operations).where(operations.c.id == sa.bindparam("of"))
_ALL = sa.select(*_FIELDS).order_by(operations.c.filed_order)
_BY_ID = _ALL.where(operations.c.id == sa.bindparam("of"))
_BY_ORIGIN = _ALL.where(operations.c.origin == sa.bindparam("origin"))
_UNENDED = (
    sa.select(*_FIELDS)
    .where(operations.c.state.in_([s.value for s in State if not s.ended]))
    .order_by(
        operations.c.state == State.WAITING.value,
        operations.c.rollout.is_(None),
        operations.c.filed_order,
    )
)
_RECENT = (
    sa.select(*_FIELDS)
    .where(operations.c.changes)
    .order_by(operations.c.filed_order.desc())
    .limit(sa.bindparam("limit"))
)
_START = _UPDATE.values(
    state=sa.case(
        (operations.c.state == State.WAITING.value, State.WAITING.value),
        else_=State.RUNNING.value,
    ),
    service=sa.bindparam("service"),
    started_at=sa.func.coalesce(operations.c.started_at, sa.bindparam("at", type_=Moment)),
)
_CANCEL = _UPDATE.values(
    cancelled_by=sa.func.coalesce(operations.c.cancelled_by, sa.bindparam("by"))
)

_BEFORE = sa.bindparam("before", type_=Moment)
_REFERRED_TO = sa.union_all(sa.select(services.c.operation), sa.select(revisions.c.operation))
_TALKED_IN = sa.select(turns.c.root).where(turns.c.at >= _BEFORE)
_IN_USE = sa.exists().where(
    about(messages.c.key, operations.c.id),
    ~messages.c.done | messages.c.event_id.in_(_TALKED_IN),
)
_OLD = (
    sa.select(operations.c.id)
    .where(operations.c.ended_at < _BEFORE, operations.c.said_at < _BEFORE)
    .where(operations.c.id.not_in(_REFERRED_TO), operations.c.origin.not_in(_TALKED_IN), ~_IN_USE)
    .order_by(operations.c.filed_order)
    .limit(sa.bindparam("limit"))
)


class Operations:
    """The operations table, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def file(self, found: Iterable[Operation]) -> list[Operation]:
        """Keep those whose origin is new, and return just these, in order."""
        wanted = list({operation.origin: operation for operation in found}.values())
        filed = await self._insert(wanted)
        left = [operation for operation in wanted if operation.origin not in filed]
        filed |= {o.origin: o for o in await self._file_under_longer_ids(left)}
        return [filed[operation.origin] for operation in wanted if operation.origin in filed]

    async def _file_under_longer_ids(self, left: Sequence[Operation]) -> list[Operation]:
        """File those that were not taken because, rarely, another origin has the same id."""
        origins = [operation.origin for operation in left]
        if not origins:
            return []
        query = sa.select(operations.c.origin).where(operations.c.origin.in_(origins))
        known = set((await self._connection.execute(query)).scalars())
        return await self.file(
            replace(each, id=operation_id(each.origin, len(each.id) + 1))
            for each in left
            if each.origin not in known
        )

    async def _insert(self, wanted: Sequence[Operation]) -> dict[str, Operation]:
        """All in one statement. Returns those that were taken: neither origin nor id was known."""
        if not wanted:
            return {}
        last = await self._connection.scalar(_LAST)
        rows = [
            {column.name: getattr(operation, column.name) for column in _FIELDS}
            | {"state": operation.state.value, "filed_order": order}
            for order, operation in enumerate(wanted, 1 + (last or 0))
        ]
        taken = await self._connection.execute(_FILE, rows)
        found = {operation.origin: operation for operation in wanted}
        return {origin: found[origin] for origin in taken.scalars()}

    async def get(self, name: str) -> Operation | None:
        """The operation of that id."""
        return _first(await self._connection.execute(_BY_ID, {"of": name}))

    async def by_origin(self, origin: str) -> Operation | None:
        """The operation that event became."""
        return _first(await self._connection.execute(_BY_ORIGIN, {"origin": origin}))

    async def unended(self) -> list[Operation]:
        """Everything that was accepted and has not ended: what is planned already, which had its
        turn, then the rest, each in the order it was accepted."""
        return [_operation(row) for row in await self._connection.execute(_UNENDED)]

    async def recent(self, limit: int) -> list[Operation]:
        """The newest operations that change something, newest first."""
        rows = await self._connection.execute(_RECENT, {"limit": limit})
        return [_operation(row) for row in rows]

    async def started(self, name: str, service: str | None, at: datetime) -> None:
        """Note that work on it began; a second beginning after a restart changes nothing, nor does
        it keep people from being waited for."""
        await self._connection.execute(_START, {"of": name, "service": service, "at": at})

    async def waits(self, name: str) -> None:
        """Note that it waits for people to decide about it."""
        await self._update(name, state=State.WAITING.value)

    async def goes_on(self, name: str) -> None:
        """Note that it waits no longer."""
        await self._update(name, state=State.RUNNING.value)

    async def ended(self, name: str, state: State, summary: str, at: datetime) -> None:
        """Note how it ended."""
        await self._update(name, state=state.value, summary=summary, ended_at=at)

    async def keep_rollout(self, name: str, rollout: str | None) -> None:
        """Keep what was planned, so that a resumed operation carries out the same plan; None
        forgets it."""
        await self._update(name, rollout=rollout)

    async def rollout(self, name: str) -> str | None:
        """What was planned for it, if anything was yet."""
        return await self._column(name, operations.c.rollout)

    async def cancel(self, name: str, by: str) -> None:
        """Note who asked for its end; the first one counts."""
        await self._connection.execute(_CANCEL, {"of": name, "by": by})

    async def cancelled_by(self, name: str) -> str | None:
        """Who asked for its end, if anybody did."""
        return await self._column(name, operations.c.cancelled_by)

    async def old(self, before: datetime, limit: int) -> list[str]:
        """Ids of operations that were said and ended before then, oldest first.

        Left out is what is still of use: what a service or a revision of one came from, what the
        room was not told the end of, and what a conversation hangs on that went on since.
        """
        return list(await self._connection.scalars(_OLD, {"before": before, "limit": limit}))

    async def drop(self, names: Iterable[str]) -> None:
        """Forget these. Their origins are new again: no event may be run twice for that."""
        await self._connection.execute(
            sa.delete(operations).where(operations.c.id.in_(list(names)))
        )

    async def _column(self, name: str, column: sa.Column[str]) -> str | None:
        found = await self._connection.scalar(sa.select(column).where(operations.c.id == name))
        return None if found is None else str(found)

    async def _update(self, name: str, **values: object) -> None:
        await self._connection.execute(_UPDATE, {"of": name, **values})


def _first(rows: Iterable[sa.Row[tuple[object, ...]]]) -> Operation | None:
    return next((_operation(row) for row in rows), None)


def _operation(row: sa.Row[tuple[object, ...]] | Sequence[object]) -> Operation:
    values = dict(zip(Operation.__dataclass_fields__, row, strict=True))
    values["state"] = State(str(values["state"]))
    return Operation(**values)  # type: ignore[arg-type]
