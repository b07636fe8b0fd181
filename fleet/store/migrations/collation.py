"""Makes PostgreSQL compare texts as SQLite does: by their bytes.

In the order of a language punctuation may count for nothing, and the store looks for "everything
that begins with this" by asking for what lies between two texts. So whatever the database's own
order is, every text column gets the order "C", and migrations need not think of it.
"""

from __future__ import annotations

import sqlalchemy as sa

_OTHERS = sa.text(
    "SELECT table_name, column_name, data_type FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND data_type IN ('character varying', 'text')"
    " AND collation_name IS DISTINCT FROM 'C'"
)


def compare_bytes(connection: sa.Connection) -> None:
    """Give every text column that has another order the order "C"."""
    quote = connection.dialect.identifier_preparer.quote
    for table, column, kind in connection.execute(_OTHERS).all():
        connection.exec_driver_sql(
            f'ALTER TABLE {quote(table)} ALTER COLUMN {quote(column)} TYPE {kind} COLLATE "C"'
        )
