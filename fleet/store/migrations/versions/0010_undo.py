"""What revisions were really made of, when services end, and where locks were taken."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("revisions", sa.Column("resolved", sa.JSON))
    op.add_column("locks", sa.Column("room", sa.String))
    op.create_table(
        "expiries",
        sa.Column("service", sa.String, primary_key=True),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("ttl", sa.Float, nullable=False),
        sa.Column("at", sa.DateTime),
        sa.Column("question", sa.String),
        sa.Column("asked_for", sa.DateTime),
    )


def downgrade() -> None:
    op.drop_table("expiries")
    op.drop_column("locks", "room")
    op.drop_column("revisions", "resolved")
