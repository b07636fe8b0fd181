"""Whatever happens to a crowd of requests, nothing stays in flight and each is told of once."""

import asyncio
import random
from collections import Counter

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.replicas import ReplicaId
from inference.client import Timeouts
from inference.gateway.opening import Ways
from tests.inference.gateway.conftest import HELLO, STREAM, Said, soon, staged
from tests.upstreams import CLOSE, RESET, SILENCE, Answer, Cut, Status, Upstream

ACTS = [
    Answer(),
    Answer(gap=0.01),
    Answer(cut=Cut.RESET, cut_at=0),
    Answer(cut=Cut.RESET, cut_at=2),
    Answer(cut=Cut.HANG, cut_at=1),
    Answer(cut=Cut.MALFORMED),
    Status(500),
    Status(429),
    Status(400),
    RESET,
    CLOSE,
    SILENCE,
]
LEFT = (asyncio.CancelledError, aiohttp.ClientError)
"""How a request ends for who goes away, or is cut off."""

SHORT = Timeouts(connect=0.5, first_byte=0.1, idle=0.1, whole=0.1)

events = st.lists(
    st.sampled_from(["ask", "stream", "leave", "withdraw", "admit", "drain", "refuse", "accept"]),
    min_size=5,
    max_size=40,
)


@pytest.mark.parametrize("_", [None])
@given(events=events, seed=st.integers(0, 2**32))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_nothing_stays_in_flight(_, events, seed):
    asyncio.run(_play(events, random.Random(seed)))


async def _play(events, rng):
    async with (
        Upstream.started() as first,
        Upstream.started() as second,
        staged(Ways(hold=0.05, timeouts=SHORT)) as stage,
    ):
        upstreams = [first, second]
        for number, upstream in enumerate(upstreams):
            upstream.will(*(rng.choice(ACTS) for _ in events))
            stage.admit(upstream, number)
        asking, draining, asked = [], [], 0
        for event in events:
            number = rng.randrange(2)
            replica = ReplicaId("tiny", "3fa9c1", number)
            if event in ("ask", "stream"):
                asked += 1
                body = HELLO if event == "ask" else STREAM
                asking.append(asyncio.create_task(stage.ask(body)))
            elif event == "leave" and asking:
                rng.choice(asking).cancel()
            elif event == "withdraw":
                stage.endpoints.withdraw(replica)
            elif event == "admit":
                stage.admit(upstreams[number], number)
            elif event == "drain":
                draining.append(asyncio.create_task(stage.endpoints.drain(replica, 0.05)))
            elif event == "refuse":
                await upstreams[number].refuse()
            elif event == "accept":
                await upstreams[number].refuse()
                await upstreams[number].accept()
            await asyncio.sleep(rng.choice([0, 0, 0.005]))
        ended = await asyncio.gather(*asking, return_exceptions=True)
        assert [e for e in ended if isinstance(e, BaseException) and not isinstance(e, LEFT)] == []
        answers = [each for each in ended if isinstance(each, Said)]
        await asyncio.gather(*draining)
        await soon(lambda: stage.in_flight == 0)
        assert not stage.gateway.health.silent(0.0)
        for upstream in upstreams:
            async with asyncio.timeout(10.0):
                await upstream.idle()  # every backend has learnt that nobody waits any more
        told = Counter(each.status for each in stage.served)
        assert Counter(each.status for each in answers) <= told
        assert told.total() <= asked  # who left before the request was read is not told of
        came = sum(len(upstream.asked) for upstream in upstreams)
        assert came <= sum(each.attempts for each in stage.served)
