"""Changes are taken from sessions that their owner has verified, and looking from any."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.demo.homeserver import Account, Homeserver

from .js_client import JsClient
from .nio_client import NioClient
from .room import IndependentRoom, opened
from .seen import Seen

pytestmark = pytest.mark.room

_names = itertools.count()


@dataclass(frozen=True)
class Twofold:
    """A room with somebody who has a device signed by themselves, and one that nobody signed."""

    room: IndependentRoom
    account: Account
    """Of the person."""
    unsigned: NioClient
    admins: str
    """The room where the bot tells what is wrong."""

    def forget(self) -> None:
        """What docs/encryption.md says to do about an identity that was changed by its owner."""
        connection = sqlite3.connect(self.room.bot.folder / "gantry.db")
        owner = (self.room.js.user_id,)
        connection.execute("DELETE FROM identities WHERE user_id = ?", owner)
        connection.commit()
        connection.close()

    async def says_unsigned(self, text: str) -> Seen:
        """Type a command on the device that nobody signed. Returns the answer."""
        return await self.room.ends(await self.unsigned.says(self.room.id, text))

    def kept(self) -> list[tuple[str, str | None, bool]]:
        """(command, device, vouched) of every operation, as the state has it."""
        path = self.room.bot.folder / "gantry.db"
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            query = "SELECT text, device, vouched FROM operations ORDER BY filed_order"
            return [(text, device, bool(yes)) for text, device, yes in connection.execute(query)]
        finally:
            connection.close()


@asynccontextmanager
async def arranged(
    homeserver: Homeserver, tmp_path: Path, *, matrix: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[Twofold]:
    """Somebody with two devices in a room with the bot, until the block ends."""
    name = f"twofold{next(_names)}"
    account = await homeserver.register(name)
    async with JsClient.start() as js:
        await js.login(homeserver.url, account)
        other = await homeserver.register(name, new_device=True)
        (tmp_path / "nio").mkdir()
        admins = await js.create_room(encrypted=False)
        told_in = {**(matrix or {}), "admin_room": admins}
        async with (
            opened(homeserver, tmp_path, js, matrix=told_in, **more) as room,
            NioClient.arrive(homeserver.url, other, tmp_path / "nio") as unsigned,
        ):
            await unsigned.join(room.id)
            yield Twofold(room, account, unsigned, admins)


@pytest.fixture
async def twofold(
    js_installed: None, homeserver: Homeserver, tmp_path: Path
) -> AsyncIterator[Twofold]:
    """The bot takes changes from verified sessions alone."""
    async with arranged(homeserver, tmp_path, matrix={"require_vouched": True}) as made:
        yield made


@pytest.fixture
async def typed(
    js_installed: None, homeserver: Homeserver, tmp_path: Path
) -> AsyncIterator[Twofold]:
    """What is deployed takes a yes that is typed on a verified device, be it one's own."""
    approvals = {"deploy": {"requester": True, "typed": True}}
    place = {"targets": ["stage", "still", "local"], "approvals": approvals}
    async with arranged(homeserver, tmp_path, environments={"test": place}) as made:
        yield made


async def test_a_typed_approval_counts_from_a_signed_device_alone(typed: Twofold) -> None:
    room = typed.room
    deploy = await room.js.send(room.id, "!deploy tiny tiny://smooth")
    asked = await room.shows(deploy, "waiting")
    name = asked.content["gantry.operation"]["id"]
    await room.js.react(room.id, asked.event_id, "👍")
    unsigned = await typed.says_unsigned(f"!approve {name}")
    status = await room.says("!status")

    assert "reactions do not count as a yes" in asked.text
    assert "typed in an encrypted room on a device that you have verified" in unsigned.text
    assert "Nothing is deployed" in status.text
    assert "✓ Approved by" in (await room.says(f"!approve {name}")).text
    assert "tiny is live on stage" in (await room.ends(deploy)).text


async def test_a_change_takes_a_signed_device_and_looking_takes_none(twofold: Twofold) -> None:
    js, nio = twofold.room.js, twofold.unsigned
    deployed = await twofold.room.says("!deploy tiny tiny://smooth --target stage")
    looked = await twofold.says_unsigned("!status tiny")
    locked = await twofold.says_unsigned("!lock all")
    weighed = await twofold.says_unsigned("!can scale tiny 2")
    refused = await twofold.says_unsigned("!scale tiny 0")
    still = await twofold.room.says("!status tiny")

    assert "tiny is live on stage" in deployed.text
    assert "1 of 1 ready" in looked.text
    assert "verified sessions" in locked.text
    assert weighed.text.startswith("No: ")
    assert f"does not vouch for {nio.device_id}" in refused.text
    assert "Verify that session in your client" in refused.text
    assert "1 of 1 ready" in still.text
    assert set(twofold.kept()) >= {
        ("deploy tiny tiny://smooth --target stage", js.device_id, True),
        ("status tiny", nio.device_id, False),
        ("scale tiny 0", nio.device_id, False),
    }


async def test_a_command_said_while_the_bot_was_away_is_known_by_its_device_too(
    twofold: Twofold,
) -> None:
    """Nothing that was known of devices outlives the process."""
    room = twofold.room
    await room.says("!ping")
    await room.bot.kill()
    missed = await room.js.send(room.id, "!stop nothing")
    await room.bot.start()
    assert "verified sessions" not in (await room.ends(missed)).text
    assert twofold.kept()[-1] == ("stop nothing", room.js.device_id, True)


async def test_a_new_identity_is_told_once_and_vouches_for_nobody_until_the_old_is_forgotten(
    twofold: Twofold,
) -> None:
    room, js = twofold.room, twofold.room.js
    await js.invite(twofold.admins, room.account.user_id)
    await room.logs("joined", times=2)
    before = await room.says("!stop nothing")
    await js.ask("newIdentity", password=twofold.account.password)
    changed = [await room.says("!stop nothing") for _ in range(2)]
    told = await js.wait_for(twofold.admins, text="has changed")
    await room.bot.stop()
    twofold.forget()
    await room.bot.start()
    after = await room.says("!stop nothing")

    assert "verified sessions" not in before.text + after.text
    assert all("the identity that I know of" in each.text for each in changed)
    assert f"The identity of {js.user_id} has changed" in told.text
    events = await js.events(twofold.admins)
    assert len([event for event in events if "has changed" in event.text]) == 1
    assert room.bot.said().count("identity changed") == 1
    assert [vouched for _, _, vouched in twofold.kept()] == [True, False, False, True]


async def test_in_a_plain_room_nothing_proves_which_device_it_was(
    homeserver: Homeserver, js: JsClient, tmp_path: Path
) -> None:
    matrix = {"require_vouched": True}
    async with opened(homeserver, tmp_path, js, encrypted=False, matrix=matrix) as room:
        refused = await room.says("!deploy tiny tiny://smooth --target stage")
        assert "Say it again in an encrypted room" in refused.text
        assert (await room.says("!ping")).text == "pong"
