"""What people want left alone for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "locks",
        sa.Column("scope", sa.String, primary_key=True),
        sa.Column("service", sa.String),
        sa.Column("targets", sa.JSON, nullable=False),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
        sa.Column("until", sa.DateTime),
    )


def downgrade() -> None:
    op.drop_table("locks")
