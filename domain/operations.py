"""One accepted command, from the room to its end."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


KEEPER, EXPIRING = "keeper", "expiry"
"""Who operations are by that the bot gives to itself: no Matrix id looks like that."""


class State(StrEnum):
    """How far an operation is."""

    FILED = "filed"
    RUNNING = "running"
    WAITING = "waiting"
    """For people to decide about it."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def ended(self) -> bool:
        """True once nothing more will happen."""
        return self not in (State.FILED, State.RUNNING, State.WAITING)


@dataclass(frozen=True, slots=True)
class Operation:
    """A command somebody gave, as the store keeps it."""

    id: str
    origin: str
    """What it came from, for good: a Matrix event id, or `webhook:NAME:DELIVERY` and the like."""
    room: str
    sender: str
    """A Matrix id; `webhook:NAME` or `schedule:NAME`; or the bot itself."""
    text: str
    said_at: datetime
    changes: bool
    """False for a command that only looks or talks."""
    state: State = State.FILED
    service: str | None = None
    summary: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    thread: str | None = None
    """The root of the thread it was said in and is to be answered in; None for the timeline."""
    quiet: bool = False
    """True for a gesture rather than words: the room hears of it only when it was refused."""
    device: str | None = None
    """The sender's device that encrypted it; None where that is not known, as in plain rooms."""
    vouched: bool = False
    """True when the sender's own identity has signed the device that encrypted it."""

    @property
    def verb(self) -> str:
        """The command's first word."""
        return self.text.split(maxsplit=1)[0] if self.text.strip() else ""

    @property
    def waits(self) -> bool:
        """Whether people are to decide about it first. It holds nothing meanwhile."""
        return self.state is State.WAITING

    @property
    def own(self) -> bool:
        """Whether the bot gave it to itself."""
        return self.sender in (KEEPER, EXPIRING)


def operation_id(origin: str, length: int = 6) -> str:
    """A short id that the same origin always gets, so that an event delivered twice, even to a
    bot that lost its state, is the same operation. No digits or letters that look alike."""
    number = int.from_bytes(hashlib.sha256(origin.encode()).digest(), "big")
    letters = []
    for _ in range(length):
        number, index = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    return "".join(letters)
