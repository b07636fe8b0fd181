"""Messages on their way to a room, and which of them goes first. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.matrix.attachments import ATTACHED
from bot.matrix.content import Content, transaction_id

PROGRESS = 3
"""The urgency of what nobody waits for."""


@dataclass
class Slot:
    """One message: what it should say and what the room sees."""

    key: str
    room: str
    posted: Content
    wanted: Content
    event_id: str | None
    shown: Content | None = None
    final: bool = False
    edited_at: float = 0.0
    """When it last showed progress."""
    attempt: int = 0
    """How often it had to be said anew."""

    @property
    def subject(self) -> str:
        """What it is about. Of that, one thing is said after the other."""
        return ":".join(self.key.split(":")[:2])

    def transaction(self, content: Content) -> str:
        """The id under which this is said next: the same for the same thing."""
        edits = () if self.event_id is None else (content, self.shown)
        return transaction_id(*first_parts(self.key, self.attempt), *edits)

    @property
    def pending(self) -> bool:
        """Whether there is something to send."""
        return self.event_id is None or self.shown != self.wanted

    @property
    def urgency(self) -> int:
        """New messages in their order, then final edits, then files, and last edits that only
        show progress."""
        if ATTACHED in self.posted:
            return 2
        return 0 if self.event_id is None else 1 if self.final else PROGRESS


def first_parts(key: str, attempt: int) -> tuple[object, ...]:
    """What the transaction id of a message's first event is made from."""
    return (key, attempt) if attempt else (key,)


def most_urgent(slots: Iterable[Slot]) -> Slot | None:
    """The most urgent; of those that show progress the one that has waited longest."""

    def rank(slot: Slot) -> tuple[int, float]:
        return slot.urgency, slot.edited_at if slot.urgency == PROGRESS else 0.0

    return min((slot for slot in slots if slot.pending), key=rank, default=None)
