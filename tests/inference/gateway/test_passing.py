"""What passes through is what was said, on both sides."""

import asyncio
import socket
from contextlib import AsyncExitStack

import aiohttp
import pytest

from domain.backends import Backend, Manner
from domain.routes import Member, Route
from inference.gateway.opening import Ways
from tests.inference.gateway.conftest import CHAT, HELLO, PATIENT, STREAM, soon, staged
from tests.upstreams import Answer, Fate, Play, Status, Usage
from tests.upstreams.steps import Hang, Send
from tests.upstreams.wire import chunk, event, head

USAGE = {"stream_options": {"include_usage": True}}
CALLS = {
    "/v1/chat/completions": HELLO,
    "/v1/completions": {"model": "tiny", "prompt": "Hi"},
    "/v1/embeddings": {"model": "tiny", "input": "Hi"},
    "/v1/responses": {"model": "tiny", "input": "Hi"},
}


@pytest.fixture
async def only(stage, upstreams):
    upstream = await upstreams()
    stage.admit(upstream)
    return upstream


async def direct(stage, upstream, body, path):
    async with stage.http.post(upstream.url + path, json=body) as response:
        return await response.read()


@pytest.mark.parametrize("path", CALLS)
async def test_a_whole_answer_is_the_backends_byte_for_byte(stage, only, path):
    said = await stage.ask(CALLS[path], path)
    assert said.body == await direct(stage, only, CALLS[path], path)
    assert stage.served[0].prompt_tokens == 3


@pytest.mark.parametrize("more", [{}, USAGE], ids=["usage not asked for", "usage asked for"])
@pytest.mark.parametrize(
    "act",
    [
        Answer(),
        Answer(comments=True),
        Answer(trickle=True),
        Answer(pieces=("x" * 100_000, "é", "🦙\n\ndata: [DONE]\n\n", '"usage": {}')),
        Answer(done=False),
    ],
    ids=["plain", "with comments", "byte by byte", "odd pieces", "without an end"],
)
@pytest.mark.parametrize("path", [p for p in CALLS if "embeddings" not in p])
async def test_a_stream_is_the_backends_byte_for_byte(stage, only, path, act, more):
    only.always(act)
    body = {**CALLS[path], "stream": True, **more}
    said = await stage.ask(body, path)
    assert said.body == await direct(stage, only, body, path)
    assert (stage.served[0].prompt_tokens, stage.served[0].estimated) == (3, False)


async def test_a_request_that_need_not_change_goes_on_as_it_came(stage, only):
    raw = b'{"model" : "tiny", "messages":[], "seed": 12345678901234567890, "new_field": [1.0]}'
    headers = {"Content-Type": "application/json"}
    async with stage.http.post(stage.url + CHAT, data=raw, headers=headers) as response:
        assert response.status == 200
    assert only.asked[0].body == raw


async def test_a_stream_is_asked_for_its_usage_and_nothing_else_changes(stage, only):
    body = {**STREAM, "seed": 12345678901234567890, "logit_bias": {"50256": -100}, "é": "é"}
    await stage.ask(body)
    assert only.asked[0].json == {**body, **USAGE}


async def test_a_backend_that_lies_about_usage_is_believed_but_not_its_nonsense(stage, only):
    only.will(Answer(usage=Usage(10**9, 0)), Answer(usage=Usage(-1, 5)))
    await stage.ask(STREAM)
    await stage.ask(STREAM)
    assert stage.served[0].prompt_tokens == 10**9
    assert (stage.served[1].prompt_tokens, stage.served[1].estimated) == (None, True)


async def test_tokens_of_who_never_tells_are_estimated(stage, only):
    only.always(Answer(usage=None))
    await stage.ask(STREAM)
    served = stage.served[0]
    assert (served.prompt_tokens, served.completion_tokens, served.estimated) == (None, 3, True)


async def test_the_answer_says_who_gave_it(stage, only):
    said = await stage.ask({**HELLO, "_backend": True})
    assert said.headers["X-Gantry-Backend"] == "tiny"
    assert said.headers["X-Gantry-Replica"] == "tiny-3fa9c1-0"
    assert said.json["_backend"] == "tiny"
    assert "_backend" not in only.asked[0].json


async def test_a_backend_can_be_pinned_down_to_the_replica(stage, pair):
    for pin in ("tiny-3fa9c1-1", "tiny-3fa9c1-0"):
        said = await stage.ask({**HELLO, "backend": pin})
        assert said.headers["X-Gantry-Replica"] == pin
    assert "backend" not in pair[0].asked[0].json


async def test_the_clients_key_and_headers_stay_here(stages, upstreams):
    upstream = await upstreams()
    backend = Backend("studio", "openai", upstream.url, models=(("small", "qwen3-4b"),))
    stage = await stages(backends=(backend,))
    headers = {"Authorization": "Bearer gantry-secret", "Cookie": "a=b", "X-Forwarded-For": "1"}
    await stage.ask({**HELLO, "model": "studio/small"}, headers=headers)
    asked = upstream.asked[0]
    assert asked.json["model"] == "qwen3-4b"
    for name in ("Authorization", "Cookie", "X-Forwarded-For"):
        assert asked.header(name) is None


@pytest.mark.parametrize(
    ("model", "there"),
    [("studio", "qwen3-4b"), ("studio/small", "qwen3-4b"), ("studio/large", "qwen3-32b")],
)
async def test_a_backends_models_go_by_the_names_they_have_here(stages, upstreams, model, there):
    upstream = await upstreams()
    models = (("small", "qwen3-4b"), ("large", "qwen3-32b"))
    stage = await stages(backends=(Backend("studio", "vllm", upstream.url, models=models),))
    assert (await stage.ask({**HELLO, "model": model})).status == 200
    assert upstream.asked[0].json["model"] == there


async def test_a_replica_is_asked_by_the_name_that_it_has_for_its_model(stage, upstreams):
    upstream = await upstreams()
    stage.manner = Manner(models=(("tiny", "qwen3-4b"),))
    pin = stage.admit(upstream)
    assert (await stage.ask(HELLO)).status == 200
    assert (await stage.ask({**HELLO, "backend": str(pin), "model": "gpt-4"})).status == 200
    assert [asked.json["model"] for asked in upstream.asked] == ["qwen3-4b", "qwen3-4b"]


async def test_a_model_that_a_backend_does_not_offer_cannot_be_asked_for(stages, upstreams):
    upstream = await upstreams()
    models = (("small", "qwen3-4b"),)
    stage = await stages(backends=(Backend("studio", "vllm", upstream.url, models=models),))
    said = await stage.ask({**HELLO, "model": "studio/secret-finetune"})
    assert (said.status, said.error["code"]) == (404, "model_not_found")
    assert upstream.asked == []


async def test_a_route_falls_through_to_what_is_not_ours(stages, upstreams):
    ours, cloud = await upstreams(), await upstreams()
    backend = Backend("cloud", "openai", cloud.url, models=(("big", "gpt-big"),))
    route = Route("chat", (Member("tiny"), Member("cloud")))
    stage = await stages(backends=(backend,), routes={"chat": route})
    stage.admit(ours)
    first = await stage.ask({**HELLO, "model": "chat"})
    ours.always(Status(503))
    second = await stage.ask({**HELLO, "model": "chat"})
    assert [said.headers["X-Gantry-Backend"] for said in (first, second)] == ["tiny", "cloud"]
    assert ours.asked[0].json["model"] == "tiny"
    assert cloud.asked[0].json["model"] == "gpt-big"


async def test_ten_of_a_hundred_go_to_the_canary_first(stages, upstreams):
    main, canary = await upstreams(), await upstreams()
    route = Route("chat", (Member("main"), Member("canary", 10)))
    stage = await stages(routes={"chat": route})
    stage.admit(main, service="main")
    stage.admit(canary, service="canary")
    for _ in range(200):
        await stage.ask({**HELLO, "model": "chat"})
    assert 8 <= len(canary.asked) <= 36
    assert len(main.asked) + len(canary.asked) == 200


async def test_a_conversation_stays_where_it_began(stages, upstreams):
    servers = [await upstreams() for _ in range(3)]
    stage = await stages(affinity="session")
    for number, server in enumerate(servers):
        stage.admit(server, number)
    for session in range(12):
        for _ in range(4):
            await stage.ask(headers={"X-Session-Id": str(session)})
    assert all(len(server.asked) % 4 == 0 for server in servers)
    assert sum(bool(server.asked) for server in servers) > 1


async def test_names_are_listed_also_of_what_is_asleep(stages, upstreams):
    route = Route("chat", (Member("tiny"),))
    stage = await stages(routes={"chat": route})
    stage.admit(await upstreams())
    stage.endpoints.expect("asleep", 0)
    listed = (await stage.get("/v1/models")).json
    assert [model["id"] for model in listed["data"]] == ["asleep", "chat", "tiny"]
    assert (await stage.get("/v1/models/chat")).json["id"] == "chat"
    assert (await stage.get("/v1/models/gone")).status == 404


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
async def test_who_leaves_before_an_answer_ends_it_upstream(stage, only, body):
    only.always(Answer(pause_at=-1))
    asking = asyncio.create_task(stage.ask(body))
    asked = await only.request()
    asking.cancel()
    async with asyncio.timeout(5.0):
        assert await asked.over() is Fate.LEFT
    await soon(lambda: bool(stage.served))
    assert (stage.served[0].status, stage.served[0].fault) == (499, "gone")
    assert stage.in_flight == 0


async def test_who_leaves_in_the_middle_ends_it_upstream_and_is_accounted_for(stage, only):
    only.always(Answer(pieces=("One",) * 50, pause_at=3))
    async with stage.http.post(stage.url + CHAT, json=STREAM) as response:
        await response.content.readany()
        asked = await only.request()
        await asked.paused()
    response.close()
    async with asyncio.timeout(5.0):
        assert await asked.over() is Fate.LEFT
    await soon(lambda: bool(stage.served))
    assert stage.served[0].completion_tokens == 3
    assert stage.in_flight == 0


async def test_a_backend_that_does_not_end_its_message_has_ended_its_answer(stage, only):
    """All was said; only the end of the HTTP message never comes."""
    told = [
        event({"choices": [{"index": 0, "delta": {"content": "One"}, "finish_reason": None}]}),
        event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
        b"data: [DONE]\n\n",
    ]
    chunked = ("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")
    only.always(Play(Send(head(200, *chunked)), *(Send(chunk(each)) for each in told), Hang()))
    said = await stage.ask(STREAM)
    assert said.body == b"".join(told)
    assert stage.served[0].fault is None


async def test_requests_wait_for_a_service_that_gets_ready(stage, upstreams):
    stage.endpoints.expect("tiny", 1)
    asking = asyncio.create_task(stage.ask())
    await soon(lambda: stage.endpoints.waiting("tiny") == 1)
    stage.admit(await upstreams())
    assert (await asking).status == 200


async def test_who_waited_in_vain_is_told_to_come_again(stages):
    stage = await stages(hold=0.05)
    stage.endpoints.expect("tiny", 1)
    said = await stage.ask()
    assert (said.status, said.error["type"]) == (503, "not_ready")
    assert int(said.headers["Retry-After"]) > 0


async def test_nobody_waits_for_what_is_stopped(stage):
    stage.endpoints.expect("tiny", 0)
    said = await stage.ask()
    assert said.status == 503
    assert "stopped" in said.error["message"]


async def test_a_replica_that_comes_back_elsewhere_is_asked_though_it_failed_before(
    stage, upstreams
):
    only = await upstreams()
    stage.admit(only)
    await only.refuse()
    asking = asyncio.create_task(stage.ask())
    await soon(lambda: stage.endpoints.waiting("tiny") == 1)
    stage.admit(await upstreams())
    assert (await asking).status == 200


async def test_answers_under_way_finish_when_the_gateway_is_closed(upstreams):
    upstream = await upstreams()
    upstream.always(Answer(pause_at=2))
    async with aiohttp.ClientSession() as http, AsyncExitStack() as stack:
        stage = await stack.enter_async_context(staged(Ways(timeouts=PATIENT)))
        stage.admit(upstream)
        stage.http = http
        asking = asyncio.create_task(stage.ask(STREAM))
        asked = await upstream.request()
        await asked.paused()
        closing = asyncio.create_task(stack.aclose())
        await soon(lambda: _free(stage.url))
        assert not closing.done()
        asked.proceed()
        assert (await asking).text == "One two three"
        await closing


def _free(url):
    """Whether nobody listens there any more. Connecting to find out would be one more client."""
    host, _, port = url.removeprefix("http://").partition(":")
    try:
        with socket.create_server((host, int(port))):
            return True
    except OSError:
        return False
