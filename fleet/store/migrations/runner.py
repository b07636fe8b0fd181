"""Runs the migrations on a connection that is already open."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

HERE = Path(__file__).parent


def config() -> Config:
    """Alembic's configuration; there is no alembic.ini."""
    made = Config()
    made.set_main_option("script_location", str(HERE).replace("%", "%%"))
    return made


def upgrade(connection: sa.Connection) -> None:
    """Bring the tables to the newest migration, in the transaction under way."""
    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")
