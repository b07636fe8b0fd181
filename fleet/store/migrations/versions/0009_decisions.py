"""What was asked before changes, and what people said to it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("operation", sa.String, primary_key=True),
        sa.Column("plan", sa.String, nullable=False),
        sa.Column("requester", sa.String, nullable=False),
        sa.Column("environment", sa.String, nullable=False),
        sa.Column("approval", sa.JSON, nullable=False),
        sa.Column("asked_at", sa.DateTime, nullable=False),
        sa.Column("until", sa.DateTime, nullable=False),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("targets", sa.JSON, nullable=False),
        sa.Column("verdict", sa.String),
        sa.Column("decided_by", sa.JSON),
        sa.Column("decided_at", sa.DateTime),
        sa.Column("why", sa.Text, nullable=False, server_default=""),
        sa.Column("begun_at", sa.DateTime),
    )
    op.create_table(
        "votes",
        sa.Column("event", sa.String, primary_key=True),
        sa.Column("operation", sa.String, nullable=False, index=True),
        sa.Column("mxid", sa.String, nullable=False),
        sa.Column("yes", sa.Boolean, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("votes")
    op.drop_table("decisions")
