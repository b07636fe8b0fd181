from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleet.store.database import Store

from .world import World


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[Store]:
    """A state in a SQLite file of its own."""
    opened = await Store.open(tmp_path / "gantry.db")
    yield opened
    await opened.aclose()


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    """Two pretended targets, `a` and `b`, and nothing on them."""
    return World(store, tmp_path)
