"""Rooms are entered when the right people ask, followed, and left in peace, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from bot.demo.homeserver import Homeserver

from .conftest import Room, opened
from .person import Person

pytestmark = pytest.mark.room


class Building:
    """A bot, and rooms to ask it into."""

    def __init__(self, room: Room, server: str) -> None:
        self.room, self.ann, self.mallory, self.bot = room, room.person, room.stranger, room.bot
        self.server = server
        self.me = next(line["user"] for line in room.bot.lines() if line["event"] == "logged in")

    async def opens(self, by: Person | None = None, **more: Any) -> str:
        """Somebody makes a room and invites the bot."""
        made = await (by or self.ann).call("POST", "/createRoom", invite=[self.me], **more)
        return str(made["room_id"])

    async def joined(self, **more: Any) -> str:
        """A room the bot is in."""
        room = await self.opens(**more)
        await self.comes_to(room)
        return room

    async def comes_to(self, room: str) -> None:
        await until(lambda: self.is_member(room, "join"))

    async def is_member(self, room: str, membership: str, by: Person | None = None) -> bool:
        path = f"/rooms/{quote(room)}/state/m.room.member/{quote(self.me)}"
        try:
            return bool((await (by or self.ann).call("GET", path))["membership"] == membership)
        except AssertionError:  # never was in there
            return False

    async def hears(self, room: str, word: str, by: Person | None = None) -> list[str]:
        """What the bot said in a room that has this word in it."""
        events = await (by or self.ann).sees(room)
        bodies = [e["content"].get("body", "") for e in events if e["sender"] == self.me]
        return [body for body in bodies if word in body]

    async def told(self, room: str, word: str) -> str:
        """Wait for the bot to say something, once."""
        await until(lambda: self.hears(room, word))
        (said,) = await self.hears(room, word)
        return said

    async def asks(self, room: str, text: str) -> str:
        command = await self.ann.types(room, text)
        answer = await self.ann.until(room, command, lambda a: a.state not in ("", "running"))
        return answer.text

    def logged(self, event: str, **fields: str) -> list[dict[str, Any]]:
        lines = [line for line in self.bot.lines() if line["event"] == event]
        return [line for line in lines if fields.items() <= line.items()]

    async def upgrades(self, room: str, version: str) -> str:
        path = f"/rooms/{quote(room)}/upgrade"
        return str((await self.ann.call("POST", path, new_version=version))["replacement_room"])

    async def puts(self, room: str, kind: str, by: Person | None = None, **content: Any) -> None:
        path = f"/rooms/{quote(room)}/state/{kind}/"
        await (by or self.ann).call("PUT", path, **content)


async def until(true: Callable[[], Any], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while True:
            value = true()
            if await value if asyncio.iscoroutine(value) else value:
                return
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
async def building(
    homeserver: Homeserver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Building]:
    """A bot that takes invitations of people called Ann, and has an admins' room."""
    name = homeserver.name
    admins = f"#admins:{name}"
    matrix = {"welcome": True, "invites_from": [f"@ann*:{name}"], "admin_room": admins}
    rooms = {f"#{alias}:{name}": {"environment": "test"} for alias in ("late", "old", "move")}
    async with opened(
        homeserver, tmp_path_factory.mktemp("rooms"), matrix=matrix, rooms=rooms
    ) as room:
        yield Building(room, name)


@pytest.fixture(scope="module")
async def admins(building: Building) -> str:
    """The admins' room, made after the bot was started."""
    return await building.joined(room_alias_name="admins")


async def test_the_bot_says_once_what_it_is(building: Building) -> None:
    said = await building.told(building.room.id, "I am Gantry")
    assert "`!help` lists them" in said
    assert "bound to no environment" in said


async def test_others_are_declined_with_the_reason_in_the_log(building: Building) -> None:
    room = await building.opens(by=building.mallory)
    await until(lambda: building.is_member(room, "leave", by=building.mallory))
    (line,) = building.logged("invitation declined", room=room)
    assert line["by"] == building.mallory.user_id


async def test_a_room_made_later_is_bound_by_its_alias(building: Building) -> None:
    room = await building.joined(room_alias_name="late", name="Late Ops")
    assert "This room acts on test" in await building.told(room, "I am Gantry")
    said = await building.asks(room, "!whoami")
    assert "Late Ops acts on test: local, stage, still" in said


async def test_put_out_told_once_and_invited_again(building: Building, admins: str) -> None:
    room = await building.joined(name="Doomed")
    await building.told(room, "I am Gantry")
    for again, how in enumerate(("kick", "ban")):
        await building.ann.call(
            "POST", f"/rooms/{quote(room)}/{how}", user_id=building.me, reason=f"too loud {how}"
        )
        said = await building.told(admins, f"too loud {how}")
        assert f"{building.ann.user_id} " in said
        assert "Doomed" in said
        if how == "ban":
            await building.ann.call("POST", f"/rooms/{quote(room)}/unban", user_id=building.me)
        await building.ann.call("POST", f"/rooms/{quote(room)}/invite", user_id=building.me)
        await building.comes_to(room)
        assert "pong" in await building.asks(room, "!ping")
        assert len(building.logged("put out", room=room)) == again + 1
    assert len(await building.hears(room, "I am Gantry")) == 1


async def test_a_room_it_may_not_speak_in_is_told_once_and_others_go_on(
    building: Building, admins: str
) -> None:
    quiet = await building.joined(name="Quiet", room_version="11")
    await building.told(quiet, "I am Gantry")
    levels = {"users": {building.ann.user_id: 100}, "events_default": 50}
    await building.puts(quiet, "m.room.power_levels", **levels)
    await building.ann.types(quiet, "!ping")
    await building.ann.types(quiet, "!ping")
    assert "I have power 0 there and it takes 50" in await building.told(admins, "Quiet")
    await until(lambda: len(building.logged("may not speak", room=quiet)) == 2)
    assert len(await building.hears(admins, "Quiet")) == 1
    assert "pong" in await building.asks(building.room.id, "!ping")


@pytest.mark.parametrize(("alias", "first"), [("old", "10"), ("move", "12")])
async def test_an_upgrade_is_followed_and_takes_the_environment_along(
    building: Building, alias: str, first: str
) -> None:
    old = await building.joined(
        preset="public_chat", room_version=first, room_alias_name=alias, name=alias
    )
    assert "acts on test" in await building.asks(old, "!whoami")
    new = await building.upgrades(old, "12")
    said = await building.told(new, "was upgraded")
    assert (
        said
        == f"{alias} was upgraded, and I came along. This room acts on test: local, stage, still."
    )
    assert "acts on test" in await building.asks(new, "!whoami")
    await building.bot.kill()
    await building.bot.start()
    assert "acts on test" in await building.asks(new, "!whoami")
    assert len(await building.hears(new, "was upgraded")) == 1


async def test_an_upgrade_to_a_room_that_is_closed_waits_for_an_invitation(
    building: Building, admins: str
) -> None:
    old = await building.joined(preset="private_chat", room_version="11")
    new = await building.upgrades(old, "12")
    assert "Invite me there" in await building.told(admins, old)
    await building.ann.call("POST", f"/rooms/{quote(new)}/invite", user_id=building.me)
    await building.told(new, "was upgraded")


async def test_a_tombstone_that_names_some_other_room_is_not_followed(building: Building) -> None:
    old = await building.joined()
    other = str((await building.ann.call("POST", "/createRoom", preset="public_chat"))["room_id"])
    await building.puts(old, "m.room.tombstone", body="gone", replacement_room=other)
    await until(lambda: building.is_member(other, "leave"))
    assert building.logged("upgrade not followed", room=old)
    assert "bound to no environment" in await building.asks(old, "!whoami")


async def test_who_has_no_power_cannot_send_the_bot_away(building: Building) -> None:
    old = await building.joined(preset="public_chat")
    await building.mallory.call("POST", f"/join/{quote(old)}")
    trap = await building.mallory.call("POST", "/createRoom", preset="public_chat")
    content = {"body": "come", "replacement_room": trap["room_id"]}
    with pytest.raises(AssertionError, match="M_FORBIDDEN"):
        await building.puts(old, "m.room.tombstone", by=building.mallory, **content)
    assert "pong" in await building.asks(old, "!ping")


async def test_an_invitation_that_could_not_be_taken_is_taken_by_the_next_run(
    homeserver: Homeserver, tmp_path: Path
) -> None:
    """No sync brings it again: the token is past it."""
    async with opened(homeserver, tmp_path) as room:
        building = Building(room, homeserver.name)
        room.proxy.trouble = lambda request: (
            web.json_response({}, status=502) if "/join/" in request.path else None
        )
        late = await building.opens()
        await until(lambda: building.logged("put off"))
        assert "pong" in await building.asks(room.id, "!ping")
        await room.bot.kill()
        room.proxy.trouble = None
        await room.bot.start()
        await building.comes_to(late)
        assert "pong" in await building.asks(late, "!ping")
        assert await building.hears(late, "I am Gantry") == []
