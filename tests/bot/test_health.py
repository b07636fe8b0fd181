"""Whether the bot lives and can be asked for something, in words that say why not."""

import asyncio
import socket
from dataclasses import replace

import aiohttp
import pytest

from bot.health import Pulse, Signs, not_alive, not_ready
from bot.health_pages import answering
from domain.errors import ConfigError

WELL = Signs(logged_in=True, caught_up=True, synced=30, stalled=0)


class Session:
    def __init__(self, read_at):
        self.read_at, self.caught_up = read_at, asyncio.Event()


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    ("change", "alive", "ready"),
    [
        ({}, True, True),
        ({"synced": 91}, False, False),
        ({"stalled": 6}, False, False),
        ({"caught_up": False}, True, False),
        ({"logged_in": False, "caught_up": False}, True, False),
        ({"store": "disk is full"}, True, False),
        ({"waiting": "standing by for one", "logged_in": False, "synced": 9999}, True, False),
    ],
)
def test_what_is_wrong_and_for_whom(change, alive, ready):
    signs = replace(WELL, **change)
    assert (not not_alive(signs), not not_ready(signs)) == (alive, ready)


def test_only_what_is_the_cause_is_named():
    assert not_ready(replace(WELL, store="disk is full")) == [
        "the state cannot be used: disk is full"
    ]
    away = replace(WELL, logged_in=False, caught_up=False)
    assert not_ready(away) == ["not logged in to the homeserver"]
    assert not_ready(replace(away, waiting="standing by for one")) == ["standing by for one"]


async def test_signs_are_felt_as_time_goes_by(clock, store):
    clock.flows = False
    pulse = Pulse(store.flaw, clock)
    clock.passes(4)
    assert await pulse.signs() == Signs(logged_in=False, caught_up=False, synced=4, stalled=0)
    pulse.session = Session(clock.monotonic())
    pulse.session.caught_up.set()
    clock.passes(1)
    assert await pulse.signs() == Signs(logged_in=True, caught_up=True, synced=1, stalled=0)


async def test_a_bot_that_stood_by_for_long_has_time_to_read_the_rooms(clock, store):
    clock.flows = False
    waits = ["standing by for one"]
    pulse = Pulse(store.flaw, clock, lambda: waits[0])
    clock.passes(1000)
    pulse._beat_at = clock.monotonic()
    assert not not_alive(await pulse.signs())
    waits[0] = ""
    pulse.begin()
    assert not not_alive(await pulse.signs())


async def test_a_loop_that_stood_still_is_remembered_for_a_while(clock, store):
    clock.flows = False
    pulse = Pulse(store.flaw, clock)
    clock.passes(31)
    assert (await pulse.signs()).stalled == 30
    beating = asyncio.create_task(pulse.beat())
    for _ in range(70):
        await asyncio.sleep(0)
        clock.passes(1)
    assert (await pulse.signs()).stalled == 0
    beating.cancel()


async def test_a_state_that_does_not_answer_holds_no_probe_up(clock, monkeypatch):
    monkeypatch.setattr("bot.health.STORE_LIMIT", 0.01)
    pulse = Pulse(asyncio.Event().wait, clock)
    assert "did not answer" in (await pulse.signs()).store
    assert "did not answer" in (await pulse.signs()).store
    pulse._probe.cancel()


async def test_probes_get_json_and_a_status(clock, store, port):
    clock.flows = False
    pulse = Pulse(store.flaw, clock)
    async with answering(pulse, f"127.0.0.1:{port}", str), aiohttp.ClientSession() as http:
        async with http.get(f"http://127.0.0.1:{port}/healthz") as answer:
            assert (answer.status, (await answer.json())["ok"]) == (200, True)
        async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
            body = await answer.json()
            assert (answer.status, body["wrong"]) == (503, ["not logged in to the homeserver"])


async def test_a_port_that_is_taken_is_a_flaw_of_the_configuration(clock, store, port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(ConfigError, match=f"monitoring.health: 127.0.0.1:{port} cannot be"):
            async with answering(Pulse(store.flaw, clock), f"127.0.0.1:{port}", str):
                pass
