"""A real Synapse and an ordinary user of it."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from bot.demo.homeserver import Account, Homeserver
from bot.matrix.guest_events import Relation
from domain.errors import NotPermitted, OpsError, Refused, UnknownName
from tests.demo.guests import arrived, heard

pytestmark = pytest.mark.room

PARENT = """
import asyncio, sys
from pathlib import Path
from bot.demo.homeserver import Homeserver

async def main():
    async with Homeserver.start(Path(sys.argv[1]), python=Path(sys.argv[2])) as homeserver:
        print(homeserver.port, homeserver._child.pid, flush=True)
        await homeserver.wait()

asyncio.run(main())
"""


async def log_out(homeserver: Homeserver, account: Account) -> None:
    bearer = {"Authorization": f"Bearer {account.access_token}"}
    async with (
        aiohttp.ClientSession(homeserver.url, headers=bearer) as session,
        session.post("/_matrix/client/v3/logout", json={}) as response,
    ):
        assert response.status == 200


async def test_two_people_meet_and_an_edit_arrives_as_an_event(homeserver: Homeserver) -> None:
    async with (
        arrived(homeserver, await homeserver.register("ann")) as ann,
        arrived(homeserver, await homeserver.register("ben")) as ben,
    ):
        room = await ann.create_room("meeting", "Meeting", invite=(ben.user_id,))
        assert await ann.find_room(f"#meeting:{homeserver.name}") == room
        await ben.join(room)
        assert await ann.members(room) == {ann.user_id, ben.user_id}

        first = await ann.say(room, "starting")
        await ann.edit(room, first, "ready")
        seen = await heard(ben, room, "ready")

    assert [(event.sender, event.body) for event in seen] == [
        (ann.user_id, "starting"),
        (ann.user_id, "ready"),
    ]
    assert seen[0].event_id == first
    assert seen[1].relation == Relation("m.replace", first)
    assert seen[1].content["body"] == "* ready"


async def test_nothing_said_in_a_hurry_is_lost(homeserver: Homeserver) -> None:
    """More than one sync holds: the rest is fetched from the room's history."""
    async with (
        arrived(homeserver, await homeserver.register("cat")) as cat,
        arrived(homeserver, await homeserver.register("dan")) as dan,
    ):
        room = await cat.create_room("hurry", "Hurry", invite=(dan.user_id,))
        await dan.join(room)
        words = [f"word {n}" for n in range(230)]
        for word in words:
            await cat.say(room, word)

        assert [event.body for event in await heard(dan, room, words[-1])] == words


async def test_who_arrives_later_hears_nothing_old(homeserver: Homeserver, tmp_path: Path) -> None:
    account = await homeserver.register("eve")
    async with arrived(homeserver, account, tmp_path) as eve:
        room = await eve.create_room("later", "Later")
        await eve.say(room, "old")
    async with arrived(homeserver, account, tmp_path) as eve:
        await eve.say(room, "new")
        assert [event.body for event in await heard(eve, room, "new")] == ["new"]


async def test_refusals_are_errors_in_words(homeserver: Homeserver) -> None:
    account = await homeserver.register("fay")
    async with arrived(homeserver, account) as fay:
        room = await fay.create_room("alone", "Alone")
        with pytest.raises(Refused, match="64 KiB"):
            await fay.say(room, "x" * 70_000)
        with pytest.raises(NotPermitted):
            await fay.say("!nowhere:elsewhere", "hello?")
        with pytest.raises((UnknownName, NotPermitted)):
            await fay.join(f"#nobody:{homeserver.name}")
        assert await fay.find_room(f"#nobody:{homeserver.name}") is None

        await log_out(homeserver, account)
        with pytest.raises(NotPermitted, match="no longer accepts this login"):
            await heard(fay, room, "never said")


async def test_a_restart_keeps_users_rooms_and_the_name(
    tmp_path: Path, synapse_python: Path
) -> None:
    async with Homeserver.start(tmp_path, python=synapse_python) as homeserver:
        name, before = homeserver.name, await homeserver.register("gus")
        async with arrived(homeserver, before, tmp_path / "keys") as gus:
            room = await gus.create_room("kept", "Kept")
    async with Homeserver.start(tmp_path, python=synapse_python) as homeserver:
        after = await homeserver.register("gus")
        assert (homeserver.name, after.user_id, after.device_id, after.password) == (
            name,
            before.user_id,
            before.device_id,
            before.password,
        )
        async with arrived(homeserver, after, tmp_path / "keys") as gus:
            assert await gus.find_room(f"#kept:{name}") == room


async def test_a_guest_outlasts_a_homeserver_that_restarts(
    tmp_path: Path, synapse_python: Path
) -> None:
    async with Homeserver.start(tmp_path, python=synapse_python) as homeserver:
        account = await homeserver.register("hal")
        guest = arrived(homeserver, account)
        hal = await guest.__aenter__()
        room = await hal.create_room("outlast", "Outlast")
        hearing = asyncio.create_task(heard(hal, room, "back"))
        await hal.say(room, "before")
    async with Homeserver.start(tmp_path, python=synapse_python):
        await hal.say(room, "back")
        assert [event.body for event in await hearing] == ["before", "back"]
        await guest.__aexit__(None, None, None)


async def test_its_port_in_other_hands_is_said(tmp_path: Path, synapse_python: Path) -> None:
    async with Homeserver.start(tmp_path, python=synapse_python) as homeserver:
        port = homeserver.port
    with socket.create_server(("127.0.0.1", port)), pytest.raises(Refused, match=f"port {port}"):
        async with Homeserver.start(tmp_path, python=synapse_python):
            pass


async def test_broken_data_are_said_with_its_last_words(
    tmp_path: Path, synapse_python: Path
) -> None:
    (tmp_path / "homeserver.db").write_bytes(b"no database" * 1000)
    with pytest.raises(Refused, match="file is not a database"):
        async with Homeserver.start(tmp_path, python=synapse_python):
            pass


async def test_a_broken_identity_is_said(tmp_path: Path, synapse_python: Path) -> None:
    (tmp_path / "identity.json").write_text("{")
    with pytest.raises(OpsError, match=r"identity\.json cannot be read"):
        async with Homeserver.start(tmp_path, python=synapse_python):
            pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ties a child so")
async def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path, synapse_python: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, tmp_path, synapse_python, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    port, pid = map(int, (await parent.stdout.readline()).split())
    parent.kill()
    await parent.wait()

    async with asyncio.timeout(10):
        while _alive(pid) or _listens(port):
            await asyncio.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
