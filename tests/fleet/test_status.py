"""Looking at the fleet."""

import pytest

from domain.errors import UnknownName, Unreachable
from fleet.survey import unknown_service

from .world import spec

ONE = spec("tiny://ops")


async def test_status_tells_wanted_and_seen_and_why_a_target_is_silent(world, monkeypatch):
    await world.change(spec(a=1, b=1))

    async def away(service):
        raise Unreachable("b does not answer")

    monkeypatch.setattr(world.deployers["b"], "observe", away)
    (status,) = await world.fleet.survey.status()
    assert status == (await world.fleet.survey.status("tiny"))[0]
    assert status.wanted.spec == spec(a=1, b=1)
    assert status.ready == 1
    assert [r.target for r in status.replicas] == ["a"]
    assert status.trouble == "b does not answer"
    assert status.busy_with is None


async def test_an_unknown_service_gets_the_nearest_name(world):
    with pytest.raises(UnknownName, match="no service `tiny`") as nothing:
        await world.fleet.survey.wanted("tiny")
    assert "deploy one" in nothing.value.hint
    await world.change(ONE)
    for name, hint in [("tinny", "did you mean `tiny`?"), ("zzz", "there is tiny")]:
        with pytest.raises(UnknownName) as caught:
            await world.fleet.survey.status(name)
        assert caught.value.hint == hint


async def test_facts_of_every_target_are_told(world):
    assert [facts.target for facts in await world.fleet.survey.facts()] == ["a", "b"]


async def test_logs_are_the_last_lines_of_each_replica(world):
    await world.change(ONE.scaled(2))
    lines, silent = await world.fleet.survey.logs("tiny", 1)
    assert silent == []
    assert [(line.replica.ordinal, line.text) for line in lines] == [
        (0, "first token after 0.02 s"),
        (1, "first token after 0.02 s"),
    ]


def test_a_service_that_was_there_a_moment_ago_is_not_suggested():
    assert "deploy one" in unknown_service("tiny", ["tiny"]).hint
    assert unknown_service("tiny", ["tiny", "tinny"]).hint == "did you mean `tinny`?"
