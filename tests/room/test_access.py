"""Power and membership as the real homeserver has them, from one command to the next."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from bot.demo.homeserver import Homeserver

from .conftest import Room, opened
from .person import Person

pytestmark = pytest.mark.room

ROLES = {
    "oncall": {
        "who": ["room:#oncall-access:{name}"],
        "may": [{"commands": ["scale"], "targets": ["stage"], "when": ["replicas<=1"]}],
    }
}


class House:
    """A bot that asks the homeserver about people, with a room of newer make beside its own."""

    def __init__(self, room: Room) -> None:
        self.room, self.ann, self.mallory = room, room.person, room.stranger
        self.me = next(line["user"] for line in room.bot.lines() if line["event"] == "logged in")

    async def power(self, room: str, **users: int) -> None:
        """Give people power, everything else being as it was."""
        path = f"/rooms/{quote(room)}/state/m.room.power_levels/"
        content = await self.ann.call("GET", path)
        who = {self.mallory.user_id: users["mallory"]}
        await self.ann.call("PUT", path, **{**content, "users": {**content["users"], **who}})

    async def says(self, text: str, by: Person | None = None, room: str | None = None) -> str:
        person, where = by or self.mallory, room or self.room.id
        command = await person.types(where, text)
        ended = await person.until(where, command, lambda a: a.state not in ("", "running"))
        return ended.text

    async def opens(self, by: Person, *, beside: bool = True, **more: Any) -> str:
        """A room with the bot in it, and the other person."""
        other = self.mallory if by is self.ann else self.ann
        invited = [self.me, other.user_id] if beside else [self.me]
        made = str((await by.call("POST", "/createRoom", invite=invited, **more))["room_id"])
        if beside:
            await other.call("POST", f"/rooms/{quote(made)}/join")
        path = f"/rooms/{quote(made)}/state/m.room.member/{quote(self.me)}"
        while (await by.call("GET", path))["membership"] != "join":
            pass
        return made


@pytest.fixture(scope="module")
async def house(
    homeserver: Homeserver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    name = homeserver.name
    who = [each.format(name=name) for each in ROLES["oncall"]["who"]]
    more = {
        "matrix": {"invites_from": ["*"]},
        "access": {"viewer": ["*"], "operator": ["power:60"]},
        "roles": {"oncall": {**ROLES["oncall"], "who": who}},
        "rooms": {f"#{alias}-access:{name}": {"environment": "test"} for alias in ("old", "new")},
    }
    async with opened(homeserver, tmp_path_factory.mktemp("access"), **more) as room:
        yield House(room)


@pytest.fixture(scope="module")
async def old(house: House) -> str:
    """A room of an older version, in which its creator is listed with the power he has."""
    return await house.opens(house.ann, room_version="11", room_alias_name="old-access")


async def test_power_that_is_given_and_taken_counts_at_the_next_command(
    house: House, old: str
) -> None:
    deploy = "!deploy one tiny://smooth --target stage"
    assert "takes the role operator" in await house.says(deploy, room=old)
    await house.power(old, mallory=60)
    assert "✓ one is live" in await house.says(deploy, room=old)
    await house.power(old, mallory=59)
    assert "takes the role operator" in await house.says("!stop one", room=old)
    assert "role viewer" in await house.says("!whoami", room=old)
    assert "✓ one is stopped" in await house.says("!stop one", by=house.ann, room=old)


async def test_in_a_room_of_version_12_its_creator_has_all_the_power(house: House) -> None:
    new = await house.opens(house.mallory, room_version="12", room_alias_name="new-access")
    levels = f"/rooms/{quote(new)}/state/m.room.power_levels/"
    listed = (await house.mallory.call("GET", levels)).get("users", {})
    assert house.mallory.user_id not in listed
    assert "with the role operator" in await house.says("!whoami", room=new)
    assert "with the role viewer" in await house.says("!whoami", by=house.ann, room=new)


async def test_power_in_a_room_of_ones_own_is_worth_nothing(house: House) -> None:
    lair = await house.opens(house.mallory)
    assert "with the role viewer" in await house.says("!whoami", room=lair)
    assert "takes the role operator" in await house.says("!lock all", room=lair)


async def test_a_copied_display_name_is_nobody_else(house: House, old: str) -> None:
    path = f"/profile/{quote(house.mallory.user_id)}/displayname"
    await house.mallory.call("PUT", path, displayname=house.ann.user_id)
    assert "takes the role operator" in await house.says("!lock all", room=old)


async def test_who_joins_and_leaves_a_room_gains_and_loses_a_role(house: House, old: str) -> None:
    deploy = "!deploy two tiny://smooth --target stage"
    assert "✓ two is live" in await house.says(deploy, by=house.ann, room=old)
    assert "cannot be told now" in await house.says("!scale two 0", room=old)
    oncall = await house.opens(house.ann, beside=False, room_alias_name="oncall-access")
    assert "takes the role operator" in await house.says("!scale two 0", room=old)
    who = {"user_id": house.mallory.user_id}
    await house.ann.call("POST", f"/rooms/{quote(oncall)}/invite", **who)
    assert "takes the role operator" in await house.says("!scale two 0", room=old)
    await house.mallory.call("POST", f"/rooms/{quote(oncall)}/join")
    refused = await house.says("!scale two 2", room=old)
    assert "as oncall you may `scale` on stage while replicas<=1; replicas would be 2" in refused
    assert "✓ two has no replicas now" in await house.says("!scale two 0", room=old)
    await house.ann.call("POST", f"/rooms/{quote(oncall)}/kick", **who)
    assert "takes the role operator" in await house.says("!scale two 1", room=old)
    await house.ann.call("POST", f"/rooms/{quote(oncall)}/invite", **who)
    await house.mallory.call("POST", f"/rooms/{quote(oncall)}/join")
    assert "✓ two is live" in await house.says("!scale two 1", room=old)
    await house.ann.call("POST", f"/rooms/{quote(oncall)}/kick", user_id=house.me)
    told = await house.says("!scale two 0", room=old)
    assert "cannot be told now" in told
    assert "I am not in #oncall-access" in told


async def test_a_homeserver_that_does_not_answer_is_no_reason_to_deny(
    house: House, old: str
) -> None:
    def away(request: Any) -> Any:
        return web.json_response({}, status=502) if "power_levels" in request.path else None

    await house.power(old, mallory=60)
    house.room.proxy.trouble = away
    told = await house.says("!lock all", room=old)
    house.room.proxy.trouble = None
    assert "whether you may cannot be told now: your power here cannot be looked up" in told
    assert "✓ all of test is locked" in await house.says("!lock all", room=old)
