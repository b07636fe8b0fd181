"""Which services should be there, ready or not, and who waits until one of them is."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping


class Expecting:
    """What somebody said should run. Whoever waits for it is told when it may be asked."""

    def __init__(self) -> None:
        self._replicas: dict[str, int] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    @property
    def services(self) -> Mapping[str, int]:
        """Service -> how many replicas it should have."""
        return self._replicas

    def expect(self, service: str, replicas: int) -> None:
        """It should have so many replicas, though none may be ready yet."""
        self._replicas[service] = replicas

    def forget(self, service: str) -> None:
        """It is no more. Whoever waits for it goes on at once."""
        self._replicas.pop(service, None)
        self.tell(service)

    async def news(self, services: Collection[str]) -> None:
        """Wait until there is something to tell of one of the services."""
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for service in services:
            self._waiting.setdefault(service, set()).add(news)
        try:
            await news
        finally:
            for service in services:
                waiting = self._waiting.get(service, set())
                waiting.discard(news)
                if not waiting:
                    self._waiting.pop(service, None)

    def tell(self, service: str) -> None:
        """Have everybody who waits for it look again."""
        for news in self._waiting.get(service, ()):
            if not news.done():
                news.set_result(None)

    def waiting(self, service: str) -> int:
        """How many wait for it."""
        return len(self._waiting.get(service, ()))


class Names(Collection[str]):
    """Those in any of several tables, in order; asking for one of them costs no more for many."""

    def __init__(self, *tables: Mapping[str, object]) -> None:
        self._tables = tables

    def __contains__(self, name: object) -> bool:
        return any(name in table for table in self._tables)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({name for table in self._tables for name in table}))

    def __len__(self) -> int:
        return len({name for table in self._tables for name in table})
