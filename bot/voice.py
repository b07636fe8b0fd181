"""Says something about an operation beside its outcome, durably."""

from __future__ import annotations

from collections.abc import Sequence

from bot.matrix.content import told
from bot.matrix.outbox import Outbox
from commands.replies import Block
from domain.operations import Operation, State
from fleet.store.database import Store
from fleet.store.messages import key_of


class Voice:
    """Messages that belong to an operation, each by a name, said once and then edited."""

    def __init__(self, store: Store, outbox: Outbox, prefix: str) -> None:
        self._store = store
        self._outbox = outbox
        self._prefix = prefix

    async def say(
        self, about: Operation, part: str, blocks: Sequence[Block], mention: Sequence[str] = ()
    ) -> None:
        """Have the room see this as that part. With somebody to mention, it notifies them."""
        content = told(blocks, about, State.WAITING, self._prefix, mention)
        async with self._store.transaction() as tx:
            message = await tx.messages.want(f"{key_of(about.id)}:{part}", about.room, content)
        self._outbox.deliver(message, final=True)
