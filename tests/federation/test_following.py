"""A bot whose homeserver knows the room from others alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from bot.matrix.crypto.keyring import KeyStore
from bot.matrix.guest import Guest
from tests.room.bot_process import BotProcess, running, settings
from tests.room.person import Person

from .conftest import Federation

pytestmark = pytest.mark.room


@asynccontextmanager
async def hosted(
    federation: Federation, folder: Path, name: str, room: str, operator: str
) -> AsyncIterator[tuple[BotProcess, str]]:
    """A bot on the other homeserver, and its Matrix id."""
    account = await federation.bots.register(name)
    made = settings(folder, federation.bots.url, account, room, [operator])
    async with running(BotProcess(folder, made)) as bot:
        yield bot, account.user_id


async def logs(bot: BotProcess, event: str, seconds: float = 60) -> None:
    """Wait until the bot's log has an event."""
    try:
        async with asyncio.timeout(seconds):
            while event not in bot.said():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"no `{event}` in {bot.log.read_text()}") from None


async def knows_the_device(person: Person, bot: BotProcess, user_id: str) -> None:
    """Wait until a person's homeserver has the keys of the bot's device from the bot's own: what
    is said before that is encrypted for nobody."""
    [device] = {str(line["device"]) for line in bot.lines() if line["event"] == "logged in"}
    async with asyncio.timeout(60):
        while True:
            found = await person.call("POST", "/keys/query", device_keys={user_id: []})
            if device in found["device_keys"].get(user_id, {}):
                return
            await asyncio.sleep(0.05)


async def says(person: Person, room: str, text: str) -> str:
    """The answer to a command."""
    command = await person.types(room, text)
    ended = ("succeeded", "failed", "cancelled", "expired")
    answer = await person.until(room, command, lambda answer: answer.state in ended)
    return answer.text


async def test_a_room_that_is_upgraded_on_another_server_is_followed_there(
    federation: Federation, tmp_path: Path
) -> None:
    """Nobody invites the bot to the new room, and its own homeserver never heard of it."""
    account = await federation.people.register("ann")
    ann = Person(federation.session, federation.people.url, account)
    made = await ann.call("POST", "/createRoom", preset="public_chat", room_version="11")
    old = str(made["room_id"])
    async with hosted(federation, tmp_path, "gantry", old, ann.user_id) as (bot, me):
        await ann.call("POST", f"/rooms/{quote(old)}/invite", user_id=me)
        await logs(bot, "joined")
        before = await says(ann, old, "!whoami")
        upgraded = await ann.call("POST", f"/rooms/{quote(old)}/upgrade", new_version="12")
        new = str(upgraded["replacement_room"])
        await logs(bot, "upgrade followed")
        after = await says(ann, new, "!whoami")
        deployed = await says(ann, new, "!deploy tiny tiny://smooth --target stage")

    assert "acts on test" in before
    assert "acts on test" in after
    assert "tiny is live on stage" in deployed
    assert new.partition(":")[2] == ""  # nothing in its name says where it is


async def test_an_encrypted_room_on_another_server_is_commanded_and_answered_in(
    federation: Federation, tmp_path: Path
) -> None:
    account = await federation.people.register("bob")
    keys = KeyStore(tmp_path / "bob", SecretStr("secret"))
    url, (user_id, device, token) = (
        federation.people.url,
        (account.user_id, account.device_id, account.access_token),
    )
    async with Guest.arrive(url, user_id, device, token, keys) as bob:
        room = await bob.create_room("secret", "secret", encrypted=True)
        folder = tmp_path / "bot"
        folder.mkdir()
        async with hosted(federation, folder, "gantry2", room, user_id) as (bot, me):
            await bob.invite(room, me)
            await logs(bot, "joined")
            person = Person(federation.session, url, account)
            await knows_the_device(person, bot, me)
            command = await bob.say(room, "!ping")
            async with asyncio.timeout(60):
                async for event in bob.follow(room):
                    note = event.content.get("gantry.operation", {})
                    if note.get("event") == command:
                        break
            sent = [e["type"] for e in await person.sees(room) if e["sender"] == me]

    assert event.content["body"] == "pong"
    assert "m.room.message" not in sent
    assert "m.room.encrypted" in sent
