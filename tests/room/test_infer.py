"""Models asked from a real room: ours, others', routes; side by side, waited for, and stopped."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from nio.crypto.attachments import encrypt_attachment

from bot.demo.homeserver import Homeserver
from tests.upstreams import Answer, Asked, Cut, Fate, Upstream

from . import secret_room
from .bot_process import STUCK
from .conftest import Room, opened

pytestmark = [pytest.mark.room, pytest.mark.engine]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream.started("small") as made:
        yield made


@pytest.fixture
async def room(homeserver: Homeserver, tmp_path: Path, upstream: Upstream) -> AsyncIterator[Room]:
    """A room whose bot knows a backend and a route."""
    gateway = {
        "backends": {"studio": {"kind": "openai", "url": upstream.url}},
        "routes": {"chat": ["tiny", "studio"]},
    }
    async with opened(homeserver, tmp_path, gateway=gateway) as made:
        yield made


async def test_services_backends_and_routes_are_asked_alone_and_side_by_side(
    room: Room, upstream: Upstream
):
    assert "One two three\n— `studio-foreign-0`" in (await room.says("!infer studio hello")).text
    await room.says("!infer studio/small hello")
    assert asked(upstream).json["model"] == "small"
    assert "One two three" in (await room.says("!infer @chat hello")).text

    await room.says("!deploy tiny tiny://ops")
    assert "— `tiny-" in (await room.says("!infer chat what is a container?")).text
    question = await room.person.types(room.id, "!infer tiny,studio,nobody what is a gpu?")
    both = await room.ends(question)
    assert both.state == "succeeded"
    assert re.search(
        r"^`tiny`\n.+\n— `tiny-\w+-0` · \d+ tokens · first after", both.text, re.DOTALL
    )
    assert "\n`studio`\nOne two three\n— `studio-foreign-0` · 3 tokens · first after" in both.text
    assert "\n`nobody`\n✗ there is no service, backend or route `nobody`." in both.text
    assert "<code>studio</code>" in both.html

    thread = {"rel_type": "m.thread", "event_id": question, "is_falling_back": True}
    talk = await room.says("and then?", **{"m.relates_to": thread})
    assert "`tiny`\n" in talk.text
    told = [(turn["role"], turn["content"]) for turn in asked(upstream).json["messages"]]
    assert told == [
        ("user", "what is a gpu?"),
        ("assistant", "One two three"),
        ("user", "and then?"),
    ]


async def test_an_answer_that_is_crossed_out_ends_at_its_backend_too(
    room: Room, upstream: Upstream
):
    upstream.will(Answer(pieces=("So", " far"), cut=Cut.HANG, cut_at=2))
    command = await room.person.types(room.id, "!infer studio hello")
    growing = await room.person.until(room.id, command, lambda answer: "So far" in answer.text)
    assert growing.state == "running"
    assert "React with ❌" in growing.text
    await room.person.reacts(room.id, growing.event_id, "❌")
    ended = await room.ends(command)
    assert ended.state == "cancelled"
    assert ended.event_id == growing.event_id
    assert ended.text == f"So far\n— stopped, cancelled by {room.person.user_id}"
    await upstream.idle()
    assert upstream.asked[-1].fate is Fate.LEFT


async def test_while_a_service_loads_the_message_says_so(room: Room):
    deploy = await room.person.types(room.id, STUCK)
    await room.person.until(room.id, deploy, lambda answer: answer.state == "running")
    command = await room.person.types(room.id, "!infer stuck hello")
    waits = await room.person.until(room.id, command, lambda answer: "loading" in answer.text)
    assert waits.text.startswith("⏳ infer stuck hello · loading · ")
    await room.says(f"!cancel {operation(waits)}")
    assert (await room.ends(command)).state == "cancelled"
    await room.person.types(room.id, f"!cancel {operation(await running(room, deploy))}")
    assert (await room.ends(deploy)).state == "cancelled"


async def running(room: Room, command: str):
    return (await room.person.answers(room.id))[command][-1]


def operation(answer) -> str:
    return re.search(r"!cancel (\w+)", answer.text)[1]


PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def asked(upstream: Upstream) -> Asked:
    """What the backend was asked last, looks at its health aside."""
    return [each for each in upstream.asked if each.method == "POST"][-1]


def shown(upstream: Upstream) -> list[Any]:
    """What the backend was last asked: the parts of the last message, pictures as their bytes."""
    content = asked(upstream).json["messages"][-1]["content"]
    if isinstance(content, str):
        return [content]
    text, *pictures = content
    urls = [each["image_url"]["url"].partition(";base64,") for each in pictures]
    return [text["text"], *((kind, base64.b64decode(data)) for kind, _, data in urls)]


async def test_pictures_are_shown_with_the_command_that_captions_or_replies_to_them(
    room: Room, upstream: Upstream
):
    url = await room.person.uploads(PNG, "image/png")
    picture = {"msgtype": "m.image", "filename": "cat.png", "url": url}
    answer = await room.says("!infer studio what is this?", **picture)
    assert answer.state == "succeeded", answer
    assert shown(upstream) == ["what is this?", ("data:image/png", PNG)]

    alone = await room.person.types(room.id, "cat.png", **picture)
    talk = await room.person.types(room.id, "look!")
    for to, seen in ((alone, [("data:image/png", PNG)]), (talk, [])):
        reply = {"m.relates_to": {"m.in_reply_to": {"event_id": to}}}
        answer = await room.says("!infer studio and that?", **reply)
        assert answer.state == "succeeded", answer
        assert shown(upstream) == ["and that?", *seen]
    assert alone not in await room.person.answers(room.id)

    for where, told in (
        (await room.person.uploads(b"\0" * 5_000_001, "image/png"), "more than 5 MB"),
        (await room.person.uploads(b"<svg>", "image/png"), "PNG, JPEG, WebP and GIF"),
        ("mxc://nowhere.invalid/../x", "does not say where"),
        (f"{url}x", "does not have the picture"),
    ):
        refused = await room.says("!infer studio see?", **{**picture, "url": where})
        assert refused.state == "failed"
        assert told in refused.text


async def test_in_an_encrypted_room_pictures_are_decrypted_and_none_in_the_clear_is_shown(
    homeserver: Homeserver, tmp_path: Path, upstream: Upstream
):
    gateway = {"backends": {"studio": {"kind": "openai", "url": upstream.url}}}
    opening = secret_room.opened(homeserver, tmp_path, "secret-pictures", gateway=gateway)
    async with opening as room, aiohttp.ClientSession() as session:
        locked, keys = encrypt_attachment(PNG)
        headers = {"Authorization": f"Bearer {room.token}"}
        media = f"{room.url}/_matrix/media/v3/upload"
        async with session.post(media, data=bytes(locked), headers=headers) as response:
            url = (await response.json())["content_uri"]
        words = {"msgtype": "m.image", "body": "!infer studio what is this?", "filename": "a.png"}
        content = {**words, "file": {**keys, "url": url}}
        answer = await room.ends(await room.person.send(room.id, "m.room.message", content))
        assert answer.content["gantry.operation"]["state"] == "succeeded", answer.body
        assert shown(upstream) == ["what is this?", ("data:image/png", PNG)]

        damaged = {**content, "file": {**content["file"], "hashes": {"sha256": "AAAA"}}}
        told = await room.ends(await room.person.send(room.id, "m.room.message", damaged))
        assert "not what its message says" in told.body

        path = f"{room.url}/_matrix/client/v3/rooms/{quote(room.id)}/send/m.room.message/clear"
        forged = {"msgtype": "m.image", "body": "a.png", "url": url}
        async with session.put(path, json=forged, headers=headers) as response:
            clear = (await response.json())["event_id"]
        reply = {"m.in_reply_to": {"event_id": clear}}
        asking = {"msgtype": "m.text", "body": "!infer studio see?", "m.relates_to": reply}
        told = await room.ends(await room.person.send(room.id, "m.room.message", asking))
        assert "came unencrypted into an encrypted room" in told.body
        assert sum(each.method == "POST" for each in upstream.asked) == 1
