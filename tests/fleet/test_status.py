"""Looking at the fleet."""

import pytest

from domain.errors import OpsError, UnknownName, Unreachable
from domain.replicas import Phase
from fleet.store.services import Wanted
from fleet.survey import unknown_service

from .world import ROOM, spec

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


async def test_status_of_all_is_what_each_service_says_by_itself(world):
    """One on two targets, one on a target that is not there any more, one that failed."""
    await world.change(spec(a=2, b=1), "1")
    await world.change(spec(name="gemma", b=1), "2")
    with pytest.raises(OpsError):
        await world.change(spec("tiny://crash-loop", name="ill", a=1), "3")
    async with world.store.transaction() as tx:
        for want in (spec(name="lost", attic=1, a=1), spec("tiny://x", name="ill", a=1)):
            await tx.services.put(Wanted(want, ROOM, "op", world.clock.now()))

    found = await world.fleet.survey.status()

    assert [each.wanted.spec.name for each in found] == ["gemma", "ill", "lost", "tiny"]
    assert found == [(await world.fleet.survey.status(e.wanted.spec.name))[0] for e in found]
    assert [each.ready for each in found] == [1, 0, 0, 3]
    assert [each.target for each in found[3].seen] == ["a", "b"]
    assert found[2].trouble == "lost is placed on `attic`, which is no longer configured"
    assert [each.phase for each in found[1].replicas] == [Phase.FAILED]


async def test_on_one_target_only_what_is_placed_there_is_told_and_as_it_stands_there(world):
    await world.change(spec(a=2, b=1), "1")
    await world.change(spec(name="gemma", b=1), "2")
    await world.change(spec(name="qwen", a=1), "3")

    found = await world.fleet.survey.on("b")

    assert [(each.wanted.spec.name, each.ready) for each in found] == [("gemma", 1), ("tiny", 1)]
    assert {each.target for status in found for each in status.seen} == {"b"}


async def test_every_service_of_a_target_that_is_away_says_that_it_is(world, monkeypatch):
    await world.change(spec(a=1, b=1), "1")
    await world.change(spec(name="gemma", b=1), "2")

    async def away(services):
        raise Unreachable("b does not answer")

    monkeypatch.setattr(world.deployers["b"], "observe_all", away)
    gemma, tiny = await world.fleet.survey.status()
    assert (gemma.trouble, gemma.ready) == ("b does not answer", 0)
    assert (tiny.trouble, tiny.ready) == ("b does not answer", 1)
