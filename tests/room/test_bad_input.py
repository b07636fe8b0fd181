"""Whatever is typed, the answer says what is wrong, how things stand and what to try."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from .bot_process import STUCK
from .conftest import Room

pytestmark = [pytest.mark.room, pytest.mark.engine]

TINY = Path(__file__).parents[2] / "deployers" / "models" / "bundled" / "tiny-ops.gguf"

WRONG = {
    "!deplyo tiny tiny://ops": "Did you mean `!deploy`?",
    "!scale tiny --replica 2": "has no option `--replica`",
    "!deploy": "needs a NAME",
    "!deploy tiny": "needs a model source",
    "!deploy Tiny_1 tiny://ops": "cannot be a service's name",
    "!deploy tiny tiny://ops --replicas 0": "`!stop` is for that",
    "!deploy tiny tiny://ops --replicas 1000000000": "too many; at most 64",
    "!scale tiny 1000000000": "too many; at most 64",
    "!scale tiny lots": "`lots` is not a number of replicas",
    "!scale nobody 2": "there is no service `nobody`",
    "!infer tiny": "needs a prompt",
    "!infer nobody hello": "there is no service, backend or route `nobody`",
    "!deploy tiny ftp://x": "is not a model source",
    "!deploy tiny path:models/x.gguf": "is not absolute",
    "!deploy tiny tiny://nothing-like-it": "tiny://ops",
    "!deploy tiny tiny://ops --target moon": "is not a target of test",
    "!deploy tiny tiny://ops --set colour=red": "colour",
    "!deploy tiny path:/no/such/model.gguf": "/no/such/model.gguf",
    "!deploy tiny path:/etc/hostname": "GGUF",
    "!cancel zzzzzz": "there is no operation `zzzzzz`",
    '!deploy tiny "tiny://ops': "quot",
    "!logs nobody": "there is no service `nobody`",
    "!help deplyo": "`!help deploy`",
}


@pytest.mark.parametrize("typed", WRONG)
async def test_wrong_commands_get_one_message_that_helps(room: Room, typed: str):
    answer = await room.says(typed)
    assert answer.state == "failed", answer
    assert WRONG[typed] in answer.text
    assert answer.text.startswith("✗ ")
    assert room.bot.servers() == []
    assert "Nothing is deployed" in (await room.says("!status")).text


async def test_prompts_arrive_as_they_were_typed(room: Room):
    await room.says("!deploy echo tiny://ops")
    try:
        for prompt in (
            "what is\na container?",
            "say \"it's\" 'twice'",
            "🚀 <b>bold</b> & <script>alert(1)</script>",
        ):
            answer = await room.says(f"!infer echo --max-tokens 20 {prompt}")
            assert answer.state == "succeeded", answer
            assert "<script>" not in answer.html
        long = await room.says("!infer echo " + "word " * 12_000)
        assert long.state == "failed"
        assert "tokens" in long.text
    finally:
        await room.says("!remove echo")


async def test_a_taken_port_is_named(room: Room):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = await room.says(f"!deploy tiny tiny://ops --set port={port}")
    assert answer.state == "failed"
    assert str(port) in answer.text
    assert "Nothing of tiny runs" in answer.text
    assert room.bot.servers() == []
    assert "Nothing is deployed" in (await room.says("!status")).text


async def test_a_server_that_crashes_at_start_leaves_the_old_one_serving(
    room: Room, tmp_path: Path
):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(TINY.read_bytes()[:200_000])
    await room.says("!deploy tiny tiny://ops")
    serving = room.bot.servers()
    answer = await room.says(f"!deploy tiny path:{broken}")
    assert answer.state == "failed"
    assert "The version before" in answer.text
    assert "1 of 1" in answer.text
    assert room.bot.servers() == serving
    assert (await room.says("!infer tiny hello")).state == "succeeded"
    await room.says("!remove tiny")


async def test_a_server_that_dies_before_a_word_is_replaced_and_the_next_one_answers(room: Room):
    """Whoever asked waits for it: nothing was said yet that another could not say."""
    await room.says("!deploy tiny tiny://ops")
    [server] = room.bot.servers()
    os.kill(server, signal.SIGSTOP)
    command = await room.person.types(room.id, "!infer tiny what is a pod?")
    await asyncio.sleep(0.3)
    os.kill(server, signal.SIGKILL)
    answer = await room.ends(command)
    assert answer.state == "succeeded", answer
    assert len(room.bot.servers()) == 1
    assert server not in room.bot.servers()
    await room.says("!remove tiny")


async def test_a_server_that_hangs_at_start_can_be_cancelled(room: Room):
    command = await room.person.types(room.id, STUCK)
    running = await room.person.until(room.id, command, lambda answer: answer.state == "running")
    operation = running.content["gantry.operation"]["id"]
    assert "is being cancelled" in (await room.says(f"!cancel {operation}")).text
    ended = await room.ends(command)
    assert ended.state == "cancelled"
    assert f"cancelled by {room.person.user_id}" in ended.text
    assert "Nothing of stuck runs" in ended.text
    assert "Nothing is deployed" in (await room.says("!status")).text
