"""Changes to services on pretended targets: how they go, and how they are put back."""

import pytest

from domain.backends import Backend
from domain.errors import ConfigError, NotPermitted, UnknownName, Unreachable, Unsupported
from domain.readiness import FirstToken
from domain.replicas import TargetFacts

from .world import spec

ONE = spec("tiny://ops")
TWO = spec("tiny://other")
BROKEN = spec("tiny://never-ready")


async def test_a_first_deploy_runs_is_asked_and_is_remembered(world):
    world.first_token = FirstToken(0.01, 200.0)
    outcome = await world.change(ONE)
    assert await world.running() == [f"tiny-{ONE.revision}-0"] == world.asked()
    assert await world.wanted() == ONE
    assert outcome.want == ONE
    assert outcome.changed
    assert outcome.first_token == world.first_token
    assert outcome.seconds == world.clock.seconds > 0


async def test_every_step_is_told_with_its_place_among_all(world):
    await world.change(ONE)
    name = f"tiny-{ONE.revision}-0"
    assert world.steps == [
        "prefetch",
        f"start {name}",
        f"wait-ready {name}",
        f"admit {name}",
        "verify",
    ]
    positions = [news.position for news in world.news]
    assert positions == sorted(positions)
    assert (positions[0], positions[-1]) == ((0, 5), (4, 5))


async def test_what_is_like_that_already_is_left_alone(world):
    await world.change(ONE)
    before = await world.seen()
    outcome = await world.change(ONE, "deploy tiny again")
    assert not outcome.changed
    assert outcome.first_token is None
    assert (await world.seen()).replicas == before.replicas


async def test_a_new_version_takes_over_only_once_it_answers(world):
    await world.change(ONE)
    world.news.clear()
    await world.change(TWO, "deploy tiny tiny://other")
    new, old = f"tiny-{TWO.revision}-0", f"tiny-{ONE.revision}-0"
    assert world.steps.index(f"admit {new}") < world.steps.index(f"drain {old}")
    assert await world.running() == [new] == world.asked()
    assert await world.wanted() == TWO


async def test_a_new_version_that_fails_leaves_the_old_one_serving_and_says_so(world):
    await world.change(ONE)
    with pytest.raises(Unreachable.__bases__[0]) as caught:
        await world.change(BROKEN, "deploy tiny tiny://never-ready")
    assert "startup budget" in caught.value.summary
    assert caught.value.standing == f"The version before ({ONE.revision}) serves, 1 of 1."
    assert await world.running() == [f"tiny-{ONE.revision}-0"] == world.asked()
    assert await world.wanted() == ONE


async def test_half_a_failed_rollout_is_taken_back(world):
    """The first replica of two came up and took over; then the target ran out of memory."""
    await world.change(spec("tiny://ops", a=1, b=1))
    broken_on_b = spec("tiny://other", a=1, b=1)
    world.deployers["b"]._settings = world.deployers["b"]._settings.model_copy(
        update={"script": "out-of-memory"}
    )
    with pytest.raises(Exception, match="the graphics card has") as caught:
        await world.change(broken_on_b, "deploy tiny tiny://other")
    world.deployers["b"]._settings = world.deployers["b"]._settings.model_copy(
        update={"script": "smooth"}
    )
    old = f"tiny-{ONE.revision}-0"
    assert caught.value.standing == f"The version before ({ONE.revision}) serves, 2 of 2."
    assert await world.running("a") == [old]
    assert await world.running("b") == [old]
    assert world.asked() == [old, old]


async def test_a_first_deploy_that_fails_leaves_nothing_running(world):
    with pytest.raises(Exception, match="startup budget") as caught:
        await world.change(BROKEN)
    assert caught.value.standing == "Nothing of tiny runs; its log is kept."
    assert (await world.seen()).alive == ()
    assert world.asked() == []
    assert await world.wanted() is None
    lines, _ = await world.fleet.survey.logs("tiny", 1)
    assert lines != []


async def test_a_stopped_service_that_fails_to_come_back_is_stopped_as_before(world):
    await world.change(ONE)
    await world.change(ONE.scaled(0), "stop tiny")
    with pytest.raises(Exception, match="startup budget") as caught:
        await world.change(BROKEN, "deploy tiny tiny://never-ready")
    assert caught.value.standing == "tiny is stopped, as before."
    assert (await world.seen()).alive == ()


async def test_an_unknown_target_is_named_before_anything_happens(world):
    with pytest.raises(UnknownName, match="no target `mars`") as caught:
        await world.change(spec(mars=1))
    assert "a, b" in caught.value.hint
    assert caught.value.standing == ""
    assert world.news == []
    assert await world.wanted() is None


async def test_what_a_target_cannot_do_is_refused_before_anything_happens(world):
    await world.change(ONE)
    with pytest.raises(Unsupported):
        await world.change(ONE.model_copy(update={"gpu": 1}), "deploy tiny --gpu 1")
    assert await world.running() == [f"tiny-{ONE.revision}-0"] == world.asked()


async def test_a_target_that_is_away_is_not_planned_for(world, monkeypatch):
    async def away():
        return TargetFacts("a", "rehearsal", reachable=False, note="no route")

    monkeypatch.setattr(world.deployers["a"], "inspect", away)
    with pytest.raises(Unreachable, match="a cannot be used: no route"):
        await world.change(ONE)


async def test_deciding_may_refuse_and_sees_what_runs(world):
    seen = []

    def refuse(before):
        seen.append(before)
        raise NotPermitted("not here")

    for text in ("first", "second"):
        with pytest.raises(NotPermitted):
            await world.change(refuse, text)
        await world.change(ONE, f"deploy after {text}")
    assert seen == [None, ONE]


async def test_scaling_keeps_what_runs_and_adds_or_takes_the_rest(world):
    await world.change(ONE)
    first = (await world.seen()).replicas[0]
    await world.change(ONE.scaled(3), "scale tiny 3")
    assert (await world.seen()).replicas[0] == first
    assert len(world.asked()) == 3
    await world.change(ONE.scaled(1), "scale tiny 1")
    assert await world.running() == [str(first.id)] == world.asked()


async def test_stopping_keeps_the_service_in_mind(world):
    await world.change(ONE)
    outcome = await world.change(ONE.scaled(0), "stop tiny")
    assert outcome.changed
    assert await world.running() == [] == world.asked()
    assert await world.wanted() == ONE.scaled(0)


async def test_moving_starts_on_the_new_target_before_the_old_one_stops(world):
    await world.change(ONE)
    world.news.clear()
    await world.change(spec(b=1), "deploy tiny --target b")
    name = f"tiny-{ONE.revision}-0"
    assert world.steps.index(f"admit {name}") < world.steps.index(f"drain {name}")
    assert await world.running("a") == []
    assert await world.running("b") == [name]
    assert await world.wanted() == spec(b=1)


async def test_after_a_move_requests_reach_the_new_target(world):
    await world.change(ONE)
    await world.change(spec(b=1), "deploy tiny --target b")
    assert world.asked() == await world.running("b") != []


async def test_replicas_on_two_targets_are_all_asked(world):
    await world.change(spec(a=1, b=1))
    assert len(world.asked()) == 2


async def test_removing_forgets_the_service_its_logs_and_its_remains_everywhere(world):
    await world.change(spec(b=1))
    with pytest.raises(Exception, match="startup budget"):
        await world.change(spec("tiny://never-ready", a=1), "deploy tiny --target a")
    await world.change(spec(b=0), "remove tiny", remove=True)
    assert (await world.seen("a")).replicas == (await world.seen("b")).replicas == ()
    assert await world.wanted() is None
    assert world.asked() == []
    with pytest.raises(UnknownName):
        await world.fleet.survey.logs("tiny", 1)


@pytest.mark.parametrize("name", ["studio", "chat"])
async def test_a_service_whose_name_a_backend_or_route_took_keeps_the_bot_from_starting(
    world, name
):
    await world.change(spec(name=name))
    fleet = world.new_fleet()
    world.endpoints.admit_backend(Backend("studio", "lmstudio", "http://studio:1234"))
    world.endpoints.take(["chat"])
    with pytest.raises(ConfigError) as caught:
        await fleet.recall()
    assert caught.value.summary == f"gateway: `{name}` is a service already"
    assert "another name, or remove the service" in caught.value.hint


async def test_what_should_run_is_waited_for_before_it_was_looked_at(world):
    await world.change(spec(a=2))
    fleet = world.new_fleet()
    await fleet.recall()
    assert world.endpoints.expected("tiny") == 2
    assert world.endpoints.of("tiny") == ()
