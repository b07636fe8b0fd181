"""Which device a command came from, whom we know, and what went out in the clear."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("operations", sa.Column("device", sa.String))
    no = sa.false()
    op.add_column("operations", sa.Column("vouched", sa.Boolean, nullable=False, server_default=no))
    attempt = sa.Column("attempt", sa.Integer, nullable=False, server_default="0")
    op.add_column("messages", attempt)
    op.create_table(
        "identities",
        sa.Column("user_id", sa.String, primary_key=True),
        sa.Column("master", sa.String, nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
    )
    op.create_table(
        "leaks",
        sa.Column("event_id", sa.String, primary_key=True),
        sa.Column("room", sa.String, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("removed", sa.Boolean, nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    op.drop_table("leaks")
    op.drop_table("identities")
    op.drop_column("messages", "attempt")
    op.drop_column("operations", "vouched")
    op.drop_column("operations", "device")
