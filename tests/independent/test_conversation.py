"""Threads, edits, reactions and files of the bot, as a client of another make has them.

It shares keys with signed devices only, and believes no others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.demo.homeserver import Homeserver
from tests.room.bot_process import STUCK
from tests.room.test_conversation import LONG_LINE, fill_log

from .js_client import JsClient
from .room import IndependentRoom, vouched_for
from .seen import Seen
from .test_js_client import PNG

pytestmark = [pytest.mark.room, pytest.mark.engine]


@pytest.fixture(scope="module")
async def strict_room(
    homeserver: Homeserver, js: JsClient, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[IndependentRoom]:
    """An encrypted room where `tiny` runs."""
    async with (
        vouched_for(homeserver, tmp_path_factory.mktemp("strict"), js) as room,
        js.excluding_insecure_devices(),
    ):
        deployed = await room.says("!deploy tiny tiny://ops")
        assert "tiny is live on local" in deployed.text
        yield room


async def said_since(room: IndependentRoom, event_id: str) -> list[Seen]:
    """What the bot said after an event."""
    events = await room.js.events(room.id, since=event_id)
    return [event for event in events if event.sender == room.account.user_id]


def believed(event: Seen) -> bool:
    """Whether it came encrypted, could be read, and carries no warning."""
    return event.encrypted and event.failure is None and event.shield["colour"] == "none"


async def test_a_conversation_goes_on_in_its_thread(strict_room: IndependentRoom) -> None:
    room = strict_room
    question = await room.js.send(room.id, "!infer tiny --temperature 0 what is a container?")
    first = await room.ends(question)
    more = await room.js.send(room.id, "what is a gpu?", thread=question)
    answer = await room.ends(more)
    on_answer = await room.js.send(room.id, "and a node?", thread=first.event_id)
    third = await room.ends(on_answer)

    assert all(believed(each) for each in (first, answer, third))
    assert {each.content["gantry.operation"]["state"] for each in (first, answer, third)} == {
        "succeeded"
    }
    assert first.relation == {"m.in_reply_to": {"event_id": question}}
    assert answer.relation == in_thread(question, more)
    assert third.relation == in_thread(first.event_id, on_answer)


def in_thread(root: str, event_id: str) -> dict[str, object]:
    """The relation of an answer to something that was said in a thread."""
    thread = {"rel_type": "m.thread", "event_id": root, "is_falling_back": True}
    return {**thread, "m.in_reply_to": {"event_id": event_id}}


async def test_progress_is_shown_and_edited_until_the_end(strict_room: IndependentRoom) -> None:
    room = strict_room
    command = await room.js.send(room.id, "!deploy slow tiny://smooth --target stage --replicas 2")
    progress = await room.shows(command, "running")
    end = await room.ends(command)
    first, *edits = await said_since(room, command)

    assert "slow is live on stage" not in progress.text
    assert end.event_id == progress.event_id == first.event_id
    assert end.text.startswith("✓ slow is live on stage")
    assert end.edit_id == edits[-1].event_id
    assert all(believed(each) for each in (progress, end, *edits))
    assert [each.relation for each in edits] == [
        {"rel_type": "m.replace", "event_id": end.event_id}
    ] * len(edits)
    assert edits[-1].content["m.new_content"]["body"] == end.text


async def test_only_a_reaction_that_stands_cancels(strict_room: IndependentRoom) -> None:
    room = strict_room
    command = await room.js.send(room.id, STUCK)
    running = await room.shows(command, "running")
    for harmless in (running.event_id, command):
        await room.js.react(room.id, harmless, "👍")
    assert (await room.says("!ping")).text == "pong"
    assert (await room.shows(command, "running")).event_id == running.event_id

    await room.js.react(room.id, running.event_id, "❌")
    ended = await room.ends(command)
    assert ended.event_id == running.event_id
    assert ended.content["gantry.operation"]["state"] == "cancelled"
    assert f"cancelled by {room.js.user_id}" in ended.text
    assert believed(ended)


async def test_a_reaction_taken_back_before_the_bot_read_it_is_none(
    strict_room: IndependentRoom,
) -> None:
    room = strict_room
    command = await room.js.send(room.id, STUCK)
    running = await room.shows(command, "running")
    await room.bot.kill()
    taken_back = await room.js.react(room.id, running.event_id, "❌")
    await room.js.redact(room.id, taken_back)
    await room.bot.start()
    assert (await room.says("!ping")).text == "pong"
    assert (await room.shows(command, "running")).event_id == running.event_id

    await room.js.react(room.id, running.event_id, "❌")
    assert (await room.ends(command)).content["gantry.operation"]["state"] == "cancelled"


async def test_a_long_log_is_an_encrypted_file_in_a_thread(strict_room: IndependentRoom) -> None:
    room = strict_room
    fill_log(room.bot.folder)
    answer = await room.says("!logs tiny --tail 400")
    offer = await room.js.until(room.id, lambda event: event.content.get("msgtype") == "m.file")
    text = await room.js.download(room.id, offer.event_id)

    assert believed(answer)
    assert believed(offer)
    assert len(answer.text.encode()) < 12_000
    assert offer.relation == in_thread(answer.event_id, answer.event_id)
    assert "url" not in offer.content
    file = offer.content["file"]
    assert (file["v"], file["key"]["alg"]) == ("v2", "A256CTR")
    assert offer.content["info"] == {"mimetype": "text/plain", "size": len(text)}
    assert all(f"\n{number} {LONG_LINE}"[:-1] in text.decode() for number in range(400))


async def test_a_picture_is_met_with_silence(strict_room: IndependentRoom) -> None:
    room = strict_room
    picture = await room.js.send_image(room.id, PNG)
    ping = await room.js.send(room.id, "!ping")
    assert (await room.ends(ping)).text == "pong"
    (said,) = await said_since(room, picture)
    assert said.relation == {"m.in_reply_to": {"event_id": ping}}
    assert await room.js.download(room.id, picture) == PNG
    assert not [line for line in room.bot.lines() if line["level"] == "error"]
