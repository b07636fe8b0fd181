"""One bot takes over from another in a room whose homeserver cannot read along."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.demo.homeserver import Homeserver
from bot.matrix.crypto.keyring import KeyStore
from bot.matrix.guest import Guest
from tests.postgres import Cluster, name_of

from .bot_process import BotProcess, settings
from .secret_room import SecretRoom, _read

pytestmark = pytest.mark.room


async def logged(bot: BotProcess, event: str, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while event not in bot.said():
            await asyncio.sleep(0.02)


async def checked(bot: BotProcess) -> str:
    """What `gantry check` says of a bot's configuration."""
    words = (sys.executable, "-m", "bot", "check", "--config", str(bot.config))
    check = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    said, _ = await check.communicate()
    return said.decode()


async def test_the_second_reads_what_was_encrypted_before_it_acted(
    homeserver: Homeserver, postgres: Cluster, tmp_path: Path
):
    """Its device was told the key while the first one read the rooms. Each command is answered
    once, though the second speaks as another device."""
    url = await postgres.fresh()
    name = name_of(url)
    robot, ann = [await homeserver.register(f"sealed-{name}-{who}") for who in ("bot", "ann")]
    keys = KeyStore(tmp_path / "ann", SecretStr("secret"))
    arriving = Guest.arrive(homeserver.url, ann.user_id, ann.device_id, ann.access_token, keys)
    bots = []
    async with arriving as person:
        room = await person.create_room(name, name, (robot.user_id,), encrypted=True)
        for number in ("one", "two"):
            folder = tmp_path / number
            folder.mkdir()
            state = {"url": url, "folder": str(folder / "state"), "instance": number}
            made = settings(folder, homeserver.url, robot, room, [ann.user_id], state=state)
            bots.append(BotProcess(folder, made))
        first, second = bots
        await first.start()
        await logged(first, "joined")
        secret = SecretRoom(room, person, first, homeserver.url, ann.access_token)
        reading = asyncio.create_task(_read(secret))
        try:
            await secret.says("!ping")
            assert f"{robot.user_id} as device" in await checked(second)
            said = [await secret.types("!ping") for _ in range(3)]
            for command in said:
                await secret.ends(command)
            await second.start(ready=False)
            await logged(second, "waiting")
            said += [await secret.types("!version") for _ in range(3)]
            await first.kill()
            said += [await secret.types("!whoami") for _ in range(2)]
            await logged(second, "acting", 15)
            for command in said:
                await secret.ends(command)
            said.append(await secret.types("!ping"))
            await secret.ends(said[-1])
            notes = [
                event.content["gantry.operation"]["event"]
                for event in secret.seen
                if "gantry.operation" in event.content
                and event.content.get("m.relates_to", {}).get("rel_type") != "m.replace"
            ]
            assert {each: notes.count(each) for each in said} == dict.fromkeys(said, 1)
            assert "cannot be read" not in second.said()
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            for bot in bots:
                await bot.kill()
