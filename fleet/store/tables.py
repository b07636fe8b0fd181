"""The tables, as SQLAlchemy sees them. `migrations/` is what makes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


class Moment(sa.TypeDecorator[datetime]):
    """A point in time, kept as UTC and always read back with its zone."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Strip the zone after turning to UTC: SQLite keeps none."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Put the zone back."""
        return None if value is None else value.replace(tzinfo=UTC)


metadata = sa.MetaData()

sync_position = sa.Table(
    "sync_position",
    metadata,
    sa.Column("user_id", sa.String, primary_key=True),
    sa.Column("token", sa.String, nullable=True),
)

operations = sa.Table(
    "operations",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("origin", sa.String, nullable=False, unique=True),
    sa.Column("room", sa.String, nullable=False),
    sa.Column("sender", sa.String, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("said_at", Moment, nullable=False),
    sa.Column("filed_order", sa.Integer, nullable=False, index=True),
    sa.Column("changes", sa.Boolean, nullable=False),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("service", sa.String, nullable=True),
    sa.Column("rollout", sa.Text, nullable=True),
    sa.Column("cancelled_by", sa.String, nullable=True),
    sa.Column("summary", sa.Text, nullable=False, default=""),
    sa.Column("started_at", Moment, nullable=True),
    sa.Column("ended_at", Moment, nullable=True),
    sa.Column("quiet", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("thread", sa.String, nullable=True),
    sa.Column("device", sa.String, nullable=True),
    sa.Column("vouched", sa.Boolean, nullable=False, server_default=sa.false()),
)

services = sa.Table(
    "services",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("room", sa.String, nullable=False),
    sa.Column("operation", sa.String, nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
)

revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("service", sa.String, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("revision", sa.String, nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("operation", sa.String, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("resolved", sa.JSON, nullable=True),
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String, nullable=False, unique=True),
    sa.Column("room", sa.String, nullable=False),
    sa.Column("posted", sa.JSON, nullable=False),
    sa.Column("wanted", sa.JSON, nullable=False),
    sa.Column("event_id", sa.String, nullable=True, index=True),
    sa.Column("done", sa.Boolean, nullable=False, index=True),
    sa.Column("redacted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
)

files = sa.Table(
    "files",
    metadata,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)

turns = sa.Table(
    "turns",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("operation", sa.String, nullable=False),
    sa.Column("root", sa.String, nullable=False, index=True),
    sa.Column("service", sa.String, nullable=False),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False, index=True),
    sa.UniqueConstraint("operation", "role"),
)

sealed = sa.Table(
    "sealed",
    metadata,
    sa.Column("event_id", sa.String, primary_key=True),
    sa.Column("room", sa.String, nullable=False),
    sa.Column("event", sa.JSON, nullable=False),
    sa.Column("at", Moment, nullable=False),
)

locks = sa.Table(
    "locks",
    metadata,
    sa.Column("scope", sa.String, primary_key=True),
    sa.Column("service", sa.String, nullable=True),
    sa.Column("targets", sa.JSON, nullable=False),
    sa.Column("holder", sa.String, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("since", Moment, nullable=False),
    sa.Column("until", Moment, nullable=True),
    sa.Column("room", sa.String, nullable=True),
)

room_successors = sa.Table(
    "room_successors",
    metadata,
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("successor", sa.String, nullable=False),
    sa.Column("at", Moment, nullable=False),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("operation", sa.String, primary_key=True),
    sa.Column("plan", sa.String, nullable=False),
    sa.Column("requester", sa.String, nullable=False),
    sa.Column("environment", sa.String, nullable=False),
    sa.Column("approval", sa.JSON, nullable=False),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("until", Moment, nullable=False),
    sa.Column("service", sa.String, nullable=False),
    sa.Column("targets", sa.JSON, nullable=False),
    sa.Column("verdict", sa.String, nullable=True),
    sa.Column("decided_by", sa.JSON, nullable=True),
    sa.Column("decided_at", Moment, nullable=True),
    sa.Column("why", sa.Text, nullable=False, server_default=""),
    sa.Column("begun_at", Moment, nullable=True),
)

votes = sa.Table(
    "votes",
    metadata,
    sa.Column("event", sa.String, primary_key=True),
    sa.Column("operation", sa.String, nullable=False, index=True),
    sa.Column("mxid", sa.String, nullable=False),
    sa.Column("yes", sa.Boolean, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("withdrawn", sa.Boolean, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("notable", sa.Boolean, nullable=False),
    sa.Column("previous", sa.String, nullable=False),
    sa.Column("hash", sa.String, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)

expiries = sa.Table(
    "expiries",
    metadata,
    sa.Column("service", sa.String, primary_key=True),
    sa.Column("by", sa.String, nullable=False),
    sa.Column("ttl", sa.Float, nullable=False),
    sa.Column("at", Moment, nullable=True),
    sa.Column("question", sa.String, nullable=True),
    sa.Column("asked_for", Moment, nullable=True),
)

devices = sa.Table(
    "devices",
    metadata,
    sa.Column("user_id", sa.String, primary_key=True),
    sa.Column("instance", sa.String, primary_key=True),
    sa.Column("device_id", sa.String, nullable=True),
    sa.Column("access_token", sa.String, nullable=True),
    sa.Column("refresh_token", sa.String, nullable=True),
    sa.Column("access_until", Moment, nullable=True),
    sa.Column("fetched", sa.String, nullable=True),
)

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("user_id", sa.String, primary_key=True),
    sa.Column("master", sa.String, nullable=False),
    sa.Column("since", Moment, nullable=False),
)

leaks = sa.Table(
    "leaks",
    metadata,
    sa.Column("event_id", sa.String, primary_key=True),
    sa.Column("room", sa.String, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("removed", sa.Boolean, nullable=False, server_default=sa.false()),
)

watched = sa.Table(
    "watched",
    metadata,
    sa.Column("target", sa.String, primary_key=True),
    sa.Column("upto", Moment, nullable=False),
)

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("service", sa.String, primary_key=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("operation", sa.String, nullable=False, unique=True),
    sa.Column("owner_kind", sa.String, nullable=False),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("digest", sa.String, nullable=False, unique=True),
    sa.Column("models", sa.JSON, nullable=False),
    sa.Column("quotas", sa.JSON, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("created_by", sa.String, nullable=False),
    sa.Column("expires_at", Moment, nullable=True),
    sa.Column("revoked_at", Moment, nullable=True),
    sa.Column("revoked_by", sa.String, nullable=True),
)

usage = sa.Table(
    "usage",
    metadata,
    sa.Column("hour", Moment, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("model", sa.String, primary_key=True),
    sa.Column("backend", sa.String, primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("failed", sa.BigInteger, nullable=False),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    sa.Column("estimated_tokens", sa.BigInteger, nullable=False),
    sa.Column("money", sa.BigInteger, nullable=False),
)

batch_entries = sa.Table(
    "batch_entries",
    metadata,
    sa.Column("operation", sa.String, primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("fingerprint", sa.String, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("failure", sa.Text, nullable=True),
)

usage_batches = sa.Table(
    "usage_batches",
    metadata,
    sa.Column("writer", sa.String, primary_key=True),
    sa.Column("batch", sa.String, nullable=False),
    sa.Column("at", Moment, nullable=False),
)
