"""Services: what should run, and every revision that once did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.made_of import MadeOf, replaced
from domain.services import ServiceSpec
from fleet.store.insert import insert
from fleet.store.tables import expiries, revisions, services


@dataclass(frozen=True, slots=True)
class Wanted:
    """A service that should run, and who last said so."""

    spec: ServiceSpec
    room: str
    """Where it was last changed: news about it go there."""
    operation: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Revision:
    """What a service once was."""

    number: int
    """Counted from 1 for each service, over removals too."""
    revision: str
    spec: ServiceSpec
    operation: str
    """What made it so."""
    at: datetime
    resolved: MadeOf = ()
    """What it was really made of when it first ran; empty where no target could tell."""


class Services:
    """The services and revisions tables, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def all(self) -> list[Wanted]:
        """Every service that should run, by name."""
        rows = await self._connection.execute(sa.select(services).order_by(services.c.name))
        return [_wanted(row) for row in rows]

    async def names(self) -> list[str]:
        """The names alone, in order."""
        query = sa.select(services.c.name).order_by(services.c.name)
        return list(await self._connection.scalars(query))

    async def get(self, name: str) -> Wanted | None:
        """The service of that name."""
        query = sa.select(services).where(services.c.name == name)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _wanted(row)

    async def put(self, wanted: Wanted, resolved: MadeOf = ()) -> None:
        """Want this from now on, and remember it as a revision if it is a new one.

        It is a new one, too, if it now runs with another file than the same revision did before.
        """
        values = {
            "spec": wanted.spec.model_dump_json(),
            "room": wanted.room,
            "operation": wanted.operation,
            "changed_at": wanted.changed_at,
        }
        statement = insert(services).values(name=wanted.spec.name, **values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["name"], set_=values)
        )
        await self._remember(wanted, resolved)

    async def remove(self, name: str) -> None:
        """Want nothing of that name any more; its revisions stay as history, its end does not."""
        await self._connection.execute(sa.delete(expiries).where(expiries.c.service == name))
        await self._connection.execute(sa.delete(services).where(services.c.name == name))

    async def history(self, name: str) -> list[Revision]:
        """Every revision of a service, removed or not, the newest first."""
        query = (
            sa.select(revisions)
            .where(revisions.c.service == name)
            .order_by(revisions.c.number.desc())
        )
        return [
            Revision(
                row.number,
                row.revision,
                ServiceSpec.model_validate_json(row.spec),
                row.operation,
                row.at,
                _made_of(row.resolved),
            )
            for row in await self._connection.execute(query)
        ]

    async def _remember(self, wanted: Wanted, resolved: MadeOf) -> None:
        spec = wanted.spec
        row = (await self._connection.execute(_LATEST, {"of": spec.name})).one_or_none()
        if row is not None and row.revision == spec.revision:
            if not row.resolved and resolved:
                await self._resolve(spec.name, row.number, resolved)
            if replaced(_made_of(row.resolved), resolved) is None:
                return
        await self._connection.execute(
            sa.insert(revisions).values(
                service=spec.name,
                number=1 if row is None else row.number + 1,
                revision=spec.revision,
                spec=spec.model_dump_json(),
                operation=wanted.operation,
                at=wanted.changed_at,
                resolved=list(resolved) or None,
            )
        )

    async def _resolve(self, name: str, number: int, resolved: MadeOf) -> None:
        """Fill in what could not be told before: it was stopped then, or an older release."""
        this = (revisions.c.service == name, revisions.c.number == number)
        await self._connection.execute(
            sa.update(revisions).where(*this).values(resolved=list(resolved))
        )


_LATEST = (
    sa.select(revisions.c.number, revisions.c.revision, revisions.c.resolved)
    .where(revisions.c.service == sa.bindparam("of"))
    .order_by(revisions.c.number.desc())
    .limit(1)
)


def _made_of(kept: list[list[str]] | None) -> MadeOf:
    return tuple((what, which) for what, which in kept or ())


def _wanted(row: sa.Row[tuple[object, ...]]) -> Wanted:
    spec = ServiceSpec.model_validate_json(row.spec)
    return Wanted(spec, row.room, row.operation, row.changed_at)
