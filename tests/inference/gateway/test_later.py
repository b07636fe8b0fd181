"""A backend that says when to ask again is left alone until then, and is none the worse for it."""

import pytest

from domain.backends import Backend
from domain.routes import Member, Route
from domain.usage import Fault
from tests.fleet.world import Time
from tests.inference.gateway.conftest import HELLO, STREAM
from tests.upstreams import Answer, Status

BOTH = pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
FULL = Status(429, retry_after="30")


@pytest.fixture
def clock():
    return Time()


@pytest.fixture
async def two(stages, upstreams, clock):
    """A gateway with a clock of its own, and two replicas of which the first is asked first."""
    stage = await stages(clock=clock)
    pair = await upstreams(), await upstreams()
    for number, upstream in enumerate(pair):
        stage.admit(upstream, number)
    stage.prefer(0)
    return stage, pair


@BOTH
@pytest.mark.parametrize("status", [429, 503])
async def test_it_is_not_asked_again_before_its_time_and_then_it_is(two, clock, body, status):
    stage, (first, second) = two
    first.will(Status(status, retry_after="30"))
    for _ in range(3):
        assert (await stage.ask(body)).status == 200
    assert (len(first.asked), len(second.asked)) == (1, 3)
    clock.passes(30)
    assert (await stage.ask(body)).headers["X-Gantry-Replica"] == "tiny-3fa9c1-0"


async def test_it_is_not_held_against_it(two):
    stage, (first, _second) = two
    first.always(Status(503, retry_after="0"))
    for _ in range(4):
        assert (await stage.ask()).status == 200
    assert len(first.asked) == 4
    assert stage.gateway.health.breaker(stage.endpoints.of("tiny")[0]).failures == 0


async def test_one_that_does_not_say_when_is_passed_over_for_that_request_alone(two):
    stage, (first, second) = two
    first.will(Status(429), Status(429, retry_after="soon"))
    assert [(await stage.ask()).status for _ in range(3)] == [200] * 3
    assert (len(first.asked), len(second.asked)) == (3, 2)


async def test_a_date_is_heeded_as_well(two, clock):
    stage, (first, _second) = two
    first.will(Status(429, retry_after="Thu, 01 Jan 2026 00:00:20 GMT"))
    assert [(await stage.ask()).status for _ in range(2)] == [200] * 2
    assert len(first.asked) == 1
    clock.passes(20)
    await stage.ask()
    assert len(first.asked) == 2


async def test_the_last_one_left_is_asked_all_the_same(stages, upstreams, clock):
    stage, only = await stages(clock=clock), await upstreams()
    stage.admit(only)
    only.will(FULL)
    assert (await stage.ask()).status == 429
    assert (await stage.ask()).status == 200


async def test_it_goes_before_one_that_does_not_answer(two):
    stage, (first, _second) = two
    first.will(FULL)
    await stage.ask()
    away = stage.endpoints.of("tiny")[1]
    stage.gateway.health.failed(away, "it is gone", certain=True)
    assert (await stage.ask()).headers["X-Gantry-Replica"] == "tiny-3fa9c1-0"


async def test_an_answer_to_what_was_asked_before_does_not_end_it(two):
    stage, (first, _second) = two
    first.will(FULL)
    await stage.ask()
    stage.gateway.health.answered(stage.endpoints.of("tiny")[0])
    await stage.ask()
    assert len(first.asked) == 1


@BOTH
async def test_when_all_want_to_be_asked_later_the_soonest_of_them_is_told(two, clock, body):
    stage, (first, second) = two
    first.always(Status(429, "full", retry_after="7"))
    second.always(Status(429, "full", retry_after="Thu, 01 Jan 2026 00:01:00 GMT"))
    said = await stage.ask(body)
    assert (said.status, said.headers["Retry-After"]) == (429, "7")
    assert said.error["message"] == "full"
    assert stage.served[0].fault is Fault.BUSY


async def test_what_the_last_one_says_stays_where_another_gave_no_time(two):
    stage, (first, second) = two
    first.always(Status(429))
    second.always(Status(429, retry_after="40"))
    assert (await stage.ask()).headers["Retry-After"] == "40"


async def test_more_than_it_is_left_alone_for_is_told_as_it_was_said(stages, upstreams, clock):
    stage, only = await stages(clock=clock), await upstreams()
    stage.admit(only)
    only.always(Status(429, retry_after="3600"))
    assert (await stage.ask()).headers["Retry-After"] == "3600"


async def test_a_route_goes_on_to_its_next_member_meanwhile(stages, upstreams, clock):
    first, second = await upstreams(), await upstreams()
    backends = [Backend("one", "openai", first.url), Backend("two", "openai", second.url)]
    route = Route("chat", (Member("one", 100), Member("two")), as_listed=True)
    stage = await stages(clock=clock, backends=backends, routes={"chat": route})
    first.will(FULL)
    second.always(Answer())
    for _ in range(2):
        said = await stage.ask({**HELLO, "model": "chat"})
        assert said.headers["X-Gantry-Backend"] == "two"
    assert len(first.asked) == 1
