"""API keys reach whoever asked for them, and nobody else."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import nio
import pytest
from nio.crypto.attachments import decrypt_attachment

from bot.demo.homeserver import Homeserver
from domain.keys import digest_of
from tests.independent.nio_client import NioClient

from .bot_process import BotProcess, running, settings
from .conftest import Room
from .person import Person

pytestmark = pytest.mark.room

SECRET = re.compile(r"gantry-[A-Za-z0-9_-]{43}")


@dataclass
class Office(Room):
    """A room with an admin, who reads what is encrypted with a client that knows nothing of us."""

    client: NioClient
    folder: Path

    async def invited_to(self) -> str:
        """Wait for an invitation."""
        async with asyncio.timeout(30):
            while not self.client._client.invited_rooms:
                await self.client.read()
        return str(next(iter(self.client._client.invited_rooms)))

    async def files(self, count: int) -> list[tuple[nio.RoomEncryptedFile, str]]:
        """Wait for so many files in all; each with what is in it."""
        async with asyncio.timeout(30):
            while True:
                found = [e for e in self.client._seen if isinstance(e, nio.RoomEncryptedFile)]
                if len(found) >= count:
                    return [(event, await self._opened(event)) for event in found]
                await self.client.read()

    async def _opened(self, event: nio.RoomEncryptedFile) -> str:
        locked = (await self.client._client.download(event.url)).body
        key, digest = event.key["k"], event.hashes["sha256"]
        return bytes(decrypt_attachment(locked, key, digest, event.iv)).decode()

    def keys(self) -> dict[str, str]:
        """Id -> digest of every key in the state."""
        connection = sqlite3.connect(self.folder / "gantry.db")
        try:
            return dict(connection.execute("SELECT id, digest FROM keys"))
        finally:
            connection.close()


@pytest.fixture
async def office(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[Office]:
    robot, ann, bob = [await homeserver.register(f"keys-{tmp_path.name}-{n}") for n in range(3)]
    async with (
        aiohttp.ClientSession() as session,
        NioClient.arrive(homeserver.url, ann, tmp_path) as client,
    ):
        person, stranger = (Person(session, homeserver.url, each) for each in (ann, bob))
        room = await person.opens_room(f"keys-{tmp_path.name}", robot.user_id, bob.user_id)
        await stranger.call("POST", f"/rooms/{room}/join")
        access = {"viewer": ["*"], "admin": [ann.user_id]}
        made = settings(tmp_path, homeserver.url, robot, room, [], access=access)
        async with running(BotProcess(tmp_path, made)) as bot:
            while "joined" not in bot.said():
                await person.call("GET", "/account/whoami")
            proxy = None
            yield Office(room, person, bot, proxy, stranger, client, tmp_path)  # type: ignore[arg-type]


async def test_a_key_comes_as_a_file_in_an_encrypted_room_of_the_two_and_is_nowhere_else(
    office: Office,
) -> None:
    person, bot = office.person, office.bot
    command = await person.types(office.id, "!key create ci --quota requests=5/day")
    direct = await office.invited_to()
    assert direct != office.id
    waiting = await person.until(office.id, command, lambda answer: "waiting until" in answer.text)
    assert waiting.state == "running"
    assert office.keys() == {}
    await office.client.join(direct)
    answer = await office.ends(command)
    [(event, text)] = await office.files(1)
    secret = text.splitlines()[-1]
    [(name, digest)] = office.keys().items()
    assert SECRET.fullmatch(secret)
    assert digest == digest_of(secret)
    assert event.body == f"gantry-key-{name}.txt"
    assert f"✓ API key {name} for ci is made; {person.user_id} has it as a file" in answer.text

    members = await person.call("GET", f"/rooms/{direct}/joined_members")
    assert len(members["joined"]) == 2
    raw = await person.sees(direct)
    assert {e["type"] for e in raw if e["type"].startswith("m.room.me")} == {"m.room.member"}
    assert not SECRET.search(str(raw) + str(await person.sees(office.id)))
    for file in office.folder.glob("gantry.db*"):
        assert secret.encode() not in file.read_bytes()
    assert secret not in bot.log.read_text()


async def test_the_next_one_comes_into_the_same_room_after_a_restart_too(office: Office) -> None:
    first = await office.person.types(office.id, "!key create ci")
    direct = await office.invited_to()
    await office.client.join(direct)
    await office.ends(first)
    await office.says("!key create @ann:example.org")
    await office.bot.kill()
    await office.bot.start()
    await office.says("!key create app:web")
    files = await office.files(3)
    assert not office.client._client.invited_rooms
    digests, keys = {digest_of(text.splitlines()[-1]) for _, text in files}, office.keys()
    assert digests == set(keys.values())
    assert len(digests) == 3
    listed = await office.says("!key list")
    assert all(name in listed.text for name in keys)


async def test_a_bot_that_is_killed_while_it_waits_goes_on_waiting(office: Office) -> None:
    command = await office.person.types(office.id, "!key create ci")
    direct = await office.invited_to()
    await office.bot.kill()
    await office.bot.start()
    await office.client.join(direct)
    assert "✓" in (await office.ends(command)).text
    [(_, text)] = await office.files(1)
    assert [digest_of(text.splitlines()[-1])] == [*office.keys().values()]


async def test_who_declines_gets_no_key(office: Office) -> None:
    command = await office.person.types(office.id, "!key create ci")
    direct = await office.invited_to()
    await office.person.call("POST", f"/rooms/{direct}/leave")
    answer = await office.ends(command)
    assert "declined the invitation" in answer.text
    assert "No key was made" in answer.text
    assert office.keys() == {}


async def test_a_key_that_is_pasted_into_a_room_runs_nothing(office: Office) -> None:
    await office.person.types(office.id, f"!key revoke gantry-{'Ab3' * 14}x")
    told = "an API key of the gateway"
    async with asyncio.timeout(30):
        while told not in str(await office.person.sees(office.id)):
            await asyncio.sleep(0.05)
