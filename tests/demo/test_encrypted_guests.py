"""People in an encrypted room of a real Synapse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.demo.homeserver import Homeserver
from bot.matrix import guest_unread
from bot.matrix.guest import Guest
from bot.matrix.guest_events import UNREADABLE, Relation
from bot.matrix.guest_login import StoreLost
from domain.errors import Unreachable
from tests.demo.guests import arrived, heard, on_the_wire
from tests.room.proxy import Proxy

pytestmark = pytest.mark.room


@asynccontextmanager
async def encrypted_room(homeserver: Homeserver, a: str, b: str) -> AsyncIterator[Any]:
    """Two people in a room of theirs."""
    async with (
        arrived(homeserver, await homeserver.register(a)) as ann,
        arrived(homeserver, await homeserver.register(b)) as ben,
    ):
        room = await ann.create_room(f"{a}s", a, invite=(ben.user_id,), encrypted=True)
        await ben.join(room)
        yield ann, ben, room


async def test_what_is_said_and_edited_arrives_and_never_in_the_clear(
    homeserver: Homeserver,
) -> None:
    async with encrypted_room(homeserver, "sealann", "sealben") as (ann, ben, room):
        first = await ann.say(room, "a secret word")
        await ann.edit(room, first, "another word")
        reply = {"msgtype": "m.text", "body": "why?"}
        thread = {"rel_type": "m.thread", "event_id": first}
        await ben.send(room, "m.room.message", {**reply, "m.relates_to": thread})
        seen, own = await heard(ben, room, "why?"), await heard(ann, room, "why?")
        wire = await on_the_wire(homeserver, await homeserver.register("sealann"), room)

    assert seen == own
    assert [(event.sender, event.body, event.relation) for event in seen] == [
        (ann.user_id, "a secret word", None),
        (ann.user_id, "another word", Relation("m.replace", first)),
        (ben.user_id, "why?", Relation("m.thread", first)),
    ]
    assert seen[0].event_id == first
    assert seen[0].at.timestamp() * 1000 == wire[-1]["origin_server_ts"]
    assert [event["type"] for event in wire] == ["m.room.encrypted"] * 3
    assert "word" not in str(wire)


async def test_nothing_said_in_a_hurry_is_lost_or_out_of_order(homeserver: Homeserver) -> None:
    """More than one sync holds: what is fetched from the history decrypts as well."""
    async with encrypted_room(homeserver, "fastann", "fastben") as (ann, ben, room):
        words = [f"word {n}" for n in range(60)]
        for word in words:
            await ann.say(room, word)
        ben_hears = await heard(ben, room, words[-1])

    assert [event.body for event in ben_hears] == words


async def test_a_restart_with_the_keys_reads_on_and_one_without_them_is_refused(
    homeserver: Homeserver, tmp_path: Path
) -> None:
    account = await homeserver.register("keptben")
    async with arrived(homeserver, await homeserver.register("keptann")) as ann:
        async with arrived(homeserver, account, tmp_path / "keys") as ben:
            room = await ann.create_room("kepts", "", invite=(ben.user_id,), encrypted=True)
            await ben.join(room)
            await ann.say(room, "before")
            assert len(await heard(ben, room, "before")) == 1
        async with arrived(homeserver, account, tmp_path / "keys") as ben:
            await ann.say(room, "after")
            await ben.say(room, "me too")
            assert [event.body for event in await heard(ben, room, "me too")] == ["after", "me too"]

        with pytest.raises(StoreLost, match="are lost"):
            async with arrived(homeserver, account, tmp_path / "empty"):
                pass
        account = await homeserver.register("keptben", new_device=True)
        async with arrived(homeserver, account, tmp_path / "empty") as ben:
            bodies = asyncio.create_task(heard(ann, room, "new here"))
            await ben.say(room, "new here")
            assert [event.body for event in await bodies] == [
                "before",
                "after",
                "me too",
                "new here",
            ]
            await ann.say(room, "welcome")
            assert [e.body for e in await heard(ben, room, "welcome")] == ["new here", "welcome"]


async def test_who_joins_later_reads_what_is_said_from_then_on(
    homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever talks has not heard of them yet."""
    monkeypatch.setattr(guest_unread, "PATIENCE", 0.2)
    async with encrypted_room(homeserver, "lateann", "lateben") as (ann, _, room):
        await ann.say(room, "among us")
        async with arrived(homeserver, await homeserver.register("latecat")) as cat:
            await ann.invite(room, cat.user_id)
            await cat.join(room)
            assert cat.user_id in await ann.members(room)
            await ann.say(room, "hello cat")
            assert [event.body for event in await heard(cat, room, "hello cat")] == [
                UNREADABLE,
                "hello cat",
            ]


async def test_a_late_key_opens_what_waits_for_it_in_its_place(homeserver: Homeserver) -> None:
    async with encrypted_room(homeserver, "slowann", "slowben") as (ann, ben, room):
        release = keys_held_back(ann)
        await ann.say(room, "sealed")
        await ann.say(room, "sealed as well")
        await ben.say(room, "in the clear")
        hearing = asyncio.create_task(heard(ben, room, "in the clear"))
        while ben._unread.get(room) is None or ben._unread[room].wait(0) is None:
            await asyncio.sleep(0.02)
        await release()

        assert [event.body for event in await hearing] == [
            "sealed",
            "sealed as well",
            "in the clear",
        ]


async def test_nothing_is_said_until_everybody_has_its_key(homeserver: Homeserver) -> None:
    """nio would say it, and whoever misses the key would never read it."""
    async with (
        Proxy.before(homeserver.url) as proxy,
        arrived(homeserver, await homeserver.register("sureann"), url=proxy.url) as ann,
        arrived(homeserver, await homeserver.register("sureben")) as ben,
    ):
        room = await ann.create_room("sures", "", invite=(ben.user_id,), encrypted=True)
        await ben.join(room)
        for step in ("/keys/claim", "/sendToDevice/"):
            proxy.trouble = refusing(step)
            with pytest.raises(Unreachable):
                await ann.say(room, "lost")
        proxy.trouble = None
        await ann.say(room, "found")
        assert [event.body for event in await heard(ben, room, "found")] == ["found"]


def refusing(part: str) -> Any:
    """Trouble with requests whose path holds this."""

    def trouble(request: web.Request) -> web.Response | None:
        return web.Response(text="Bad gateway", status=502) if part in request.path else None

    return trouble


def keys_held_back(guest: Guest) -> Callable[[], Awaitable[None]]:
    """Let a guest believe that everybody has its keys; what is returned sends them."""
    send, held = guest._client.send, []

    async def holding(method: str, path: str, *more: Any) -> Any:
        if "/sendToDevice/" not in path:
            return await send(method, path, *more)
        held.append((method, path, *more))
        return await send(method, f"{path}-not", '{"messages": {}}', *more[1:])

    async def release() -> None:
        for request in held:
            await send(*request)

    guest._client.send = holding
    return release
