"""Changes that wait for somebody's yes, before a real homeserver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.demo.homeserver import Homeserver

from .bot_process import _TARGETS
from .conftest import Room, opened
from .person import Answer

pytestmark = pytest.mark.room

ASKING = {
    "deploy": {"quorum": 1},
    "scale": {"quorum": 2, "requester": True},
    "remove": "confirm",
    "stop": {"within": "2s"},
}


@pytest.fixture(scope="module")
async def asking(
    homeserver: Homeserver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Room]:
    """A room of two operators, where changes take a yes."""
    place = {"targets": list(_TARGETS), "default_target": "stage", "approvals": ASKING}
    access = {"viewer": ["*"], "operator": ["*"]}
    more = {"environments": {"test": place}, "access": access}
    async with opened(homeserver, tmp_path_factory.mktemp("asking"), **more) as room:
        yield room


async def messages(room: Room, command: str) -> list[Answer]:
    return (await room.person.answers(room.id)).get(command, [])


async def asked(room: Room, command: str) -> tuple[str, str]:
    """What waits to be decided: (operation, event in which it is asked)."""
    answer = await room.person.until(room.id, command, lambda each: each.state == "waiting")
    return answer.content["gantry.operation"]["id"], answer.event_id


async def over(room: Room, command: str) -> Answer:
    """The outcome, once there is one."""
    async with asyncio.timeout(60):
        while True:
            for answer in await messages(room, command):
                if answer.state not in ("waiting", "running"):
                    return answer
            await asyncio.sleep(0.05)


async def shows(room: Room, command: str, words: str) -> str:
    """The message that asks, once it says so."""
    return (await room.person.until(room.id, command, lambda each: words in each.text)).text


async def approved(room: Room, text: str) -> Answer:
    command = await room.person.types(room.id, text)
    _, event = await asked(room, command)
    await room.stranger.reacts(room.id, event, "👍")
    return await over(room, command)


async def test_a_thumb_of_somebody_else_has_it_done_and_ones_own_does_not(asking: Room) -> None:
    command = await asking.person.types(asking.id, "!deploy anna tiny://smooth")
    _, event = await asked(asking, command)
    own = await asking.person.reacts(asking.id, event, "👍")
    refused = await over(asking, own)
    assert "it takes somebody other than whoever asked for it" in refused.text
    await asking.stranger.reacts(asking.id, event, "👍\ufe0f")
    outcome = await over(asking, command)
    assert outcome.text.startswith("✓ anna is live on stage: 1 replica")
    told = await shows(asking, command, f"✓ Approved by {asking.stranger.user_id}")
    assert "New: tiny://smooth on stage" in told
    assert len(await messages(asking, command)) == 2


async def test_what_was_said_while_the_bot_was_dead_counts_and_is_carried_out_once(
    asking: Room,
) -> None:
    command = await asking.person.types(asking.id, "!deploy bert tiny://smooth")
    name, _ = await asked(asking, command)
    await asking.bot.kill()
    vote = await asking.stranger.types(asking.id, f"!approve {name}")
    await asking.bot.start()
    assert (await over(asking, vote)).text.startswith("✓ Approved by")
    assert (await over(asking, command)).text.startswith("✓ bert is live on stage")
    steps = [str(line.get("step")) for line in asking.bot.lines()]
    starts = [step for step in steps if step.startswith("start bert-")]
    assert len(starts) == 1
    assert len(await messages(asking, command)) == 2


async def test_a_thumb_that_is_taken_away_counts_no_more(asking: Room) -> None:
    await approved(asking, "!deploy carl tiny://smooth")
    command = await asking.person.types(asking.id, "!scale carl 2")
    _, event = await asked(asking, command)
    thumb = await asking.stranger.reacts(asking.id, event, "👍")
    await shows(asking, command, f"Yes so far: {asking.stranger.user_id}")
    await asking.stranger.redacts(asking.id, thumb)
    await asking.person.until(asking.id, command, lambda each: "Yes so far" not in each.text)
    await asking.person.reacts(asking.id, event, "👍")
    await shows(asking, command, f"Yes so far: {asking.person.user_id}")
    assert len(await messages(asking, command)) == 1
    await asking.stranger.reacts(asking.id, event, "✅")
    assert "2 replicas" in (await over(asking, command)).text


async def test_one_no_ends_it_and_so_does_silence(asking: Room) -> None:
    await approved(asking, "!deploy dora tiny://smooth")
    command = await asking.person.types(asking.id, "!deploy dora tiny://other")
    name, _ = await asked(asking, command)
    await asking.stranger.types(asking.id, f"!deny {name} not on a Friday")
    denied = await over(asking, command)
    assert (denied.state, "said no: not on a Friday" in denied.text) == ("failed", True)
    silence = await asking.person.types(asking.id, "!stop dora")
    assert "not approved within 2.0 s" in (await over(asking, silence)).text
    assert "1 of 1 ready" in (await asking.says("!status dora")).text


async def test_confirming_is_for_whoever_asked(asking: Room) -> None:
    await approved(asking, "!deploy emil tiny://smooth")
    command = await asking.person.types(asking.id, "!remove emil")
    name, event = await asked(asking, command)
    other = await asking.stranger.types(asking.id, f"!approve {name}")
    assert f"only {asking.person.user_id}" in (await over(asking, other)).text
    await asking.person.reacts(asking.id, event, "👍🏾")
    assert (await over(asking, command)).text.startswith("✓ emil is removed")
