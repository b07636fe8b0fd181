"""What was answered of a batch that has not ended."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "batch_entries",
        sa.Column("operation", sa.String, primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("failure", sa.Text, nullable=True),
    )


def downgrade() -> None:
    op.drop_table("batch_entries")
