"""A batch on its way to servers that do what a test says."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from domain.backends import Backend
from domain.errors import UnknownName
from domain.replicas import ReplicaId
from domain.routes import Member, Route
from domain.usage import Fault
from inference.asking import Told
from inference.batch import course as module
from inference.batch.course import LOST, TRIES, Course, GaveUp
from inference.batch.lines import read_lines
from inference.batch.share import has_room
from inference.client import Timeouts
from inference.endpoints import Endpoint
from inference.gateway.misses import Whole
from tests.fleet.world import Time
from tests.upstreams import RESET, Answer, Fate, Status, Upstream


def lines(count):
    told = (
        {
            "custom_id": f"q{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"messages": [{"role": "user", "content": f"question {number}"}]},
        }
        for number in range(count)
    )
    return read_lines("\n".join(map(json.dumps, told)).encode())


class Batch:
    """A course, and what came of it."""

    def __init__(self, models, clock, name="tiny"):
        self.told: dict[str, Told] = {}
        self.waited: list[str] = []
        self.course = Course(
            name, "@ann:x", models, clock, self.took, self.news, settled=self.settled
        )

    def took(self, line, told):
        assert line.custom_id not in self.told
        self.told[line.custom_id] = told

    def news(self):
        self.waited.append(self.course.waits)

    async def settled(self):
        """There is always room."""

    @property
    def statuses(self):
        return {name: told.answer.status for name, told in self.told.items()}


@pytest.fixture
async def started():
    async with AsyncExitStack() as stack:

        async def start(*names):
            return await stack.enter_async_context(Upstream.started(*names))

        yield start


@pytest.fixture
async def upstream(started):
    return await started()


@pytest.fixture
async def models(asking):
    return await asking(Timeouts(connect=2.0, first_byte=30.0, idle=30.0, whole=30.0))


@pytest.fixture
def batch(models, clock):
    return Batch(models, clock)


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Pauses take next to no time, and looks are many."""
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(module, "LOOK", 0.005)


def admit(endpoints, upstream, number=0, capacity=4, service="tiny"):
    replica = ReplicaId(service, "3fa9c1", number)
    endpoints.expect(service, number + 1)
    endpoints.admit(replica, upstream.url, capacity=capacity)
    return replica


def questions(upstream):
    return [asked.json["messages"][0]["content"] for asked in upstream.asked]


async def test_every_line_is_asked_once_and_its_answer_told(batch, endpoints, upstream):
    admit(endpoints, upstream)
    await batch.course.run(lines(20))
    assert set(batch.statuses) == {f"q{n}" for n in range(20)}
    assert set(batch.statuses.values()) == {200}
    assert sorted(questions(upstream)) == sorted(f"question {n}" for n in range(20))
    assert all(asked.model == "tiny" for asked in upstream.asked)
    assert not any(endpoint.in_flight for endpoint in endpoints.of("tiny"))


async def test_what_was_used_is_accounted_to_who_asked(endpoints, upstream, models, clock):
    served = []
    models._ended = served.append
    admit(endpoints, upstream)
    await Batch(models, clock).course.run(lines(3))
    assert [(each.owner, each.key, each.model, each.api) for each in served] == [
        ("@ann:x", None, "tiny", "chat")
    ] * 3
    assert all(each.completion_tokens == 3 and not each.streamed for each in served)


async def test_no_more_is_under_way_than_half_of_what_there_is(batch, endpoints, started):
    first, second = await started(), await started()
    for number, upstream in enumerate((first, second)):
        admit(endpoints, upstream, number, capacity=4)
        upstream.always(Answer(delay=0.01))
    await batch.course.run(lines(40))
    assert 0 < first.most_in_flight <= 2
    assert 0 < second.most_in_flight <= 2


async def test_two_batches_share_that_half(models, clock, endpoints, upstream):
    admit(endpoints, upstream, capacity=4)
    upstream.always(Answer(delay=0.01))
    both = [Batch(models, clock) for _ in range(2)]
    await asyncio.gather(*(each.course.run(lines(10)) for each in both))
    assert upstream.most_in_flight == 2


async def test_while_people_take_all_of_it_nothing_is_asked(batch, endpoints, upstream):
    replica = admit(endpoints, upstream, capacity=2)
    with endpoints.lease(replica), endpoints.lease(replica):
        running = asyncio.create_task(batch.course.run(lines(3)))
        async with asyncio.timeout(10):
            while "others come first" not in batch.waited:
                await asyncio.sleep(0.005)
        assert upstream.asked == []
    await running
    assert len(batch.told) == 3
    assert batch.course.waits == ""


def test_a_share_is_half_at_least_one_and_nothing_of_what_is_full():
    def room(capacity, in_flight, ours):
        replica = ReplicaId("tiny", "3fa9c1", 0)
        return has_room(Endpoint("tiny", replica, "", "", capacity, in_flight, True), ours)

    assert room(1, 0, 0)
    assert not room(1, 1, 0)
    assert not room(1, 0, 1)
    assert room(5, 1, 1)
    assert not room(5, 2, 2)
    assert room(4, 3, 1)
    assert not room(4, 4, 1)


async def test_on_a_route_that_others_have_room_is_no_reason_to_ask_them(
    models, clock, endpoints, started
):
    small, large = await started(), await started()
    admit(endpoints, small, capacity=1, service="small")
    admit(endpoints, large, capacity=100, service="large")
    route = Route("chat", (Member("small"), Member("large")), as_listed=True)
    models._relay.router.routes = {"chat": route}
    small.always(Answer(delay=0.01))
    await Batch(models, clock, "chat").course.run(lines(6))
    assert (len(small.asked), len(large.asked)) == (6, 0)


async def test_on_a_route_with_weights_nobody_gets_more_than_a_share(
    models, clock, endpoints, started
):
    members = {"tiny": await started(), "canary": await started()}
    for name, upstream in members.items():
        admit(endpoints, upstream, capacity=2, service=name)
        upstream.always(Answer(delay=0.005))
    route = Route("chat", (Member("tiny"), Member("canary", 50)))
    models._relay.router.routes = {"chat": route}
    await Batch(models, clock, "chat").course.run(lines(60))
    assert [upstream.most_in_flight for upstream in members.values()] == [1, 1]


async def test_another_replica_answers_what_one_cannot(batch, endpoints, started):
    bad, good = await started(), await started()
    bad.always(Status(500))
    admit(endpoints, bad, 0)
    admit(endpoints, good, 1)
    await batch.course.run(lines(10))
    assert set(batch.statuses.values()) == {200}
    assert bad.asked


async def test_what_is_refused_is_told_and_the_others_go_on(batch, endpoints, upstream):
    admit(endpoints, upstream)
    upstream.will(Answer(), Status(400, "no such thing"), Status(500))
    await batch.course.run(lines(10))
    assert sorted(batch.statuses.values()) == [200] * 8 + [400, 500]
    assert len(upstream.asked) == 10


@pytest.mark.parametrize("status", [429, 503])
async def test_who_asks_for_patience_gets_it_and_is_asked_again(batch, endpoints, upstream, status):
    admit(endpoints, upstream, capacity=1)
    upstream.will(Status(status, retry_after="0"), Answer(), Status(status))
    await batch.course.run(lines(3))
    assert set(batch.statuses.values()) == {200}
    assert len(upstream.asked) == 5
    assert "tiny asks for patience" in batch.waited


async def test_patience_has_an_end_for_each_line(batch, endpoints, upstream):
    admit(endpoints, upstream, capacity=1)
    upstream.always(Status(429, "slow down"))
    await batch.course.run(lines(1))
    assert batch.statuses == {"q0": 429}
    assert len(upstream.asked) == TRIES + 1


async def test_a_request_that_brings_a_server_down_is_not_put_for_ever(batch, endpoints, upstream):
    admit(endpoints, upstream, capacity=1)
    upstream.will(*[RESET] * 20)
    await batch.course.run(lines(1))
    assert batch.told["q0"].fault is Fault.UNREACHABLE
    assert len(upstream.asked) <= 2 * (LOST + 1)  # the gateway itself asks twice


async def test_nothing_is_lost_while_nobody_is_there(batch, endpoints, upstream):
    """A backend is asked for as long as it is configured, be it up or not."""
    endpoints.admit_backend(Backend("tiny", "openai", upstream.url))
    await upstream.refuse()
    running = asyncio.create_task(batch.course.run(lines(5)))
    async with asyncio.timeout(10):
        while "tiny does not answer" not in batch.waited:
            await asyncio.sleep(0.005)
    await upstream.accept()
    await running
    assert set(batch.statuses.values()) == {200}
    assert len(batch.told) == 5


async def test_a_service_that_gets_ready_is_waited_for(batch, endpoints, upstream):
    endpoints.expect("tiny", 1)
    running = asyncio.create_task(batch.course.run(lines(2)))
    async with asyncio.timeout(10):
        while "waiting for tiny to get ready" not in batch.waited:
            await asyncio.sleep(0.005)
    admit(endpoints, upstream)
    await running
    assert set(batch.statuses.values()) == {200}


async def test_nobody_is_waited_for_for_ever(batch, endpoints, upstream, monkeypatch):
    monkeypatch.setattr(module, "GIVEN_UP", 0.05)
    endpoints.admit_backend(Backend("tiny", "openai", upstream.url))
    await upstream.refuse()
    with pytest.raises(GaveUp, match="tiny did not answer for"):
        await batch.course.run(lines(5))
    assert batch.told == {}
    endpoints.withdraw(ReplicaId("tiny", "foreign", 0))
    with pytest.raises(GaveUp, match="tiny had no ready replica for"):
        await Batch(batch.course.models, batch.course.clock).course.run(lines(5))


def test_only_what_goes_on_counts_as_nobody_being_there(models):
    clock, (line,) = Time(), lines(1)
    course = Batch(models, clock).course
    away = Told(Whole(502, b""), Fault.UNREACHABLE, away=True)
    assert course._comes_back(line, away)
    clock.seconds += module.GIVEN_UP
    assert not course._comes_back(line, Told(Whole(200, b"{}"), None))
    clock.seconds += 1
    assert course._comes_back(line, away)
    clock.seconds += module.GIVEN_UP
    assert course._comes_back(line, away)
    clock.seconds += 1
    with pytest.raises(GaveUp):
        course._comes_back(line, away)


async def test_a_name_that_leads_nowhere_any_more_ends_it(batch, endpoints, upstream):
    replica = admit(endpoints, upstream, capacity=1)
    upstream.always(Answer(pause_at=-1))
    running = asyncio.create_task(batch.course.run(lines(3)))
    asked = await upstream.request()
    await asked.paused()
    endpoints.withdraw(replica)
    endpoints.forget("tiny")
    asked.proceed()
    with pytest.raises(UnknownName):
        await running
    assert batch.statuses == {"q0": 200}


async def test_who_cancels_leaves_at_once(batch, endpoints, upstream):
    admit(endpoints, upstream, capacity=8)
    upstream.always(Answer(pause_at=-1))
    running = asyncio.create_task(batch.course.run(lines(9)))
    last = await upstream.request(3)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert await last.over() is Fate.LEFT
    assert batch.told == {}
    assert not any(endpoint.in_flight for endpoint in endpoints.of("tiny"))


async def test_what_cannot_be_held_yet_is_not_asked(batch, endpoints, upstream):
    admit(endpoints, upstream)
    room = asyncio.Event()
    batch.course.settled = room.wait
    running = asyncio.create_task(batch.course.run(lines(2)))
    for _ in range(20):
        await asyncio.sleep(0.005)
    assert upstream.asked == []
    room.set()
    await running
    assert len(batch.told) == 2


async def test_that_others_come_first_is_no_time_without_anybody(batch, endpoints, monkeypatch):
    clock, full = Time(), ReplicaId("tiny", "3fa9c1", 0)
    course = Batch(batch.course.models, clock).course
    endpoints.expect("tiny", 1)
    goal = course.models.goal("tiny")

    def looks():
        assert course.models.share.take(goal) is None
        course._heed(course.models.share.following(goal))

    looks()
    endpoints.admit(full, "http://tiny", capacity=1)
    with endpoints.lease(full):
        looks()
    endpoints.withdraw(full)
    clock.seconds += module.GIVEN_UP + 1
    looks()
    assert course.waits == "waiting for tiny to get ready"
    clock.seconds += module.GIVEN_UP + 1
    with pytest.raises(GaveUp):
        looks()


async def test_that_others_wait_for_one_that_is_away_is_no_sign_of_anybody(batch, endpoints):
    clock, away = Time(), ReplicaId("tiny", "3fa9c1", 0)
    course = Batch(batch.course.models, clock).course
    endpoints.admit(away, "http://tiny", capacity=1)
    goal = course.models.goal("tiny")
    course._suffer("tiny did not answer")
    (endpoint,) = endpoints.of("tiny")
    course.models._relay.router.health.failed(endpoint, "it is gone", certain=True)
    with endpoints.lease(away):
        course._heed(course.models.share.following(goal))
    clock.seconds += module.GIVEN_UP + 1
    with pytest.raises(GaveUp):
        course._suffer("tiny did not answer")


@pytest.mark.parametrize("how", ["away", "cooling"])
async def test_that_others_are_full_is_no_reason_to_ask_who_is_to_be_left_alone(
    models, endpoints, how
):
    for number, url in enumerate(("http://full", "http://unwell")):
        endpoints.admit(ReplicaId("tiny", "3fa9c1", number), url, capacity=2)
    full, unwell = endpoints.of("tiny")
    health, share = models._relay.router.health, models.share
    if how == "away":
        health.failed(unwell, "it is gone", certain=True)
    else:
        health.cooling.begin(unwell, 30)
    goal = models.goal("tiny")
    with endpoints.lease(full.replica), endpoints.lease(full.replica):
        assert share.take(goal) is None
        endpoints.withdraw(full.replica)
        assert share.take(goal).place == unwell.place
