"""What a `deploy` amounts to on top of what there was. Pure."""

from dataclasses import replace

import pytest

from commands.deploy import Deploy, spec
from domain.access import Environment
from domain.defaults import Defaults
from domain.errors import UsageError
from domain.services import Placement, ServiceSpec
from domain.sources import Source

PROD = Environment("prod", ("eu", "us"), "eu")
OPS, OTHER = Source("tiny", "ops"), Source("tiny", "other")


def on(**counts):
    return tuple(Placement(target=target, replicas=count) for target, count in counts.items())


RUNNING = ServiceSpec(
    name="tiny",
    source=OPS,
    placements=on(us=2),
    gpu="none",
    context=512,
    settings=(("a", "1"), ("b", "2")),
    restarts=3,
)


@pytest.mark.parametrize(
    ("request_", "placements"),
    [
        (Deploy("tiny", OPS), on(eu=1)),
        (Deploy("tiny", OPS, replicas=3), on(eu=3)),
        (Deploy("tiny", OPS, target=(("us", None),)), on(us=1)),
        (Deploy("tiny", OPS, target=(("us", None),), replicas=3), on(us=3)),
        (Deploy("tiny", OPS, target=(("us", 2), ("eu", None))), on(us=2, eu=1)),
        (Deploy("tiny", OPS, target=(("us", 0),)), on(us=0)),
    ],
)
def test_a_new_service_goes_where_it_was_said_or_to_the_rooms_own_target(request_, placements):
    assert spec(request_, None, PROD) == ServiceSpec(name="tiny", source=OPS, placements=placements)


@pytest.mark.parametrize(
    ("request_", "change"),
    [
        (Deploy("tiny"), {}),
        (Deploy("tiny", OTHER), {"source": OTHER}),
        (Deploy("tiny", gpu=1), {"gpu": 1}),
        (Deploy("tiny", ctx=1024), {"context": 1024}),
        (Deploy("tiny", cpu=0.5), {"cpus": 0.5}),
        (Deploy("tiny", memory=2**33), {"memory": 2**33}),
        (Deploy("tiny", cpu=0.0, memory=0), {}),
        (Deploy("tiny", namespace="team-a"), {"namespace": "team-a"}),
        (Deploy("tiny", namespace=""), {}),
        (Deploy("tiny", replicas=5), {"placements": on(us=5)}),
        (Deploy("tiny", target=(("eu", None),)), {"placements": on(eu=2)}),
        (Deploy("tiny", target=(("eu", 1), ("us", None))), {"placements": on(eu=1, us=1)}),
        (
            Deploy("tiny", set=(("b", "3"), ("c", "4"))),
            {"settings": (("a", "1"), ("b", "3"), ("c", "4"))},
        ),
    ],
)
def test_what_was_not_mentioned_is_kept(request_, change):
    assert spec(request_, RUNNING, PROD) == RUNNING.model_copy(update=change)


@pytest.mark.parametrize(
    ("request_", "before", "said"),
    [
        (Deploy("tiny"), None, "needs a model source"),
        (
            Deploy("tiny", OPS, target=(("eu", None), ("us", None)), replicas=2),
            None,
            "say how many on each target",
        ),
        (
            Deploy("tiny", replicas=2),
            RUNNING.model_copy(update={"placements": on(eu=1, us=1)}),
            "say how many on each",
        ),
    ],
)
def test_what_was_never_said_or_does_not_fit_is_asked_for(request_, before, said):
    with pytest.raises(UsageError) as caught:
        spec(request_, before, PROD)
    assert said in caught.value.summary
    assert "For example" in caught.value.hint


def test_a_limit_stays_until_it_is_taken_away():
    limited = RUNNING.model_copy(update={"cpus": 2.0, "memory": 2**33})
    assert spec(Deploy("tiny", ctx=1024), limited, PROD).memory == 2**33
    assert spec(Deploy("tiny", cpu=0.0), limited, PROD) == RUNNING.model_copy(
        update={"memory": 2**33}
    )


def test_a_namespace_stays_until_another_is_said():
    apart = RUNNING.model_copy(update={"namespace": "team-a"})
    assert spec(Deploy("tiny", ctx=1024), apart, PROD).namespace == "team-a"
    assert spec(Deploy("tiny", namespace="team-b"), apart, PROD).namespace == "team-b"
    assert spec(Deploy("tiny", namespace=""), apart, PROD) == RUNNING


def test_an_environments_namespace_is_for_new_services_of_which_nothing_else_is_said():
    place = replace(PROD, defaults=Defaults(namespace="team-a"))
    assert spec(Deploy("tiny", OPS), None, place).namespace == "team-a"
    assert spec(Deploy("tiny", OPS, namespace="team-b"), None, place).namespace == "team-b"
    assert spec(Deploy("tiny", OPS, namespace=""), None, place).namespace is None
    assert spec(Deploy("tiny", ctx=1024), RUNNING, place).namespace is None


def test_a_project_brings_its_own_engine_until_the_source_is_another():
    project = Source("compose", "/srv/projects/chat")

    adopted = spec(Deploy("tiny", project), None, PROD)

    assert adopted.engine == "custom"
    assert spec(Deploy("tiny", OPS), adopted, PROD).engine == "llamacpp"


def test_leave_to_take_over_is_for_one_project_and_shapes_no_replica():
    chat, other = Source("compose", "/srv/chat"), Source("compose", "/srv/other")
    asked = spec(Deploy("tiny", chat), None, PROD)

    taken = spec(Deploy("tiny", take_over="yes"), asked, PROD)

    assert (asked.take_over, taken.take_over) == (False, True)
    assert taken.revision == asked.revision
    assert spec(Deploy("tiny", chat, ctx=512), taken, PROD).take_over
    assert not spec(Deploy("tiny", other), taken, PROD).take_over
    assert not spec(Deploy("tiny", take_over="no"), taken, PROD).take_over


@pytest.mark.parametrize("request_", [Deploy("tiny", OPS, take_over="yes")])
@pytest.mark.parametrize("before", [None, RUNNING])
def test_only_what_runs_of_a_project_can_be_taken_over(request_, before):
    with pytest.raises(UsageError, match="only what runs of a Compose project"):
        spec(request_, before, PROD)
