"""Rooms that were upgraded, and what they go on as."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "room_successors",
        sa.Column("room", sa.String, primary_key=True),
        sa.Column("successor", sa.String, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("room_successors")
