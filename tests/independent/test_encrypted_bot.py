"""The real bot in an encrypted room, judged by a client that shares no code with it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.demo.homeserver import Homeserver

from .js_client import JsClient
from .room import IndependentRoom, opened, vouched_for

pytestmark = pytest.mark.room


@pytest.fixture
async def secret_room(
    homeserver: Homeserver, js: JsClient, tmp_path: Path
) -> AsyncIterator[IndependentRoom]:
    """An encrypted room with a bot whose device its account vouches for."""
    async with vouched_for(homeserver, tmp_path, js) as room:
        yield room


async def test_commands_and_answers_are_encrypted_and_carry_no_shield(
    secret_room: IndependentRoom,
) -> None:
    answer = await secret_room.says("!ping")
    assert answer.text == "pong"
    assert answer.encrypted
    assert answer.shield["colour"] == "none"


async def test_a_client_that_excludes_insecure_devices_commands_and_reads_it(
    secret_room: IndependentRoom, js: JsClient
) -> None:
    async with js.excluding_insecure_devices():
        answer = await secret_room.says("!deploy qwen tiny://ops --target stage")
    assert "qwen is live on stage" in answer.text
    device = secret_room.bot.lines()[0]["device"]
    assert (await js.device_trust(secret_room.account.user_id, device)).signed_by_owner


async def test_nothing_is_said_in_the_clear(
    secret_room: IndependentRoom, homeserver: Homeserver, js: JsClient
) -> None:
    await secret_room.says("!deploy slow tiny://smooth --target stage --replicas 2")
    events = await js.ask("raw", room=secret_room.id)
    said = {event["type"] for event in events if event["sender"] == secret_room.account.user_id}
    assert said <= {"m.room.encrypted", "m.room.member"}


async def test_commands_said_while_it_was_away_are_read_and_run_once(
    secret_room: IndependentRoom, js: JsClient
) -> None:
    await secret_room.says("!ping")
    await secret_room.bot.kill()
    commands = [await js.send(secret_room.id, "!version") for _ in range(3)]
    await secret_room.bot.start()
    for command in commands:
        assert (await secret_room.ends(command)).text.startswith("Gantry ")


async def test_encryption_turned_on_later_is_honoured(
    homeserver: Homeserver, js: JsClient, tmp_path: Path
) -> None:
    async with opened(homeserver, tmp_path, js, encrypted=False) as room:
        assert not (await room.says("!ping")).encrypted
        command = await js.send(room.id, "!deploy slow tiny://smooth --target stage --replicas 3")
        await js.ask("encrypt", room=room.id)
        await room.ends(command)
        events = await js.ask("raw", room=room.id)
    on = next(i for i, event in enumerate(events) if event["type"] == "m.room.encryption")
    later = [event for event in events[on:] if event["sender"] == room.account.user_id]
    assert later
    assert {event["type"] for event in later} == {"m.room.encrypted"}


async def test_a_lost_key_store_makes_a_new_device_that_is_vouched_for(
    secret_room: IndependentRoom, js: JsClient
) -> None:
    """The same recovery key signs it, and the backup gives it what was said before."""
    await secret_room.says("!ping")
    await secret_room.logs("room keys saved")
    await secret_room.bot.kill()
    shutil.rmtree(secret_room.bot.folder / "keys")
    missed = await js.send(secret_room.id, "!version")
    await secret_room.bot.start()
    await secret_room.logs("device signed", times=2)
    assert "key store lost" in secret_room.bot.said()
    assert (await secret_room.ends(missed)).text.startswith("Gantry ")
    async with js.excluding_insecure_devices():
        assert (await secret_room.says("!ping")).text == "pong"
