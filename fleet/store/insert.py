"""INSERT ... ON CONFLICT that SQLite and PostgreSQL understand alike.

SQLAlchemy has one for each. They differ by one attribute that PostgreSQL's compiler looks at, and
importing that dialect would cost a bot on SQLite 50 ms and never be used. So this is SQLite's, with
the attribute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import dml


class _DoNothing(dml.OnConflictDoNothing):
    inherit_cache = True
    constraint_target: ClassVar[None] = None


class _DoUpdate(dml.OnConflictDoUpdate):
    inherit_cache = True
    constraint_target: ClassVar[None] = None


class Insert(SqliteInsert):
    """An INSERT that knows what to do about a row that is there already."""

    inherit_cache = True

    def on_conflict_do_nothing(  # type: ignore[override]
        self, index_elements: Sequence[str] | None = None
    ) -> Self:
        """Leave the row that is there as it is."""
        return self.ext(_DoNothing(index_elements))

    def on_conflict_do_update(  # type: ignore[override]
        self, index_elements: Sequence[str], set_: Mapping[str, Any]
    ) -> Self:
        """Change the row that is there, found by these columns."""
        return self.ext(_DoUpdate(index_elements, set_=dict(set_)))


def insert(table: sa.Table) -> Insert:
    """An INSERT into this table, for either database."""
    return Insert(table)
