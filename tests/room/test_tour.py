"""What a newcomer does in the first ten minutes, in order."""

from __future__ import annotations

import asyncio
import re

import pytest

from .conftest import Room

pytestmark = [pytest.mark.room, pytest.mark.engine]


async def test_a_model_is_deployed_asked_scaled_restarted_stopped_and_removed(room: Room):
    deployed = await room.says("!deploy tiny tiny://ops")
    assert deployed.state == "succeeded", deployed
    assert re.search(
        r"✓ tiny is live on local: 1 replica of revision `[0-9a-f]{6}` · ready in [\d.]+ s · "
        r"first token after \d+ ms · \d+ tokens/s",
        deployed.text,
    )

    asked = await room.says("!infer tiny --temperature 0 what is a container?")
    assert asked.state == "succeeded"
    assert "container" in asked.text.lower()
    assert re.search(
        r"— `tiny-[0-9a-f]{6}-0` · \d+ tokens · first after \d+ ms · \d+ tok", asked.text
    )

    scaled = await room.says("!scale tiny 2")
    assert "2 replicas" in scaled.text
    answerers = set()
    for answer in await asyncio.gather(
        *(room.says("!infer tiny what is a gpu?") for _ in range(8))
    ):
        assert answer.state == "succeeded"
        answerers.add(re.search(r"`(tiny-\w+-\d)`", answer.text)[1])
    assert len(answerers) == 2, "both replicas answer"

    status = await room.says("!status")
    assert "✓ 2/2" in status.text
    one = await room.says("!status tiny")
    assert one.text.count("ready") == 3
    logs = await room.says("!logs tiny --tail 5")
    assert "<pre><code>" in logs.html
    followed = await room.says("!logs tiny --tail 3 --follow 4s")
    assert followed.state == "succeeded"
    assert "6 lines." in followed.text
    assert len(re.findall(r"^tiny-\w+-\d \| ", followed.text, re.MULTILINE)) == 6
    place = await room.says("!targets local")
    assert place.text.startswith("✓ local (process) is reachable since ")
    assert "2/2" in place.text

    before = set(room.bot.servers())
    restarted = await room.says("!restart tiny")
    assert restarted.state == "succeeded"
    assert len(room.bot.servers()) == 2
    assert not before & set(room.bot.servers())

    assert "no replicas now" in (await room.says("!scale tiny 0")).text
    assert room.bot.servers() == []
    nobody = await room.says("!infer tiny hello")
    assert nobody.state == "failed"
    assert "`!scale tiny 1` brings it back" in nobody.text

    assert (await room.says("!restart tiny")).state == "succeeded"
    assert "is stopped" in (await room.says("!stop tiny")).text
    assert "is removed" in (await room.says("!remove tiny")).text
    assert (await room.says("!status")).text == "Nothing is deployed. Try `!deploy tiny tiny://ops`"
    operations = await room.says("!ops")
    assert "remove tiny" in operations.text
    assert "succeeded" in operations.text


async def test_small_talk(room: Room):
    assert (await room.says("!ping")).text == "pong"
    assert room.person.user_id in (await room.says("!whoami")).text
    assert "operator" in (await room.says("!whoami")).text
    assert (await room.says("!version")).text.startswith("Gantry ")
    assert "local" in (await room.says("!targets")).text
    assert "!deploy NAME" in (await room.says("!help")).text
    assert "--replicas" in (await room.says("!help deploy")).text


async def test_an_answer_says_which_command_it_is_for_and_mentions_nobody(room: Room):
    command = await room.person.types(room.id, "!ping")
    answer = await room.ends(command)
    assert answer.content["m.relates_to"] == {"m.in_reply_to": {"event_id": command}}
    assert answer.content["m.mentions"] == {}
    assert answer.content["msgtype"] == "m.notice"


async def test_progress_is_one_message_that_grows(room: Room):
    answer = await room.says("!deploy slow tiny://smooth --target stage --replicas 3")
    assert answer.state == "succeeded"
    assert len(answer.versions) > 1
    assert answer.versions[0].startswith("⏳ deploy slow tiny://smooth")
    assert "▱" in answer.versions[0]
    assert "`!cancel" in answer.versions[0]
    await room.says("!remove slow")


async def test_strangers_may_look_but_not_touch(room: Room):
    command = await room.stranger.types(room.id, "!deploy tiny tiny://ops")
    denied = await room.ends(command)
    assert denied.state == "failed"
    assert "that takes the role operator" in denied.text
    looked = await room.ends(await room.stranger.types(room.id, "!status"))
    assert looked.state == "succeeded"
    assert "!deploy" not in (await room.ends(await room.stranger.types(room.id, "!help"))).text


async def test_talk_edits_notices_and_quotes_are_not_commands(room: Room):
    first = await room.person.types(room.id, "!ping")
    await room.ends(first)
    replaced = {"rel_type": "m.replace", "event_id": first}
    edited = await room.person.types(
        room.id,
        "* !version",
        **{"m.relates_to": replaced, "m.new_content": {"msgtype": "m.text", "body": "!version"}},
    )
    notice = await room.person.types(room.id, "!ping", msgtype="m.notice")
    shout = await room.person.types(room.id, "!!! look at this")
    quoted = await room.person.types(
        room.id,
        "> <@x:y> !version\n\n!ping",
        **{"m.relates_to": {"m.in_reply_to": {"event_id": first}}},
    )
    assert (await room.ends(quoted)).text == "pong"
    answered = await room.person.answers(room.id)
    assert not {edited, notice, shout} & set(answered)


async def test_a_change_is_planned_done_and_taken_back(room: Room):
    await room.says("!deploy tiny tiny://ops")
    before = room.bot.servers()
    plan = await room.says("!deploy tiny --ctx 128 --plan")
    assert "context: `default` → `128`" in plan.text
    assert "tiny serves throughout." in plan.text
    assert room.bot.servers() == before
    assert (await room.says("!deploy tiny --ctx 128")).state == "succeeded"
    assert room.bot.servers() != before
    assert "context: default → 128" in (await room.says("!history tiny")).text
    assert (await room.says("!rollback tiny")).state == "succeeded"
    assert "nothing differs" in (await room.says("!diff tiny 1")).text
    assert (await room.says("!infer tiny hello")).state == "succeeded"
    assert len(room.bot.servers()) == 1
    assert (await room.says("!remove tiny")).state == "succeeded"
