"""Who may ask the gateway, and what becomes of what they used: all that a gateway hangs on."""

from __future__ import annotations

from dataclasses import dataclass

from domain.accounts import Sums
from domain.clock import Clock
from domain.quotas import Per
from domain.tariffs import Tariff
from domain.usage import Served
from fleet.ledger import Ledger
from fleet.store.database import Store
from inference.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Accounting:
    """The keys and the ledger. They go by one tariff, and outlive a state that is lost."""

    keyring: Keyring
    ledger: Ledger

    @classmethod
    def open(cls, clock: Clock, tariff: Tariff | None = None) -> Accounting:
        """With no keys yet, and nothing to write down."""
        return cls(Keyring(tariff, clock.now), Ledger(clock, tariff))

    async def load(self, store: Store) -> None:
        """Take in the keys there are, and what was used of them in windows that go on.

        To be done before anything listens. What an earlier state did not take is written first, or
        counted as it is.
        """
        await self.ledger.write(store)
        async with store.transaction() as tx:
            keys = await tx.keys.all()
            used = await tx.usage.since(Per.MONTH.begin(self.keyring.now()))
        for account, sums in self.ledger.unwritten.items():
            used[account] = used.get(account, Sums()) + sums
        self.keyring.replace(keys, used)

    def served(self, served: Served) -> None:
        """A request ended: to be told of each one, once. Quick, and never raises.

        Whoever lets requests in asks `keyring.authenticate` and `keyring.admit` before.
        """
        self.keyring.spent(served)
        self.ledger.note(served)
