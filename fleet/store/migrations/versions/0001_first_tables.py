"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "sync_position",
        sa.Column("user_id", sa.String, primary_key=True),
        sa.Column("device_id", sa.String),
        sa.Column("access_token", sa.String),
        sa.Column("token", sa.String),
    )
    op.create_table(
        "operations",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("origin", sa.String, nullable=False, unique=True),
        sa.Column("room", sa.String, nullable=False),
        sa.Column("sender", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("said_at", sa.DateTime, nullable=False),
        sa.Column("filed_order", sa.Integer, nullable=False, index=True),
        sa.Column("changes", sa.Boolean, nullable=False),
        sa.Column("state", sa.String, nullable=False, index=True),
        sa.Column("service", sa.String),
        sa.Column("rollout", sa.Text),
        sa.Column("cancelled_by", sa.String),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("started_at", sa.DateTime),
        sa.Column("ended_at", sa.DateTime),
    )
    op.create_table(
        "services",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("room", sa.String, nullable=False),
        sa.Column("operation", sa.String, nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "revisions",
        sa.Column("service", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("revision", sa.String, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("operation", sa.String, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("room", sa.String, nullable=False),
        sa.Column("posted", sa.JSON, nullable=False),
        sa.Column("wanted", sa.JSON, nullable=False),
        sa.Column("event_id", sa.String),
        sa.Column("done", sa.Boolean, nullable=False, index=True),
    )


def downgrade() -> None:
    for table in ("messages", "revisions", "services", "operations", "sync_position"):
        op.drop_table(table)
