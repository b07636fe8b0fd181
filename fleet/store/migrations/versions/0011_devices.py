"""Several bots on one account: each has a device, all of them one place in the rooms."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

DEVICE = ("device_id", "access_token", "refresh_token", "access_until")


def upgrade() -> None:
    op.create_table(
        "devices",
        sa.Column("user_id", sa.String, primary_key=True),
        sa.Column("instance", sa.String, primary_key=True),
        sa.Column("device_id", sa.String),
        sa.Column("access_token", sa.String),
        sa.Column("refresh_token", sa.String),
        sa.Column("access_until", sa.DateTime),
        sa.Column("fetched", sa.String),
    )
    columns = ", ".join(DEVICE)
    op.execute(
        f"INSERT INTO devices (user_id, instance, {columns}) "  # noqa: S608
        f"SELECT user_id, '', {columns} FROM sync_position"
    )
    for name in DEVICE:
        op.drop_column("sync_position", name)


def downgrade() -> None:
    for name in DEVICE:
        kind = sa.DateTime if name == "access_until" else sa.String
        op.add_column("sync_position", sa.Column(name, kind))
    op.drop_table("devices")
