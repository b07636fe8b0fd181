from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleet.store.database import Store
from tests.postgres import Cluster, opened
from tests.sqlite import Pattern

from .world import World


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[Store]:
    """A state in a SQLite file of its own."""
    opened = await Store.open(tmp_path / "gantry.db")
    yield opened
    await opened.aclose()


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, sqlite: Pattern
) -> AsyncIterator[Store]:
    """A state of its own, in either database: what holds for one must hold for the other."""
    if request.param == "sqlite":
        made = await sqlite.opened(tmp_path / "gantry.db")
        yield made
        await made.aclose()
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    url = await cluster.fresh()
    made = await opened(url)
    yield made
    await made.aclose()
    await cluster.drop(url)


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    """Two pretended targets, `a` and `b`, and nothing on them."""
    return World(store, tmp_path)
