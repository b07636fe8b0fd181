"""What we hear ourselves say: by it a bot that takes over knows what the one before had said."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from bot.matrix.content import transaction_id
from bot.matrix.slots import first_parts
from fleet.store.database import Transaction

log = structlog.get_logger()


class Echo:
    """Notes which events our messages have become, as the rooms tell it.

    What is heard before a token is noted in the transaction that keeps the token. So whoever goes
    on from there finds every message that was sent either noted, or among what it reads next.
    """

    def __init__(self) -> None:
        self._heard: dict[str, str] = {}
        """Transaction id -> event id, of what came since a token was kept."""

    def hear(self, own: Iterable[tuple[str, str]]) -> None:
        """Remember (transaction id, event id), in the order they came: the first one counts."""
        for transaction, event_id in own:
            self._heard.setdefault(transaction, event_id)

    async def note(self, tx: Transaction) -> dict[str, str]:
        """Note the events of messages that have none yet. Returns them: message key -> event id."""
        if not self._heard:
            return {}
        found = {}
        for message in await tx.messages.unsaid():
            first = transaction_id(*first_parts(message.key, message.attempt))
            event_id = self._heard.get(first)
            if message.event_id is None and event_id is not None:
                await tx.messages.said(message.key, event_id, None, message.attempt)
                found[message.key] = event_id
        self._heard.clear()
        return found
