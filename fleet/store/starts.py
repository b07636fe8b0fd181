"""Starts: how long it took until each revision first served."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.services import ServiceSpec
from domain.starts import Start
from fleet.store.tables import decisions, revisions

_LATELY = (
    sa.select(revisions.c.spec, revisions.c.at, decisions.c.begun_at)
    .join(decisions, decisions.c.operation == revisions.c.operation)
    .where(decisions.c.begun_at.is_not(None))
    .order_by(revisions.c.at.desc())
    .limit(sa.bindparam("limit"))
)


class Starts:
    """What revisions and decisions tell together, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lately(self, limit: int = 200) -> list[Start]:
        """The newest first. A revision that runs nowhere, or on several targets, tells of none."""
        found = []
        for row in await self._connection.execute(_LATELY, {"limit": limit}):
            spec = ServiceSpec.model_validate_json(row.spec)
            places = [place.target for place in spec.placements if place.replicas]
            if len(places) == 1:
                seconds = (row.at - row.begun_at).total_seconds()
                found.append(Start(spec.source, places[0], seconds))
        return found
