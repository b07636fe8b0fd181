"""What people do to messages, texts too long for one, and conversations."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    off = sa.false()
    op.add_column("operations", sa.Column("quiet", sa.Boolean, nullable=False, server_default=off))
    op.add_column("operations", sa.Column("thread", sa.String))
    op.add_column("messages", sa.Column("redacted", sa.Boolean, nullable=False, server_default=off))
    op.create_index("ix_messages_event_id", "messages", ["event_id"])
    op.create_table(
        "files",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_table(
        "turns",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("operation", sa.String, nullable=False),
        sa.Column("root", sa.String, nullable=False, index=True),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False, index=True),
        sa.UniqueConstraint("operation", "role"),
    )


def downgrade() -> None:
    op.drop_table("turns")
    op.drop_table("files")
    op.drop_index("ix_messages_event_id")
    op.drop_column("messages", "redacted")
    op.drop_column("operations", "thread")
    op.drop_column("operations", "quiet")
