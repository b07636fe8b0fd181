import asyncio
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Unreachable
from domain.replicas import ReplicaId
from inference.endpoints import Endpoint, Endpoints

ONE, TWO = (ReplicaId("tiny", "3fa9c1", ordinal) for ordinal in range(2))
OTHER = ReplicaId("other", "3fa9c1", 0)


@pytest.fixture
def endpoints():
    table = Endpoints()
    table.admit(ONE, "http://one")
    return table


def in_flight(endpoints):
    return [endpoint.in_flight for endpoint in endpoints.of("tiny")]


async def turn():
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_is_in_flight_is_told_for_each_replica_of_a_service(endpoints):
    endpoints.admit(OTHER, "http://other")
    endpoints.admit(ONE, "http://one", target="b")
    with endpoints.lease(ONE, target="b"), endpoints.lease(OTHER):
        assert endpoints.in_flight("tiny") == {("", ONE): 0, ("b", ONE): 1}
    assert endpoints.in_flight("nothing") == {}


def test_endpoints_are_listed_by_service_in_order(endpoints):
    endpoints.admit(OTHER, "http://other", capacity=1)
    endpoints.admit(TWO, "http://two", capacity=2)
    assert endpoints.of("tiny") == (
        Endpoint("tiny", ONE, "", "http://one", capacity=4, in_flight=0, admitted=True),
        Endpoint("tiny", TWO, "", "http://two", capacity=2, in_flight=0, admitted=True),
    )
    assert endpoints.services() == {"tiny", "other"}
    assert endpoints.of("unknown") == ()


def test_admitting_twice_keeps_the_count(endpoints):
    with endpoints.lease(ONE):
        endpoints.admit(ONE, "http://one", capacity=8)
        assert endpoints.of("tiny")[0].capacity == 8
        assert in_flight(endpoints) == [1]
    assert in_flight(endpoints) == [0]


def test_a_new_url_is_a_new_incarnation(endpoints):
    with endpoints.lease(ONE):
        endpoints.admit(ONE, "http://elsewhere")
        assert in_flight(endpoints) == [0]
    assert in_flight(endpoints) == [0]


def test_nothing_cannot_be_admitted(endpoints):
    with pytest.raises(ValueError, match="capacity"):
        endpoints.admit(TWO, "http://two", capacity=0)


@pytest.mark.parametrize("replica", [TWO, OTHER])
def test_who_was_never_admitted_cannot_be_leased(endpoints, replica):
    with pytest.raises(Unreachable), endpoints.lease(replica):
        pass


async def test_draining_the_unknown_and_the_idle_takes_no_time(endpoints):
    assert await endpoints.drain(TWO, 60.0) == 0
    assert await endpoints.drain(ONE, 60.0) == 0
    assert endpoints.services() == frozenset()


async def test_a_drain_waits_for_the_last_answer_and_lets_nothing_new_in(endpoints):
    with ExitStack() as first, ExitStack() as last:
        first.enter_context(endpoints.lease(ONE))
        last.enter_context(endpoints.lease(ONE))
        drain = asyncio.create_task(endpoints.drain(ONE, 60.0))
        await turn()
        with pytest.raises(Unreachable), endpoints.lease(ONE):
            pass
        first.close()
        await turn()
        assert not drain.done()
        assert [e.admitted for e in endpoints.of("tiny")] == [False]
        assert endpoints.services() == frozenset()
    assert await drain == 0
    assert endpoints.of("tiny") == ()


async def test_a_drain_out_of_time_says_how_many_it_cuts_off(endpoints):
    with endpoints.lease(ONE), endpoints.lease(ONE):
        assert await endpoints.drain(ONE, 0.0) == 2
        assert endpoints.of("tiny") == ()


async def test_admitting_again_calls_off_the_drain(endpoints):
    with endpoints.lease(ONE):
        drain = asyncio.create_task(endpoints.drain(ONE, 60.0))
        await turn()
        endpoints.admit(ONE, "http://one")
        again = asyncio.create_task(endpoints.drain(ONE, 60.0))
        assert await drain == 0
        assert in_flight(endpoints) == [1]
    assert await again == 0
    assert endpoints.of("tiny") == ()


async def test_death_ends_the_drain(endpoints):
    with endpoints.lease(ONE):
        drain = asyncio.create_task(endpoints.drain(ONE, 60.0))
        await turn()
        endpoints.withdraw(ONE)
        assert await drain == 0


async def test_a_cancelled_drain_leaves_it_draining(endpoints):
    with endpoints.lease(ONE):
        drain = asyncio.create_task(endpoints.drain(ONE, 60.0))
        await turn()
        drain.cancel()
        await asyncio.wait([drain])
        assert [e.admitted for e in endpoints.of("tiny")] == [False]
    endpoints.admit(ONE, "http://one")
    assert [e.admitted for e in endpoints.of("tiny")] == [True]


HAPPENINGS = ["lease", "end", "fail", "cancel", "admit", "move", "withdraw", "drain"]


@given(st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.integers(0, 3)), max_size=40))
async def test_what_is_in_flight_is_exact_through_errors_cancels_and_churn(happenings):
    endpoints = Endpoints()
    leases = []
    for number, (what, which) in enumerate(happenings):
        replica = (ONE, TWO)[which % 2]
        if what == "lease":
            leases += [Request(endpoints, replica, number)]
            await turn()
        elif what in ("end", "fail", "cancel") and leases:
            await leases.pop(which % len(leases)).finish(what)
        elif what in ("admit", "move"):
            endpoints.admit(replica, "http://one" if what == "admit" else f"http://{number}")
        elif what == "withdraw":
            endpoints.withdraw(replica)
        elif what == "drain":
            await endpoints.drain(replica, 0.0)
        assert all(0 <= count <= len(leases) for count in in_flight(endpoints))
    for request in leases:
        await request.finish("end")
    assert set(in_flight(endpoints)) <= {0}


class Request:
    """A task that holds a lease until it is told how to end."""

    def __init__(self, endpoints, replica, number):
        self._end = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(endpoints, replica), name=f"request {number}")

    async def _hold(self, endpoints, replica):
        with endpoints.lease(replica):
            await self._end

    async def finish(self, how):
        if how == "end":
            self._end.set_result(None)
        elif how == "fail":
            self._end.set_exception(RuntimeError("a bug"))
        else:
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._end.done() and not self._end.cancelled():
            self._end.exception()
