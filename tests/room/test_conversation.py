"""What people do beside typing commands: react, take messages away, read long output, talk on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from bot.demo.homeserver import Homeserver

from . import secret_room
from .bot_process import STUCK
from .conftest import Room
from .secret_room import SecretRoom

pytestmark = [pytest.mark.room, pytest.mark.engine]

NUMBERS = count()
"""Each test's people are its own: keys lost with one test's folder are missed by the next."""

LONG_LINE = "a line that says so much that a room would rather not read all of it " * 2


@pytest.fixture
async def secret(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[SecretRoom]:
    """An encrypted room with a bot of the test's own."""
    async with secret_room.opened(homeserver, tmp_path, f"secret-talk-{next(NUMBERS)}") as room:
        yield room


def fill_log(folder: Path) -> None:
    """Have the one replica that runs have written a lot."""
    (log,) = folder.glob("**/tiny-*/log")
    with log.open("a") as file:
        file.writelines(f"{number} {LONG_LINE}\n" for number in range(400))


async def stuck(room: Room) -> tuple[str, str]:
    """A deploy that only a cancellation ends, shown in the room: (command, message). The bot has
    noted which message that is by the time it answers something else (docs/known-flaws.md)."""
    command = await room.person.types(room.id, STUCK)
    running = await room.person.until(room.id, command, lambda answer: answer.state == "running")
    assert "React with ❌" in running.text
    assert (await room.says("!ping")).text == "pong"
    return command, running.event_id


async def test_crossing_out_a_running_operation_cancels_it_without_another_word(room: Room):
    command, message = await stuck(room)
    reaction = await room.person.reacts(room.id, message, "❌\ufe0f")
    ended = await room.ends(command)
    assert ended.state == "cancelled"
    assert f"cancelled by {room.person.user_id}" in ended.text
    assert reaction not in await room.person.answers(room.id)


async def test_a_stranger_who_crosses_it_out_is_refused_in_a_line(room: Room):
    command, message = await stuck(room)
    reaction = await room.stranger.reacts(room.id, message, "🛑")
    refused = await room.ends(reaction)
    assert refused.state == "failed"
    assert "takes the role operator" in refused.text
    assert refused.content["m.mentions"] == {}
    await room.person.reacts(room.id, message, "👍")
    await room.person.reacts(room.id, message, "✖")
    assert (await room.ends(command)).state == "cancelled"


async def test_a_reaction_that_came_while_the_bot_was_dead_counts(own_room: Room):
    room = own_room
    command, message = await stuck(room)
    await room.bot.kill()
    await room.person.reacts(room.id, message, "❌")
    await room.bot.start()
    assert (await room.ends(command)).state == "cancelled"


async def test_a_reaction_taken_back_while_the_bot_was_dead_does_not(own_room: Room):
    room = own_room
    command, message = await stuck(room)
    await room.bot.kill()
    taken_back = await room.person.reacts(room.id, message, "❌")
    await room.person.redacts(room.id, taken_back)
    await room.bot.start()
    assert (await room.says("!ping")).text == "pong"
    assert (await room.person.answers(room.id))[command][0].state == "running"
    await room.person.reacts(room.id, message, "❌")
    assert (await room.ends(command)).state == "cancelled"


async def test_a_message_taken_away_is_left_alone_and_the_end_is_told_by_another(room: Room):
    command = await room.person.types(
        room.id, "!deploy slow tiny://smooth --target stage --replicas 3"
    )
    running = await room.person.until(room.id, command, lambda answer: answer.state == "running")
    await room.person.redacts(room.id, running.event_id)
    async with asyncio.timeout(20):
        while "taken away" not in room.bot.said():
            await asyncio.sleep(0.02)
    ended = await room.ends(command)
    assert ended.event_id != running.event_id
    assert ended.text.startswith("✓ slow is live on stage")
    assert ended.content["m.relates_to"] == {"m.in_reply_to": {"event_id": command}}
    await room.says("!remove slow")


async def test_a_long_log_is_a_preview_with_all_of_it_in_a_thread(own_room: Room):
    room = own_room
    await room.says("!deploy tiny tiny://ops")
    fill_log(room.bot.folder)
    answer = await room.says("!logs tiny --tail 400")
    assert "the whole text is in the thread of this message" in answer.text
    assert len(answer.text.encode()) < 12_000
    async with asyncio.timeout(20):
        while not (files := [e for e in await room.person.sees(room.id) if is_file(e)]):
            await asyncio.sleep(0.05)
    (file,) = files
    content = file["content"]
    assert content["m.relates_to"]["rel_type"] == "m.thread"
    assert content["m.relates_to"]["event_id"] == answer.event_id
    assert content["m.mentions"] == {}
    text = (await room.person.downloads(content["url"])).decode()
    assert content["info"] == {"mimetype": "text/plain", "size": len(text.encode())}
    assert all(f"\n{number} {LONG_LINE}"[:-1] in text for number in range(400))


def is_file(event: dict) -> bool:
    return event.get("content", {}).get("msgtype") == "m.file"


async def test_in_an_encrypted_room_files_reactions_and_threads_work_as_well(secret: SecretRoom):
    await secret.says("!deploy tiny tiny://ops")
    fill_log(secret.bot.folder)
    answer = await secret.says("!logs tiny --tail 400")
    file = await secret.sees(lambda event: event.content.get("msgtype") == "m.file")
    assert file.relation.event_id == answer.event_id
    assert "url" not in file.content
    assert f"399 {LONG_LINE}"[:-1] in (await secret.opens(file.content["file"])).decode()

    stuck = await secret.types(STUCK)
    running = await secret.shows(stuck, "running")
    await secret.reacts(running.event_id, "❌")
    ended = await secret.shows(stuck, "cancelled")
    assert ended.relation.event_id == running.event_id

    question = await secret.types("!infer tiny what is a container?")
    await secret.ends(question)
    answer = await secret.says("what is a gpu?", thread=question)
    assert answer.content["gantry.operation"]["state"] == "succeeded"
    assert answer.content["m.mentions"] == {}
    posted = await secret.sees(
        lambda event: (
            (event.relation and event.relation.kind == "m.thread")
            and event.sender != secret.person.user_id
            and event.relation.event_id == question
        )
    )
    assert posted.content["m.relates_to"]["is_falling_back"] is True


async def test_a_conversation_goes_on_in_a_thread_and_survives_the_bot(own_room: Room):
    room = own_room
    await room.says("!deploy tiny tiny://ops")
    question = await room.person.types(room.id, "!infer tiny --temperature 0 what is a container?")
    first = await room.ends(question)
    assert first.content["m.relates_to"] == {"m.in_reply_to": {"event_id": question}}

    talk = await room.says("what is a gpu?", **in_thread(question))
    assert talk.state == "succeeded", talk
    assert talk.content["m.relates_to"]["event_id"] == question
    assert talk.content["m.relates_to"]["is_falling_back"] is True
    await room.bot.kill()
    await room.bot.start()
    async with asyncio.timeout(20):
        while (await room.says("!infer tiny hello")).state != "succeeded":
            await asyncio.sleep(0.1)
    again = await room.says("!infer tiny --max-tokens 20 and a node?", **in_thread(question))
    assert again.content["m.relates_to"]["rel_type"] == "m.thread"
    on_answer = await room.says("what else?", **in_thread(first.event_id))
    assert on_answer.content["m.relates_to"]["event_id"] == first.event_id
    stranger = await room.stranger.types(room.id, "what is a pod?", **in_thread(question))
    assert (await room.ends(stranger)).state == "succeeded"

    chat = await room.person.types(room.id, "lunch?")
    talk = await room.person.types(room.id, "what is a gpu?", **in_thread(chat))
    assert (await room.says("!ping")).text == "pong"
    assert talk not in await room.person.answers(room.id)


def in_thread(root: str) -> dict:
    thread = {"rel_type": "m.thread", "event_id": root, "is_falling_back": True}
    return {"m.relates_to": {**thread, "m.in_reply_to": {"event_id": root}}}


async def test_a_command_in_the_clear_in_an_encrypted_room_is_not_run(secret: SecretRoom):
    exposed = await secret.types_in_the_clear("!ping")
    refusal = await secret.sees(lambda event: "it came unencrypted" in event.body)
    assert refusal.content["m.relates_to"] == {"m.in_reply_to": {"event_id": exposed}}
    assert refusal.body.startswith("✗ ping was not run")
    assert (await secret.says("!ping")).body == "pong"
    await secret.bot.kill()
    again = await secret.types_in_the_clear("!ping")
    await secret.bot.start()
    await secret.sees(lambda event: again in str(event.content.get("m.relates_to")))
    ended = [event for event in secret.seen if "gantry.operation" in event.content]
    assert {event.content["gantry.operation"]["event"] for event in ended}.isdisjoint(
        {exposed, again}
    )


async def reply(room: Room, to: str) -> str:
    """Wait for what the bot says to a message without making an operation of it."""
    async with asyncio.timeout(20):
        while True:
            latest = await room.person.call("GET", f"/rooms/{room.id}/messages?dir=b&limit=10")
            for event in latest["chunk"]:
                about = event["content"].get("m.relates_to", {}).get("m.in_reply_to", {})
                if about.get("event_id") == to:
                    return str(event["content"]["body"])
            await asyncio.sleep(0.05)


async def test_a_secret_in_a_command_is_refused_and_taken_away_where_the_bot_may(own_room: Room):
    room, secret = own_room, "hf_a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7"
    typed = await room.person.types(room.id, f"!deploy x tiny://ops --env HF_TOKEN={secret}")
    assert "looks like a Hugging Face token" in await reply(room, typed)
    path = f"/rooms/{room.id}/state/m.room.power_levels"
    levels = await room.person.call("GET", path)
    bot = next(line["user"] for line in room.bot.lines() if line["event"] == "logged in")
    levels["users"][bot] = 50
    await room.person.call("PUT", path, **levels)
    again = await room.person.types(room.id, f"!infer tiny {secret}")
    await reply(room, again)
    async with asyncio.timeout(20):
        while (await room.person.call("GET", f"/rooms/{room.id}/event/{again}"))["content"]:
            await asyncio.sleep(0.05)
    assert (await room.person.call("GET", f"/rooms/{room.id}/event/{typed}"))["content"]
    await room.bot.stop()
    for file in room.bot.folder.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes()
