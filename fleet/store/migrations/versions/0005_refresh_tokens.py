"""Access tokens that run out, and what they are renewed with."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("sync_position", sa.Column("refresh_token", sa.String))
    op.add_column("sync_position", sa.Column("access_until", sa.DateTime))


def downgrade() -> None:
    op.drop_column("sync_position", "access_until")
    op.drop_column("sync_position", "refresh_token")
