"""The audit beside a real homeserver: told in its room, proven while the bot runs."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.demo.homeserver import Homeserver

from .conftest import Room, opened

pytestmark = pytest.mark.room


async def gantry_audit(room: Room, *words: str) -> tuple[int, str]:
    """Run `gantry audit` on the bot's state. Returns its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "audit", *words, "--config", str(room.bot.config)),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def audit_room(room: Room, alias: str) -> str:
    """A room of that alias, with the bot in it."""
    me = next(line["user"] for line in room.bot.lines() if line["event"] == "logged in")
    before = room.bot.said().count("joined")
    made = await room.person.call("POST", "/createRoom", invite=[me], room_alias_name=alias)
    while room.bot.said().count("joined") == before:
        await room.person.call("GET", "/account/whoami")
    return str(made["room_id"])


async def told(room: Room, where: str, count: int) -> list[dict[str, Any]]:
    """Wait until the mirror has so many lines. Returns them in the order of the chain."""
    async with asyncio.timeout(60):
        while True:
            contents = [event["content"] for event in await room.person.sees(where)]
            lines = [each for each in contents if "gantry.audit" in each]
            if len(lines) >= count:
                return sorted(lines, key=lambda line: int(line["gantry.audit"]["sequence"]))
            await asyncio.sleep(0.05)


async def test_what_changes_or_is_denied_is_told_once_and_proves_the_chain_over_a_kill(
    homeserver: Homeserver, tmp_path: Path
):
    alias = f"#mirror:{homeserver.name}"
    async with opened(homeserver, tmp_path, audit={"mirror_room": alias}) as room:
        where = await audit_room(room, "mirror")
        await room.says("!ping")
        refused = await room.stranger.types(room.id, "!deploy slow tiny://smooth")
        assert (await room.ends(refused)).state == "failed"
        changed = await room.person.types(room.id, "!deploy slow tiny://smooth --target stage")
        async with asyncio.timeout(20):
            while not any(line.get("step", "").startswith("start") for line in room.bot.lines()):
                await asyncio.sleep(0.005)
        await room.bot.kill()
        await room.bot.start()
        assert (await room.ends(changed)).state == "succeeded"
        locked = await room.person.types(room.id, "!lock slow")
        await room.ends(locked)

        lines = await told(room, where, 3)
        code, text = await gantry_audit(room, "export")
        assert code == 0
        records = [json.loads(line) for line in text.splitlines()]
        for command in (refused, changed, locked):
            assert len([each for each in records if each.get("event") == command]) == 1
        notable = [each for each in records if each["notable"]]
        assert [line["gantry.audit"] for line in lines] == [
            {"sequence": each["sequence"], "hash": each["hash"]} for each in notable
        ]
        assert " · denied · " in lines[0]["body"]
        assert [line["msgtype"] for line in lines] == ["m.notice"] * 3

        newest = lines[-1]["body"].rpartition(" · ")[2]
        code, text = await gantry_audit(room, "verify", "--head", newest)
        assert (code, text[:11]) == (0, "✓ records: ")
