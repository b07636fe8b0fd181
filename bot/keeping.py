"""Asking a room whether a service is still wanted, and the 👍 that says it is."""

from __future__ import annotations

from datetime import datetime

from bot.matrix.content import Content
from bot.matrix.gestures import Reaction
from domain.expiries import Expiry, moment, span, until
from domain.operations import Operation
from domain.people import has_account
from fleet.store.database import Transaction


def question(expiry: Expiry, now: datetime, prefix: str) -> Content:
    """What the room is asked or, once somebody answered, what came of it. Pure.

    The question is `m.text` and mentions who deployed the service, so that they are notified.
    """
    name, ttl = expiry.service, span(expiry.ttl)
    if expiry.at is None:
        return _content(f"{name} was deployed for {ttl}; it is kept for good now")
    if not expiry.asked:
        when = until(expiry.at, now)
        return _content(f"{name} was deployed for {ttl}; it is kept {when}")
    return _content(
        f"{expiry.by}: {name} was deployed for {ttl}; it is removed at {moment(expiry.at, now)} "
        f"unless somebody says `{prefix}keep {name}` (react 👍 for another {ttl})",
        expiry.by,
    )


async def kept(reaction: Reaction, tx: Transaction) -> Operation | None:
    """A 👍 under the question about a service that nobody has answered yet keeps it."""
    if not reaction.agrees:
        return None
    message = await tx.messages.by_event(reaction.room, reaction.to)
    expiry = await tx.expiries.asked_by(message.key) if message else None
    if expiry is None or not expiry.asked:
        return None
    return reaction.saying(f"keep {expiry.service}")


def _content(text: str, mention: str | None = None) -> Content:
    who = {"user_ids": [mention]} if mention and has_account(mention) else {}
    return {"msgtype": "m.text" if mention else "m.notice", "body": text, "m.mentions": who}
