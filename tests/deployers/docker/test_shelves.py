"""The way into a host's volumes is taken away again, and nobody waits for that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from deployers.docker.shelf import ROLE, Mount
from deployers.docker.shelves import Shelves
from domain.errors import Unreachable
from tests.fleet.world import Time

KEPT = Mount("volume", "models", "/models")


class Engine:
    """Makes shelves, and takes its time to take one away."""

    def __init__(self) -> None:
        self.there: dict[str, Mapping[str, Any]] = {}
        self.may_remove = asyncio.Event()
        self.away = False

    async def create_shelf(self, name: str, image: str, mounts: Any, labels: Any) -> str:
        self.leave(name, "created", "2026-01-01T00:00:00Z")
        return name

    async def remove(self, name: str) -> None:
        await self.may_remove.wait()
        if self.away:
            raise Unreachable("nobody listens")
        del self.there[name]

    async def containers(self, **labels: str) -> list[Mapping[str, Any]]:
        assert labels == {ROLE: ""}
        return list(self.there.values())

    def leave(self, name: str, status: str, made: str) -> None:
        self.there[name] = {"Id": name, "State": {"Status": status}, "Created": made}


async def test_nobody_waits_until_it_is_taken_away_but_at_the_end():
    engine = Engine()
    shelves = Shelves(engine, Time())  # type: ignore[arg-type]
    async with shelves.open("image", (KEPT,)):
        pass
    assert len(engine.there) == 1

    engine.may_remove.set()
    await shelves.aclose()

    assert not engine.there


async def test_with_it_goes_what_was_left_long_ago():
    engine = Engine()
    engine.may_remove.set()
    engine.leave("old", "created", "2025-12-31T23:00:00Z")
    engine.leave("young", "created", "2025-12-31T23:59:00Z")
    shelves = Shelves(engine, Time())  # type: ignore[arg-type]

    async with shelves.open("image", (KEPT,)):
        pass
    await shelves.aclose()

    assert list(engine.there) == ["young"]


async def test_one_that_stays_behind_spoils_nothing():
    engine = Engine()
    engine.may_remove.set()
    engine.away = True
    shelves = Shelves(engine, Time())  # type: ignore[arg-type]

    async with shelves.open("image", (KEPT,)):
        pass
    await shelves.aclose()

    engine.away = False
    async with shelves.open("image", (KEPT,)):
        pass
    await shelves.aclose()
    assert len(engine.there) == 1
