"""Incidents: up to where they were told, and the latest of each service."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.incidents import Incident
from fleet.store.insert import insert
from fleet.store.tables import incidents, watched


class Incidents:
    """The watched and incidents tables, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def upto(self, target: str, now: datetime) -> datetime:
        """Up to where a target's incidents were told; from now on for one that is new."""
        statement = insert(watched).values(target=target, upto=now)
        await self._connection.execute(statement.on_conflict_do_nothing())
        query = sa.select(watched.c.upto).where(watched.c.target == target)
        found: datetime = (await self._connection.execute(query)).scalar_one()
        return found

    async def reached(self, target: str, upto: datetime) -> None:
        """Everything before that moment was told. It never goes back."""
        this = (watched.c.target == target, watched.c.upto < upto)
        await self._connection.execute(sa.update(watched).where(*this).values(upto=upto))

    async def put(self, incident: Incident) -> None:
        """Remember it as the latest of its service."""
        values = {"at": incident.at, "text": str(incident)}
        statement = insert(incidents).values(service=incident.replica.service, **values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["service"], set_=values)
        )

    async def latest(self, service: str) -> tuple[datetime, str] | None:
        """(when, what) of the latest incident of a service."""
        query = sa.select(incidents.c.at, incidents.c.text).where(incidents.c.service == service)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else (row.at, row.text)

    async def forget(self, service: str) -> None:
        """The service is removed."""
        await self._connection.execute(sa.delete(incidents).where(incidents.c.service == service))
