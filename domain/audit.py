"""What the audit keeps of each operation and each decision. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from domain.masking import Masking
from domain.operations import Operation

LONGEST = 500
"""Characters kept of arguments, and of a reason."""


class Kind(StrEnum):
    """What a record is about."""

    OPERATION = "operation"
    """The end of something that was asked for."""
    DECISION = "decision"
    """That somebody let an operation pass, or did not."""


class Outcome(StrEnum):
    """How an operation came out. A decision's outcome is a word of its own."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DENIED = "denied"
    """Whoever asked may not do that."""
    NOT_UNDERSTOOD = "not-understood"
    DECLINED = "declined"
    """Not even filed: it held a secret, or anybody could have written it."""


REFUSALS = frozenset({Outcome.DENIED, Outcome.DECLINED})
"""Always worth seeing, whatever was asked for."""


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened. Its text is what the chain is made of (`domain.chain`), so a field
    that is added later changes nothing that was kept before."""

    kind: Kind
    at: datetime
    """When it ended or was decided."""
    mxid: str
    """Who asked or decided; `keeper` for the bot's own repairs."""
    room: str
    verb: str
    outcome: str
    notable: bool
    """False for what only looked or talked, and was let."""
    arguments: str = ""
    """What was typed after the verb, secrets masked; of talk only how long it was."""
    event: str | None = None
    """The Matrix event it came from; None for the bot's own."""
    device: str | None = None
    """The device it was said with; None where that is not known."""
    operation: str | None = None
    service: str | None = None
    targets: tuple[str, ...] = ()
    plan: str | None = None
    """The id of the plan that was carried out or decided on."""
    approvers: tuple[str, ...] = ()
    why: str = ""
    """How it came out, in a line; for a denial the missing permission."""
    seconds: float | None = None
    """How long it took, from its start, or from when it was said if it has none."""

    @classmethod
    def of_operation(
        cls, operation: Operation, at: datetime, outcome: str, *, acts: bool, **more: Any
    ) -> Self:
        """The record of an operation that ended then. `acts` is False for what only looks or
        talks; `more` are further fields: verb, arguments, service, targets, plan, approvers, why.
        """
        began = operation.started_at or operation.said_at
        return cls(
            kind=Kind.OPERATION,
            at=at,
            mxid=operation.sender,
            outcome=outcome,
            notable=acts or outcome in REFUSALS,
            seconds=round(max(0.0, (at - began).total_seconds()), 3),
            **(_origin(operation) | {"device": operation.device} | more),
        )

    @classmethod
    def of_decision(
        cls, operation: Operation, at: datetime, mxid: str, outcome: str, **more: Any
    ) -> Self:
        """The record of a decision on an operation, by `mxid`; `more` are further fields: verb,
        arguments, event, device, service, targets, plan, approvers, why, seconds."""
        origin = _origin(operation) | {"event": None}
        return cls(
            kind=Kind.DECISION, at=at, mxid=mxid, outcome=outcome, notable=True, **(origin | more)
        )

    @property
    def values(self) -> dict[str, Any]:
        """As JSON has it, without the fields of which there is nothing to say."""
        found = ((name, getattr(self, name)) for name in self.__slots__)
        said = {name: value for name, value in found if value != _NOTHING[name]}
        return said | {"at": stamp(self.at)}

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> Self:
        """Read back; keys of a later release are passed over. Raises KeyError, TypeError,
        AttributeError or ValueError for what never was a record."""
        known = {name: values[name] for name in cls.__slots__ if name in values}
        known["kind"] = Kind(known["kind"])
        known["at"] = datetime.fromisoformat(known["at"])
        for name in ("targets", "approvers"):
            known[name] = tuple(known.get(name, ()))
        return cls(**known)


_NOTHING = {each.name: each.default for each in fields(Record)}


def canonical(values: Mapping[str, Any]) -> str:
    """JSON in the one form that is hashed: keys in order, no spaces, nothing escaped that need
    not be. Halves of characters, which UTF-8 does not have, become `?`."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="replace").decode()


def stamp(at: datetime) -> str:
    """`2026-01-31T09:00:00.000000Z`: always UTC, always microseconds."""
    text = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{text}Z"


def excerpt(text: str) -> str:
    """A line of what people typed or were told: what looks like a secret masked, cut where it
    gets long."""
    line = " ".join(Masking().masked(text).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def _origin(operation: Operation) -> dict[str, Any]:
    event = operation.origin if operation.origin.startswith("$") else None
    return {"operation": operation.id, "room": operation.room, "event": event}
