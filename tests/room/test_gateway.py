"""The gateway of the real bot, asked by OpenAI's client while people change what runs."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from bot.demo.homeserver import Homeserver

from .conftest import Room, opened

pytestmark = [pytest.mark.room, pytest.mark.engine]

HELLO: Any = [{"role": "user", "content": "What is a container?"}]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
async def room(homeserver: Homeserver, tmp_path: Path, port: int) -> AsyncIterator[Room]:
    listen = {"listen": f"127.0.0.1:{port}", "keys": "none", "routes": {"chat": ["tiny"]}}
    async with opened(homeserver, tmp_path, gateway=listen) as room:
        yield room


@pytest.fixture
async def client(port: int) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0, timeout=60
    ) as opened:
        yield opened


async def ask(client: openai.AsyncOpenAI, model: str = "tiny") -> str | None:
    said = await client.chat.completions.create(model=model, messages=HELLO, max_tokens=8)
    return said.choices[0].message.content


async def stream(client: openai.AsyncOpenAI, tokens: int = 8) -> str:
    parts = await client.chat.completions.create(
        model="chat", messages=HELLO, max_tokens=tokens, stream=True
    )
    return "".join([part.choices[0].delta.content or "" async for part in parts])


class Load:
    """Requests by turns whole and streamed, for as long as the block lasts."""

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client
        self.asking: list[asyncio.Task[str | None]] = []

    async def __aenter__(self) -> Load:
        self._keeping_on = asyncio.create_task(self._keep_on())
        return self

    async def __aexit__(self, *why: object) -> None:
        self._keeping_on.cancel()

    async def failures(self) -> list[BaseException]:
        """What went wrong with any of them."""
        ended = await asyncio.gather(*self.asking, return_exceptions=True)
        return [each for each in ended if isinstance(each, BaseException)]

    async def _keep_on(self) -> None:
        while True:
            asked = stream(self._client) if len(self.asking) % 2 else ask(self._client)
            self.asking.append(asyncio.create_task(asked))
            await asyncio.sleep(0.05)


async def test_nobody_who_asks_notices_what_people_do_in_the_room(
    room: Room, client: openai.AsyncOpenAI, tmp_path: Path
) -> None:
    with pytest.raises(openai.NotFoundError, match="no model `tiny`"):
        await ask(client)
    assert (await room.says("!deploy tiny tiny://ops --replicas 2")).state == "succeeded"
    assert [model.id async for model in client.models.list()] == ["chat", "tiny"]
    assert await ask(client)

    async with Load(client) as load:
        assert (await room.says("!restart tiny")).state == "succeeded"
        assert (await room.says("!scale tiny 1")).state == "succeeded"
        assert (await room.says("!scale tiny 2")).state == "succeeded"
        while len(load.asking) < 40:  # as many as it takes on a fast machine
            assert (await room.says("!restart tiny")).state == "succeeded"
    assert await load.failures() == []

    async with Load(client) as load:
        os.kill(room.bot.servers()[0], signal.SIGKILL)
        while "repair" not in room.bot.said():
            await asyncio.sleep(0.05)
    lost = [error for error in await load.failures() if "cut off" not in str(error)]
    assert lost == []

    other = sqlite3.connect(tmp_path / "gantry.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with Load(client) as load:
        while len(load.asking) < 40:
            await asyncio.sleep(0.05)
    assert await load.failures() == []
    other.close()
    assert (await room.says("!ping")).state == "succeeded"


async def test_what_is_stopped_or_gone_is_told_apart(
    room: Room, client: openai.AsyncOpenAI
) -> None:
    await room.says("!deploy tiny tiny://ops")
    await room.says("!stop tiny")
    with pytest.raises(openai.InternalServerError, match="stopped") as caught:
        await ask(client)
    assert caught.value.status_code == 503
    assert int(caught.value.response.headers["Retry-After"]) > 0
    await room.says("!remove tiny")
    with pytest.raises(openai.NotFoundError):
        await ask(client)
    assert (await room.says("!deploy chat tiny://ops")).state == "failed"


async def test_a_stop_lets_answers_finish_and_a_start_knows_every_name_at_once(
    room: Room, client: openai.AsyncOpenAI, tmp_path: Path
) -> None:
    await room.says("!deploy tiny tiny://ops")
    parts = await client.chat.completions.create(
        model="tiny",
        messages=HELLO,
        max_tokens=900,
        stream=True,
        extra_body={"ignore_eos": True},  # passed on to llama.cpp, which then goes on and on
    )
    words = [(await anext(parts)).choices[0].delta.content or ""]
    stopping = asyncio.create_task(room.bot.stop())
    words += [part.choices[0].delta.content or "" async for part in parts]
    assert len("".join(words)) > 500
    assert await stopping == 0

    await room.bot.start()
    assert await ask(client)
    with sqlite3.connect(tmp_path / "gantry.db") as connection:
        while not (rows := connection.execute("SELECT sum(requests) FROM usage").fetchone()[0]):
            await asyncio.sleep(0.1)
    connection.close()
    assert rows >= 1
