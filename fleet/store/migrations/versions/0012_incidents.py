"""Up to where each target's incidents were told, and the latest one of each service."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "watched",
        sa.Column("target", sa.String, primary_key=True),
        sa.Column("upto", sa.DateTime, nullable=False),
    )
    op.create_table(
        "incidents",
        sa.Column("service", sa.String, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("incidents")
    op.drop_table("watched")
