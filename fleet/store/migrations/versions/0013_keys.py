"""API keys, and what they used by the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

SUMS = (
    "requests",
    "failed",
    "prompt_tokens",
    "completion_tokens",
    "estimated_tokens",
    "money",
)


def upgrade() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("operation", sa.String, nullable=False, unique=True),
        sa.Column("owner_kind", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False, unique=True),
        sa.Column("models", sa.JSON, nullable=False),
        sa.Column("quotas", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("created_by", sa.String, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=True),
        sa.Column("revoked_at", sa.DateTime, nullable=True),
        sa.Column("revoked_by", sa.String, nullable=True),
    )
    op.create_table(
        "usage",
        sa.Column("hour", sa.DateTime, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("backend", sa.String, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in SUMS),
    )
    op.create_table(
        "usage_batches",
        sa.Column("writer", sa.String, primary_key=True),
        sa.Column("batch", sa.String, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("usage_batches")
    op.drop_table("usage")
    op.drop_table("keys")
