"""Nobody who asks notices a replica that fails before it says anything."""

import asyncio

import pytest

from domain.backends import Backend, Tier
from domain.breaker import FIRST_WAIT
from domain.routes import Member, Route
from domain.usage import Fault
from tests.fleet.world import Time
from tests.inference.gateway.conftest import HASTY, HELLO, STREAM, soon
from tests.upstreams import CLOSE, RESET, SILENCE, After, Answer, Cut, Fate, Redirect, Status

BOTH = pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])


def ready(stage, upstreams):
    async def two():
        first, second = await upstreams(), await upstreams()
        stage.admit(first, 0)
        stage.admit(second, 1)
        stage.prefer(0)
        return first, second

    return two()


@BOTH
@pytest.mark.parametrize(
    "act",
    [
        Status(500),
        Status(503, "Loading model", "llama.cpp"),
        Status(502, flavour="html"),
        Status(429, retry_after="7"),
        Status(408, flavour="empty"),
        RESET,
        CLOSE,
        Redirect("http://127.0.0.1:9/"),
    ],
    ids=str,
)
async def test_another_replica_answers_in_place_of_one_that_fails(stage, pair, body, act):
    pair[0].always(act)
    said = await stage.ask(body)
    assert said.status == 200
    assert said.headers["X-Gantry-Replica"] == "tiny-3fa9c1-1"
    assert len(pair[1].asked) == 1
    assert stage.served[0].fault is None
    assert stage.served[0].attempts > 1


@pytest.mark.parametrize(
    "cut", [Cut.RESET, Cut.CLOSE, Cut.STOP, Cut.ERROR, Cut.NAMED_ERROR, Cut.MALFORMED]
)
async def test_a_stream_that_ends_after_the_role_goes_on_elsewhere(stage, pair, cut):
    pair[0].always(Answer(cut=cut, cut_at=0))
    said = await stage.ask(STREAM)
    assert said.text == "One two three"
    assert [event for event in said.events if event == "[DONE]"] == ["[DONE]"]
    roles = [e for e in said.events if e != "[DONE]" and e["choices"][0]["delta"].get("role")]
    assert len(roles) == 1


@BOTH
@pytest.mark.parametrize("act", [SILENCE, Answer(cut=Cut.HANG), Answer(cut=Cut.BAD_CHUNK)])
async def test_one_that_falls_silent_is_passed_over_once_its_time_is_up(
    stages, upstreams, body, act
):
    stage = await stages(HASTY)
    first, _ = await ready(stage, upstreams)
    first.always(act)
    said = await stage.ask(body)
    assert said.status == 200
    assert said.headers["X-Gantry-Replica"] == "tiny-3fa9c1-1"
    assert await first.asked[0].over() in (Fate.LEFT, Fate.CUT)


@BOTH
async def test_nobody_listens_there_any_more(stage, pair, body):
    await pair[0].refuse()
    assert (await stage.ask(body)).status == 200
    assert not stage.gateway.health.breaker(stage.endpoints.of("tiny")[0]).closed


async def test_why_one_is_left_alone_quotes_nothing_of_what_it_was_asked(stage, pair):
    pair[0].always(Status(500, "cannot read `my diary`"))
    for _ in range(3):
        await stage.ask()
    breaker = stage.gateway.health.breaker(stage.endpoints.of("tiny")[0])
    assert (breaker.closed, breaker.reason) == (False, "it answered 500")


@BOTH
@pytest.mark.parametrize(
    "act",
    [
        Status(400, "bad prompt"),
        Status(404, "no such model"),
        Status(413, flavour="string"),
        Status(422, flavour="vllm"),
    ],
    ids=str,
)
async def test_a_clear_no_is_passed_on_as_it_was_said(stage, pair, body, act):
    pair[0].always(act)
    said = await stage.ask(body)
    async with stage.http.post(pair[0].url + "/v1/chat/completions", json=body) as direct:
        assert (said.status, said.body) == (direct.status, await direct.read())
    assert pair[1].asked == []
    assert stage.served[0].fault is Fault.REFUSED
    assert stage.gateway.health.breaker(stage.endpoints.of("tiny")[0]).closed


@BOTH
async def test_when_all_fail_the_last_ones_words_are_told(stage, pair, body):
    for upstream in pair:
        upstream.always(Status(503, "Loading model", "llama.cpp"))
    said = await stage.ask(body)
    assert said.status == 503
    assert said.error["message"] == "Loading model"
    assert [len(upstream.asked) for upstream in pair] == [1, 1]
    assert stage.served[0].fault is Fault.FAILED


async def test_when_nobody_listens_it_says_so(stages, upstreams):
    stage = await stages(hold=0.05)
    pair = await ready(stage, upstreams)
    for upstream in pair:
        await upstream.refuse()
    said = await stage.ask()
    assert said.status == 502
    assert "takes no connections" in said.error["message"]
    assert stage.served[0].fault is Fault.UNREACHABLE


async def test_at_most_three_are_asked(stage, upstreams):
    servers = [await upstreams() for _ in range(5)]
    for number, server in enumerate(servers):
        server.always(Status(500))
        stage.admit(server, number)
    assert (await stage.ask()).status == 500
    assert sum(len(server.asked) for server in servers) == 3


@pytest.mark.parametrize("cut", [Cut.RESET, Cut.CLOSE, Cut.STOP, Cut.ERROR, Cut.NAMED_ERROR])
async def test_what_breaks_off_after_content_is_told_in_the_stream(stage, pair, cut):
    pair[0].always(Answer(cut=cut, cut_at=2))
    said = await stage.ask(STREAM)
    assert said.status == 200
    assert b"One" in said.body
    assert b"two" in said.body
    assert "[DONE]" not in said.events
    last = said.events[-1]
    assert last.get("error") or last == {"message": "the model is gone"}
    assert pair[1].asked == []
    assert stage.served[0].fault is Fault.CUT_OFF or stage.served[0].fault is Fault.UNREACHABLE


async def test_an_error_event_after_content_is_told_once(stage, pair):
    pair[0].always(Answer(cut=Cut.ERROR, cut_at=2))
    said = await stage.ask(STREAM)
    assert said.body.count(b'"error"') == 1


async def test_silence_after_content_ends_the_stream_with_an_error(stages, upstreams):
    stage = await stages(HASTY)
    first, second = await ready(stage, upstreams)
    first.always(Answer(cut=Cut.HANG, cut_at=2))
    said = await stage.ask(STREAM)
    assert "silent" in said.events[-1]["error"]["message"]
    assert second.asked == []


async def test_a_used_connection_that_was_closed_meanwhile_is_no_failure(stage, upstreams):
    only = await upstreams()
    stage.admit(only)
    only.always(Answer(after=After.DROPPED))
    for _ in range(5):
        assert (await stage.ask(STREAM)).text == "One two three"
    assert all(served.fault is None for served in stage.served)
    assert stage.gateway.health.breaker(stage.endpoints.of("tiny")[0]).closed


async def test_a_backend_that_cannot_tell_usage_in_streams_is_asked_again_without(stage, upstreams):
    only = await upstreams()
    stage.admit(only)
    only.will(Status(400, "unknown field: stream_options"))
    said = await stage.ask(STREAM)
    assert said.text == "One two three"
    assert "stream_options" not in only.asked[1].json
    assert (stage.served[0].completion_tokens, stage.served[0].estimated) == (3, True)


async def test_a_single_replica_that_fails_often_is_still_asked(stage, upstreams):
    only = await upstreams()
    stage.admit(only)
    only.will(*[Status(500)] * 5)
    assert [(await stage.ask()).status for _ in range(6)] == [500] * 5 + [200]


@BOTH
async def test_a_frozen_replica_is_found_out_before_its_time_is_up(stage, pair, body):
    """Thirty seconds are allowed for a first byte; what hangs cannot even list its models."""
    probing = asyncio.create_task(stage.gateway.probing.run())
    pair[0].freeze()
    async with asyncio.timeout(20.0):
        said = await stage.ask(body)
    assert said.headers["X-Gantry-Replica"] == "tiny-3fa9c1-1"
    frozen = stage.endpoints.of("tiny")[0]
    assert not stage.gateway.health.breaker(frozen).closed
    pair[0].thaw()
    async with asyncio.timeout(20.0):
        while not stage.gateway.health.breaker(frozen).closed:
            await asyncio.sleep(0.01)
    probing.cancel()


async def test_the_last_one_is_waited_for_though_it_seems_to_hang(stage, upstreams):
    only = await upstreams()
    stage.admit(only)
    probing = asyncio.create_task(stage.gateway.probing.run())
    only.freeze()
    asking = asyncio.create_task(stage.ask())
    async with asyncio.timeout(20.0):
        while stage.gateway.health.breaker(stage.endpoints.of("tiny")[0]).closed:
            await asyncio.sleep(0.01)
    assert not asking.done()
    only.thaw()
    assert (await asking).status == 200
    probing.cancel()


async def test_one_that_is_paid_for_and_still_away_is_left_alone_for_longer(
    stages, upstreams, nowhere
):
    """The one request that finds out is not followed by all others."""
    clock, good = Time(), await upstreams()
    paid = Backend("one", "openai", nowhere, tier=Tier.CLOUD)
    backends = [paid, Backend("two", "openai", good.url, tier=Tier.CLOUD)]
    route = Route("chat", (Member("one"), Member("two")), as_listed=True)
    stage = await stages(clock=clock, backends=backends, routes={"chat": route})

    async def asked():
        assert (await stage.ask({**HELLO, "model": "chat"})).status == 200
        return stage.served[-1].attempts

    assert [await asked() for _ in range(2)] == [2, 1]
    clock.passes(FIRST_WAIT)
    assert [await asked() for _ in range(2)] == [2, 1]
    clock.passes(FIRST_WAIT)
    assert await asked() == 1
    clock.passes(FIRST_WAIT)
    assert [await asked() for _ in range(2)] == [2, 1]


async def test_nobody_has_to_find_out_whether_one_that_is_probed_is_back(
    stages, upstreams, nowhere
):
    clock, good = Time(), await upstreams()
    stage = await stages(clock=clock)
    stage.admit(good, 0)
    stage.admit(nowhere, 1)
    stage.prefer(1)
    assert (await stage.ask()).status == 200
    assert stage.served[-1].attempts == 2
    clock.passes(FIRST_WAIT)
    assert [(await stage.ask()).status for _ in range(3)] == [200] * 3
    assert [served.attempts for served in stage.served[-3:]] == [1] * 3


async def test_one_that_lists_its_models_again_is_asked_again(stages, upstreams):
    stage, first, second = await stages(clock=Time()), await upstreams(), await upstreams()
    stage.admit(first, 0)
    stage.admit(second, 1)
    stage.prefer(0)
    (endpoint, _) = stage.endpoints.of("tiny")
    stage.gateway.health.failed(endpoint, "it hangs", certain=True)
    assert (await stage.ask()).status == 200
    assert not first.asked
    stage.gateway.probing.look()
    await soon(lambda: stage.gateway.health.breaker(endpoint).closed)
    assert (await stage.ask()).status == 200
    assert len(first.asked) == 1
