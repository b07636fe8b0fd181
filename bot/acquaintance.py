"""People are known by the identity that they were first met with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from bot.matrix.inbound import Message
from fleet.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Changed:
    """Somebody's devices are vouched for by another identity than the one they were met with."""

    user_id: str
    known: str
    """The public master key they were met with."""
    shown: str
    """The one that vouches now."""

    @property
    def text(self) -> str:
        """What those who look after the bot are told."""
        return (
            f"The identity of {self.user_id} has changed: their devices are vouched for by the "
            f"master key {self.shown}, and I met them with {self.known}. Whoever runs their "
            "homeserver can make such a change too, so nothing that they send counts as vouched "
            "for until somebody has asked them and forgets the old key (docs/encryption.md)."
        )


async def recognised(
    said: Iterable[Message], tx: Transaction, now: datetime
) -> tuple[tuple[Message, ...], list[Changed]]:
    """The messages, those of whoever changed their identity no longer vouched for, and who that is.

    An identity that vouches for a device here is remembered the first time.
    """
    messages = tuple(said)
    changed: dict[tuple[str, str], Changed] = {}
    shown = {(each.sender, each.master) for each in messages if each.master is not None}
    for sender, master in sorted(shown):
        known = await tx.identities.pin(sender, master, now)
        if known != master:
            changed[sender, master] = Changed(sender, known, master)
    believed = tuple(
        replace(each, vouched=each.master is not None and (each.sender, each.master) not in changed)
        for each in messages
    )
    return believed, list(changed.values())
