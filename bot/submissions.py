"""Commands that come without a message: from webhooks, and from the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.matrix.inbound import Message, text_of
from domain.people import Actor

LONGEST = 200
"""Characters of what a delivery is known by."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A command of a webhook's or a schedule's.

    Whoever makes one has seen to it that it is theirs: by a signature, or by the bot's own clock.
    What it may do is judged later, as for everybody. Raises ValueError for what is no delivery or
    no text.
    """

    actor: Actor
    delivery: str
    """What whoever sends it, or the calendar, knows it by: said again, it is the same operation."""
    room: str
    """The id of the room that it counts as said in: that one's environment is acted on, and there
    it is told."""
    text: str
    """As people type it, without the prefix."""
    at: datetime
    """When it was sent, or due. What is too old by the time it is read expires."""

    def __post_init__(self) -> None:
        if not (0 < len(self.delivery) <= LONGEST and self.text.strip()):
            raise ValueError(f"{self.actor}: a submission has a delivery and a text")

    @property
    def message(self) -> Message:
        """As if it had been written. No event id looks like its origin, no Matrix id like it."""
        origin, text = f"{self.actor}:{text_of(self.delivery)}", text_of(self.text.strip()) or ""
        return Message(origin, self.room, str(self.actor), text, self.at)
