"""The audit's mirror: a room where each notable record is told in a line."""

from __future__ import annotations

from functools import partial

from bot.matrix.content import Content, notice
from bot.matrix.outbox import Outbox
from commands.replies import duration
from commands.rooms import RoomBook
from domain.chain import Entry
from fleet.store.audit import Mirror

AUDIT = "gantry.audit"
"""The key under which a line says, for programs, which record it is: `{"sequence", "hash"}`."""

LONGEST = 600
"""Characters of a line, its hash not counted."""


def mirror(book: RoomBook, outbox: Outbox) -> Mirror:
    """Tells records in the room the book has for that."""
    return Mirror(lambda: book.audit_room, line, partial(outbox.deliver, final=True))


def line(entry: Entry) -> Content:
    """What is said of a record: all that somebody would look for, and the hash to check it by."""
    record = entry.record
    parts = [
        f"{entry.sequence}",
        f"{record.mxid} in {record.room}",
        f"{record.verb} {record.arguments}".strip(),
        record.outcome + (f" by {', '.join(record.approvers)}" if record.approvers else ""),
        duration(record.seconds) if record.seconds is not None else "",
        record.why,
    ]
    text = " · ".join(part for part in parts if part)
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    note = {"sequence": entry.sequence, "hash": entry.hash}
    return notice(f"{text} · {entry.head.short}") | {AUDIT: note}
