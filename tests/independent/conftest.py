"""Two clients that have nothing in common but the protocol, in one encrypted room."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.demo.homeserver import Homeserver

from .js_client import JsClient
from .nio_client import NioClient
from .node_modules import Missing, install
from .room import IndependentRoom, opened


@dataclass(frozen=True)
class Pair:
    """An encrypted room with both clients in it."""

    room: str
    js: JsClient
    nio: NioClient


@pytest.fixture(scope="session")
def js_installed() -> None:
    """Skips without Node or its packages; in CI that is a failure."""
    try:
        install()
    except Missing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
async def js(js_installed: None, homeserver: Homeserver) -> AsyncIterator[JsClient]:
    """The independent client, logged in with a signed device."""
    async with JsClient.start() as client:
        await client.login(homeserver.url, await homeserver.register("independent"))
        yield client


@pytest.fixture(scope="session")
async def plain_nio(
    homeserver: Homeserver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[NioClient]:
    """A nio client whose device nobody signed."""
    account = await homeserver.register("plain-nio")
    store = tmp_path_factory.mktemp("nio")
    async with NioClient.arrive(homeserver.url, account, store) as client:
        yield client


@pytest.fixture
async def pair(js: JsClient, plain_nio: NioClient) -> Pair:
    """A room of the test's own."""
    room = await js.create_room(plain_nio.user_id)
    await plain_nio.join(room)
    return Pair(room, js, plain_nio)


@pytest.fixture
async def independent_room(
    homeserver: Homeserver, js: JsClient, tmp_path: Path
) -> AsyncIterator[IndependentRoom]:
    """An encrypted room with a bot of the test's own."""
    async with opened(homeserver, tmp_path, js) as room:
        yield room
