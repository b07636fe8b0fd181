"""Files of requests asked from real rooms."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from nio.crypto.attachments import encrypt_attachment

from bot.demo.homeserver import Homeserver
from tests.upstreams import Answer, Status, Upstream

from . import secret_room
from .conftest import Room, opened

pytestmark = [pytest.mark.room, pytest.mark.engine]

CHAT = "/v1/chat/completions"


def file(*names: str, tokens: int = 8) -> bytes:
    """A line for each name."""
    body = {"max_tokens": tokens, "model": "whatever"}
    lines = (
        {
            "custom_id": name,
            "method": "POST",
            "url": CHAT,
            "body": {**body, "messages": [{"role": "user", "content": f"What is {name}?"}]},
        }
        for name in names
    )
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream.started("small") as made:
        yield made


def backends(upstream: Upstream, capacity: int = 4) -> dict[str, Any]:
    studio = {"kind": "openai", "url": upstream.url, "capacity": capacity}
    return {"backends": {"studio": studio}}


@pytest.fixture
async def room(homeserver: Homeserver, tmp_path: Path, upstream: Upstream) -> AsyncIterator[Room]:
    async with opened(homeserver, tmp_path, gateway=backends(upstream)) as made:
        yield made


async def puts(room: Room, data: bytes, body: str = "batch.jsonl", **more: Any) -> str:
    """Put a file into the room. Returns its event's id."""
    url = await room.person.uploads(data, "application/jsonl")
    content = {"msgtype": "m.file", "filename": "batch.jsonl", "url": url, **more}
    return await room.person.types(room.id, body, **content)


def to(event_id: str) -> dict[str, Any]:
    return {"m.relates_to": {"m.in_reply_to": {"event_id": event_id}}}


async def handed_over(room: Room, seconds: float = 30) -> list[tuple[dict[str, Any], list[Any]]]:
    """The files that the bot has put into the room, each with its message."""
    async with asyncio.timeout(seconds):
        while True:
            seen = [event for event in await room.person.sees(room.id) if offers(room, event)]
            if seen:
                break
            await asyncio.sleep(0.05)
    return [
        (event["content"], read(await room.person.downloads(event["content"]["url"])))
        for event in seen
    ]


def offers(room: Room, event: dict[str, Any]) -> bool:
    ours = event["sender"] != room.person.user_id
    return ours and event.get("content", {}).get("msgtype") == "m.file"


def read(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.splitlines()]


async def test_a_reply_to_a_file_has_a_real_model_answer_every_line(room: Room):
    assert (await room.says("!deploy tiny tiny://ops")).state == "succeeded"
    names = [f"a container number {n}" for n in range(12)]
    request = await puts(room, file(*names))
    answer = await room.says("!batch tiny", seconds=120, **to(request))
    assert answer.state == "succeeded", answer
    assert answer.text.startswith("✓ batch tiny: 12 of 12 answered, after ")
    ((content, entries),) = await handed_over(room)
    assert [entry["custom_id"] for entry in entries] == names
    for entry in entries:
        assert entry["error"] is None
        assert entry["response"]["status_code"] == 200
        assert entry["response"]["body"]["choices"][0]["message"]["content"]
        assert entry["response"]["body"]["usage"]["completion_tokens"] <= 8
    assert content["m.relates_to"]["event_id"] == answer.event_id
    async with asyncio.timeout(30):
        while "12 requests, 0 failed" not in (await room.says("!usage tiny")).text:
            await asyncio.sleep(0.1)  # counted a second behind


async def test_a_caption_is_enough_and_what_failed_is_told(room: Room, upstream: Upstream):
    upstream.will(Answer(), Status(400, "I do not like that"), Status(429, retry_after="1"))
    request = await puts(room, file("a", "b", "c", "d"), "!batch studio")
    answer = await room.ends(request)
    assert answer.text.startswith("✓ batch studio: 3 of 4 answered, 1 failed, after ")
    assert "1 × " in answer.text
    assert "I do not like that" in answer.text
    ((_, entries),) = await handed_over(room)
    assert [entry["custom_id"] for entry in entries] == ["a", "b", "c", "d"]
    assert sorted(e["response"]["status_code"] for e in entries) == [200, 200, 200, 400]
    assert len(upstream.asked) == 5


async def test_what_is_no_file_of_requests_is_told_and_nobody_is_asked(
    room: Room, upstream: Upstream
):
    talk = await room.person.types(room.id, "look!")
    for more, told in (({}, "needs a file"), (to(talk), "needs a file")):
        assert told in (await room.says("!batch studio", **more)).text
    broken = await puts(room, b"{}\nno\n", "!batch studio")
    answer = await room.ends(broken)
    assert answer.state == "failed"
    assert "2 lines of 2 cannot be asked" in answer.text
    assert "line 1: `custom_id` is missing\nline 2: the line is not JSON" in answer.text
    large = await puts(room, b"\n" * 20_000_001, "!batch studio")
    assert "the file has more than 20 MB" in (await room.ends(large)).text
    assert upstream.asked == []


async def test_crossed_out_it_hands_over_what_there_is(room: Room, upstream: Upstream):
    upstream.will(Answer(), Answer(), *[Answer(pause_at=-1)] * 2)
    request = await puts(room, file(*"abcdef"), "!batch studio")
    growing = await room.person.until(room.id, request, lambda answer: " 2 of 6" in answer.text)
    await room.person.reacts(room.id, growing.event_id, "❌")
    ended = await room.ends(request, seconds=30)
    assert ended.state == "cancelled"
    assert "2 of 6 answered, 4 not asked." in ended.text
    await upstream.idle()
    ((_, entries),) = await handed_over(room)
    assert [entry["error"] and entry["error"]["code"] for entry in entries].count(None) == 2
    assert len(entries) == 6


async def test_killed_in_the_middle_it_goes_on_and_asks_nothing_twice_that_was_kept(
    room: Room, upstream: Upstream, tmp_path: Path
):
    upstream.will(*[Answer()] * 6, *[Answer(pause_at=-1)] * 2)
    names = [f"n{number}" for number in range(10)]
    request = await puts(room, file(*names), "!batch studio")
    await upstream.request(7)
    with sqlite3.connect(tmp_path / "gantry.db") as state:
        async with asyncio.timeout(30):
            while state.execute("SELECT count(*) FROM batch_entries").fetchone() != (6,):
                await asyncio.sleep(0.05)
    state.close()
    await room.bot.kill()
    await room.bot.start()
    answer = await room.ends(request)
    assert answer.text.startswith("✓ batch studio: 10 of 10 answered, after ")
    asked = [each.json["messages"][0]["content"] for each in upstream.asked]
    kept, twice = asked[:6], asked[6:8]
    assert len(asked) == 12
    assert not set(asked[6:]) & set(kept)
    assert set(twice) <= set(asked[8:])
    ((_, entries),) = await handed_over(room)
    assert [entry["custom_id"] for entry in entries] == names
    assert (await room.says("!ping")).state == "succeeded"
    assert len(await handed_over(room)) == 1
    with sqlite3.connect(tmp_path / "gantry.db") as state:
        async with asyncio.timeout(30):
            while state.execute("SELECT count(*) FROM files").fetchone() != (0,):
                await asyncio.sleep(0.05)
        assert state.execute("SELECT count(*) FROM batch_entries").fetchone() == (0,)
    state.close()


async def test_in_an_encrypted_room_neither_file_is_in_the_clear(
    homeserver: Homeserver, tmp_path: Path, upstream: Upstream
):
    opening = secret_room.opened(homeserver, tmp_path, "secret-batch", gateway=backends(upstream))
    async with opening as room, aiohttp.ClientSession() as session:
        locked, keys = encrypt_attachment(file("a", "b"))
        headers = {"Authorization": f"Bearer {room.token}"}
        media = f"{room.url}/_matrix/media/v3/upload"
        async with session.post(media, data=bytes(locked), headers=headers) as response:
            url = (await response.json())["content_uri"]
        content = {"msgtype": "m.file", "body": "b.jsonl", "file": {**keys, "url": url}}
        sent = await room.person.send(room.id, "m.room.message", content)
        reply = {"m.in_reply_to": {"event_id": sent}}
        asking = {"msgtype": "m.text", "body": "!batch studio", "m.relates_to": reply}
        answer = await room.ends(await room.person.send(room.id, "m.room.message", asking))
        assert answer.content["gantry.operation"]["state"] == "succeeded", answer.body

        def offered(event: Any) -> bool:
            ours = event.sender != room.person.user_id
            return ours and event.content.get("msgtype") == "m.file"

        said = (await room.sees(offered)).content
        assert "url" not in said
        entries = read(await room.opens(said["file"]))
        assert [entry["custom_id"] for entry in entries] == ["a", "b"]
        assert all(entry["response"]["status_code"] == 200 for entry in entries)
