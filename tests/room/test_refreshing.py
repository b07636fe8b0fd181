"""A login by refresh token, on a real homeserver that hands out another one each time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.demo.homeserver import Homeserver

from .bot_process import BotProcess, running, settings
from .conftest import Room
from .person import Person
from .proxy import Proxy

pytestmark = pytest.mark.room


async def test_it_is_used_once_renewed_when_it_ran_out_and_kept_over_restarts(
    homeserver: Homeserver, tmp_path: Path
) -> None:
    robot, ann = [await homeserver.register(name) for name in ("refreshing", "refreshed")]
    async with aiohttp.ClientSession() as http, Proxy.before(homeserver.url) as proxy:
        who = {"type": "m.id.user", "user": robot.user_id}
        asked = {"type": "m.login.password", "identifier": who, "password": robot.password}
        url = f"{homeserver.url}/_matrix/client/v3/login"
        async with http.post(url, json={**asked, "refresh_token": True}) as answer:
            file = tmp_path / "refresh"
            file.write_text((await answer.json())["refresh_token"])
        person = Person(http, homeserver.url, ann)
        room = await person.opens_room("refreshing", robot.user_id)
        made: dict[str, Any] = settings(tmp_path, proxy.url, robot, room, [ann.user_id])
        del made["matrix"]["password_file"]
        made["matrix"]["refresh_token_file"] = str(file)
        async with running(BotProcess(tmp_path, made)) as bot:
            while "joined" not in bot.said():
                await person.call("GET", "/account/whoami")
            talk = Room(room, person, bot, proxy, person)
            assert (await talk.says("!ping")).text == "pong"

            left = ["/sync", "/send/"]

            def trouble(request: web.Request) -> web.Response | None:
                if not left or left[0] not in request.path:
                    return None
                left.pop(0)
                body = {"errcode": "M_UNKNOWN_TOKEN", "error": "ran out", "soft_logout": True}
                return web.json_response(body, status=401)

            proxy.trouble = trouble
            assert (await talk.says("!ping")).text == "pong"
            assert (await talk.says("!ping")).text == "pong"
            assert "login renewed" in bot.said()
            await bot.kill()
            await bot.start()
            assert (await talk.says("!ping")).text == "pong"
            assert len({line["device"] for line in bot.lines() if "device" in line}) == 1
