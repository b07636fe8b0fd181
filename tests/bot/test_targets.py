"""`!targets`: twenty places, of which some are gone."""

import pytest

from deployers.guard import guarded
from domain.errors import Unreachable
from tests.deployers.moods import Moody
from tests.fleet.world import spec

DEADLINE = 0.2
"""Seconds of the machine's own in which the silent ones are given up."""


@pytest.fixture
async def moods(desk, world, monkeypatch):
    """Fifteen targets that are well, five that hang, and one that is refused; all guarded."""
    monkeypatch.setattr("fleet.survey.GLANCE", 0.05)
    made = {
        f"t{number:02}": Moody(f"t{number:02}", world.root, world.clock) for number in range(21)
    }
    for number, each in enumerate(made.values()):
        each.mood = "hangs" if number < 5 else "connection refused" if number == 20 else "well"
    world.deployers.clear()
    for name, each in made.items():
        world.deployers[name] = guarded(name, "rehearsal", each, world.clock, DEADLINE)
    desk.open()
    yield made
    for each in world.deployers.values():
        await each.aclose()


def rows(text):
    return {row.split()[0]: row for row in text.splitlines()[1:]}


async def test_those_that_hang_are_told_at_a_glance_and_the_others_as_they_are(desk, moods):
    told = rows(await desk.says("!targets"))
    assert told.pop("t20:") == "t20: see to it"
    assert len(told) == 21
    for name, row in told.items():
        assert ("✓" in row) == (moods[name].mood == "well"), row
    assert "has not answered within 0.05 s; `!targets t00` waits longer" in told["t00"]
    assert "connection refused" in told["t20"]
    assert "plays `smooth`" in told["t10"]


async def test_one_is_asked_at_once_whatever_was_seen_of_it_and_tells_more(desk, world, moods):
    await world.change(spec(t10=1))
    await world.change(spec(name="other", t11=1), "another")
    text = await desk.says("!targets t10")
    assert text.startswith("✓ t10 (rehearsal) is reachable since ")
    assert "It is not for this room." in text
    assert "no GPUs" in text
    assert "tiny" in text
    assert f"tiny-{spec().revision}-0 ready" in text.replace("`", "")
    assert "other" not in text

    moods["t10"].mood = "no route to host"
    for _ in range(3):
        await desk.says("!status tiny")
    away = await desk.says("!status tiny")
    assert "t10 has not answered since" in away
    assert "no route to host; asked again in " in away
    text = await desk.says("!targets t10")
    assert text.startswith("✗ t10 (rehearsal) is not reachable since")
    assert "What to try: see to it" in text

    moods["t10"].mood = "well"
    assert (await desk.says("!targets t10")).startswith("✓ t10 (rehearsal) is reachable since")
    assert (await desk.says("!status tiny")).startswith("✓ tiny: 1 of 1 ready on t10")


async def test_an_unknown_one_gets_the_nearest_name(desk, moods):
    text = await desk.says("!targets t0x")
    assert "there is no target `t0x`" in text
    assert "Did you mean `t20`?" in text


async def test_a_change_asks_a_target_that_was_away_a_moment_ago(desk, world, moods):
    moods["t10"].mood = "no route to host"
    await world.change(spec(t11=1))
    for _ in range(5):
        with pytest.raises(Unreachable) as caught:
            await world.deployers["t10"].observe("tiny")
    assert "asked again in" in caught.value.summary
    moods["t10"].mood = "well"
    outcome = await world.change(spec(t10=1), "move")
    assert outcome.changed


async def test_status_of_all_does_not_wait_for_those_that_hang(desk, world, moods):
    moods["t00"].mood = "well"
    await world.change(spec(t00=1))
    await world.change(spec(name="other", t11=1), "another")
    moods["t00"].mood = "hangs"
    told = rows(await desk.says("!status"))
    assert "✗ 0/1" in told["tiny"]
    assert "t00 has not answered within 0.05 s" in told["tiny"]
    assert "✓ 1/1" in told["other"]
