"""Models asked from a real room: ours, others', routes; side by side, waited for, and stopped."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.demo.homeserver import Homeserver
from tests.upstreams import Answer, Cut, Fate, Upstream

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
    assert upstream.asked[-1].json["model"] == "small"
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
    told = [(turn["role"], turn["content"]) for turn in upstream.asked[-1].json["messages"]]
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
