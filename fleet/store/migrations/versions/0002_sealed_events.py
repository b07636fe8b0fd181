"""Encrypted events that wait for their keys."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "sealed",
        sa.Column("event_id", sa.String, primary_key=True),
        sa.Column("room", sa.String, nullable=False),
        sa.Column("event", sa.JSON, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("sealed")
