"""Runs the migrations on a connection that is already open."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from domain.errors import ConfigError
from fleet.store.migrations.collation import compare_bytes

HERE = Path(__file__).parent


def config() -> Config:
    """Alembic's configuration; there is no alembic.ini."""
    made = Config()
    made.set_main_option("script_location", str(HERE).replace("%", "%%"))
    return made


def upgrade(connection: sa.Connection) -> None:
    """Bring the tables to the newest migration, in the transaction under way.

    Raises ConfigError for tables of a release that is newer than this one.
    """
    settings = config()
    settings.attributes["connection"] = connection
    try:
        command.upgrade(settings, "head")
    except CommandError as error:
        raise ConfigError(
            f"the state was written by another release of Gantry: {error}",
            hint="run the release that wrote it, or point state.url elsewhere",
        ) from error
    if connection.dialect.name == "postgresql":
        compare_bytes(connection)
