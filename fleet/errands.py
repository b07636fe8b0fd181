"""What the bot asks of itself: repairs, and removals of what was only meant for a while."""

from __future__ import annotations

from datetime import datetime

from domain.operations import Operation, operation_id
from fleet.store.services import Wanted


def errand(by: str, verb: str, wanted: Wanted, now: datetime) -> Operation:
    """An operation of the bot's own on a service, in the room where that was last changed."""
    name = wanted.spec.name
    origin = f"{by}:{name}:{now.isoformat()}"
    return Operation(
        id=operation_id(origin),
        origin=origin,
        room=wanted.room,
        sender=by,
        text=f"{verb} {name}",
        said_at=now,
        changes=True,
        service=name,
    )
