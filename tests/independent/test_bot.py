"""What a person with a client of another make sees of the bot."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.demo.homeserver import Homeserver

from .js_client import JsClient
from .room import opened

pytestmark = pytest.mark.room


async def test_a_command_gets_one_message_that_tells_its_end(
    homeserver: Homeserver, js: JsClient, tmp_path: Path
) -> None:
    async with opened(homeserver, tmp_path, js, encrypted=False) as room:
        answer = await room.says("!deploy qwen tiny://ops --target stage")
        command = answer.content["gantry.operation"]["event"]
        about = [
            event
            for event in await js.events(room.id, since=command)
            if event.sender == room.account.user_id
        ]

    assert answer.content["gantry.operation"]["state"] == "succeeded", answer
    assert answer.relation == {"m.in_reply_to": {"event_id": command}}
    assert "qwen is live on stage" in answer.text
    assert [event.event_id for event in about if not event.is_edit] == [answer.event_id]
