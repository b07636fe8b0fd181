"""API keys: whose they are and what they may, never what opens them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.keys import Key, Owner
from domain.quotas import read_quota
from fleet.store.insert import insert
from fleet.store.tables import keys


class Keys:
    """The keys table, within one transaction. None is ever removed: what was used is told by it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def all(self) -> list[Key]:
        """Every key, revoked ones included, oldest first."""
        query = sa.select(keys).order_by(keys.c.created_at, keys.c.id)
        return [_key(row) for row in await self._connection.execute(query)]

    async def made_by(self, operation: str) -> Key | None:
        """The key that an operation made, if it got that far."""
        query = sa.select(keys).where(keys.c.operation == operation)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _key(row)

    async def add(self, key: Key, operation: str) -> bool:
        """Keep a new one. False, and nothing kept, where there is one of that id."""
        values = {
            "id": key.id,
            "operation": operation,
            "owner_kind": key.owner.kind,
            "owner": key.owner.name,
            "digest": key.digest,
            "models": list(key.models),
            "quotas": [str(quota) for quota in key.quotas],
            "created_at": key.created_at,
            "created_by": key.created_by,
            "expires_at": key.expires_at,
            "revoked_at": key.revoked_at,
            "revoked_by": key.revoked_by,
        }
        statement = insert(keys).values(values).on_conflict_do_nothing(index_elements=["id"])
        return bool((await self._connection.execute(statement)).rowcount)

    async def revoke(self, name: str, by: str, at: datetime) -> bool:
        """Note that it opens nothing any more. False where it did not before, or is not there."""
        which = (keys.c.id == name, keys.c.revoked_at.is_(None))
        statement = sa.update(keys).where(*which).values(revoked_at=at, revoked_by=by)
        return bool((await self._connection.execute(statement)).rowcount)


def _key(row: sa.Row[tuple[Any, ...]]) -> Key:
    return Key(
        id=row.id,
        owner=Owner(row.owner_kind, row.owner),
        digest=row.digest,
        created_at=row.created_at,
        created_by=row.created_by,
        models=tuple(row.models),
        quotas=tuple(map(read_quota, row.quotas)),
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
    )
