"""What a supervisor sees of the real bot."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest

from bot.demo.homeserver import Account, Homeserver

from .bot_process import BotProcess, settings
from .conftest import opened

pytestmark = pytest.mark.room


async def test_probes_are_answered_and_a_port_is_not_shared(
    homeserver: Homeserver, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    monitoring = {"probe_every": "1s", "health": address}
    async with opened(homeserver, tmp_path, monitoring=monitoring) as room:
        async with aiohttp.ClientSession(f"http://{address}") as http:
            for page in ("/healthz", "/readyz"):
                async with http.get(page) as answer:
                    assert (answer.status, (await answer.json())["wrong"]) == (200, [])
        folder = tmp_path / "second"
        folder.mkdir()
        nobody = Account("@nobody:localhost", "", "", "secret")
        second = BotProcess(
            folder, settings(folder, room.proxy.url, nobody, room.id, [], monitoring=monitoring)
        )
        await second.start(ready=False)
        assert await second.wait() == 2
        assert f"monitoring.health: {address} cannot be listened on" in second.log.read_text()


async def test_a_bot_whose_homeserver_is_away_lives_and_is_not_ready(
    homeserver: Homeserver, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    monitoring = {"probe_every": "1s", "health": address}
    nobody = Account("@nobody:localhost", "", "", "secret")
    made = settings(tmp_path, "http://127.0.0.1:9", nobody, "!a:b", [], monitoring=monitoring)
    bot = BotProcess(tmp_path, made)
    await bot.start(ready=False)
    async with asyncio.timeout(30), aiohttp.ClientSession(f"http://{address}") as http:
        while "cannot log in yet" not in bot.said():
            await asyncio.sleep(0.05)
        async with http.get("/healthz") as answer:
            assert answer.status == 200
        async with http.get("/readyz") as answer:
            assert answer.status == 503
            assert (await answer.json())["wrong"] == ["not logged in to the homeserver"]
    assert await bot.stop() == 0


@pytest.mark.engine
async def test_metrics_tell_of_a_real_engine_and_of_what_should_run(
    homeserver: Homeserver, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    monitoring = {"probe_every": "1s", "health": address}
    async with (
        opened(homeserver, tmp_path, monitoring=monitoring) as room,
        aiohttp.ClientSession(f"http://{address}") as http,
    ):
        assert (await room.says("!deploy tiny tiny://ops --target local")).state == "succeeded"
        assert (await room.says("!infer tiny hello --max-tokens 20")).state == "succeeded"
        async with http.get("/metrics") as answer:
            lines = (await answer.text()).splitlines()
    told = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert told['gantry_replicas_wanted{service="tiny"}'] == "1.0"
    assert told['gantry_replicas_ready{service="tiny"}'] == "1.0"
    assert told['gantry_target_breaker_state{state="closed",target="local"}'] == "1.0"
    tokens = [n for name, n in told.items() if name.startswith("gantry_engine_generation_tokens")]
    assert float(tokens[0]) >= 20
