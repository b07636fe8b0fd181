"""A real vLLM behind the gateway: nothing that it does is a surprise there."""

import asyncio
import signal

import openai
import pytest

from domain.backends import Backend
from domain.usage import Fault
from inference.engine_metrics import read
from tests.inference.gateway.conftest import CHAT, soon
from tests.vllm.server import NAME, Vllm

TURNS = [{"role": "user", "content": "Hi"}]
FEW = {"max_tokens": 6, "temperature": 0, "ignore_eos": True}
"""As its random model never knows when to end, and one that means something would."""
HELLO = {"model": NAME, "messages": TURNS, **FEW}
STREAM = {**HELLO, "stream": True}
TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "parameters": {"type": "object", "properties": {"at": {"enum": ["it", "me"]}}},
    },
}
CHOSEN = {"type": "function", "function": {"name": "look"}}


@pytest.fixture
async def stage(stages, vllm):
    """The server as a replica of a service and as somebody else's backend."""
    opened = await stages(backends=(Backend("studio", "vllm", vllm.url),))
    opened.admit(vllm.url, service=NAME)
    opened.gateway.probing.look()
    await soon(lambda: opened.endpoints.of("studio")[0].lists)
    return opened


@pytest.fixture
async def client(stage):
    url = stage.url + "/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as opened:
        yield opened


def healthy(stage):
    names = (NAME, "studio")
    return all(stage.gateway.health.breaker(stage.endpoints.of(n)[0]).failures == 0 for n in names)


async def direct(stage, vllm, body, path=CHAT):
    async with stage.http.post(vllm.url + path, json=body) as response:
        return response.status, await response.json()


@pytest.mark.parametrize("model", [NAME, "studio", "studio/qwen"])
async def test_it_says_the_same_through_the_gateway_by_whatever_name(stage, vllm, model):
    said = await stage.ask({**HELLO, "model": model})
    _, there = await direct(stage, vllm, HELLO)
    assert said.json["choices"] == there["choices"]
    assert said.json["usage"] == there["usage"]
    served = stage.served[0]
    assert (served.prompt_tokens, served.completion_tokens) == (5, 6)
    assert not served.estimated


async def test_streams_tell_their_usage_where_that_is_asked_for_and_it_is_counted_always(stage):
    plain = await stage.ask(STREAM)
    asked = await stage.ask({**STREAM, "stream_options": {"include_usage": True}})
    assert plain.text == asked.text != ""
    assert [e["usage"] for e in asked.events[:-1] if e.get("usage")] == [
        {"prompt_tokens": 5, "total_tokens": 11, "completion_tokens": 6}
    ]
    assert not [event for event in plain.events[:-1] if event.get("usage")]
    assert plain.events[-1] == asked.events[-1] == "[DONE]"
    for served in stage.served:
        assert (served.completion_tokens, served.estimated, served.fault) == (6, False, None)


async def test_completions_and_responses_are_answered_streamed_and_not(stage, client):
    prompt = {"model": NAME, "prompt": "Hi", "max_tokens": 6, "temperature": 0}
    more = {"extra_body": {"ignore_eos": True}}
    whole = await client.completions.create(**prompt, **more)
    pieces = await client.completions.create(**prompt, **more, stream=True)
    assert whole.choices[0].text == "".join([c.choices[0].text async for c in pieces]) != ""
    asked = {"model": NAME, "input": "Hi", "max_output_tokens": 6, "temperature": 0}
    response = await client.responses.create(**asked)
    events = [event async for event in await client.responses.create(**asked, stream=True)]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert response.output_text == "".join(deltas) != ""
    assert [served.fault for served in stage.served] == [None] * 4
    assert stage.served[-1].prompt_tokens == stage.served[-2].prompt_tokens == 5


async def test_logprobs_come_through(client):
    asked = {"model": NAME, "messages": TURNS, "max_tokens": 2, "logprobs": True, "top_logprobs": 2}
    said = await client.chat.completions.create(**asked, extra_body={"ignore_eos": True})
    told = said.choices[0].logprobs.content
    assert [len(token.top_logprobs) for token in told] == [2, 2]


async def test_a_tool_that_is_chosen_is_called_in_pieces(stage, client):
    asked = {"model": NAME, "messages": TURNS, "max_tokens": 200, "temperature": 0}
    stream = await client.chat.completions.create(
        **asked, tools=[TOOL], tool_choice=CHOSEN, stream=True
    )
    deltas = [chunk.choices[0].delta async for chunk in stream if chunk.choices]
    calls = [call.function for delta in deltas for call in delta.tool_calls or ()]
    assert [call.name for call in calls if call.name] == ["look"]
    assert "".join(call.arguments or "" for call in calls)
    assert stage.served[0].fault is None


async def test_tools_that_the_model_may_choose_are_taken(stage):
    """Open WebUI sends some with every question. Without `tool-call-parser` this is a 400."""
    assert (await stage.ask({**HELLO, "tools": [TOOL]})).status == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        (CHAT, {**HELLO, "model": "studio/nope"}, 404, "does not exist"),
        (CHAT, {**HELLO, "messages": [{"role": "user", "content": "x" * 3000}]}, 400, "context"),
        (CHAT, {**STREAM, "messages": [{"role": "user", "content": "x" * 3000}]}, 400, "context"),
        (CHAT, {**HELLO, "max_tokens": 10_000}, 400, "max_tokens"),
        (CHAT, {**HELLO, "messages": "Hi"}, 400, "valid list"),
        (CHAT, {**HELLO, "temperature": -1}, 400, "temperature"),
        ("/v1/embeddings", {"model": NAME, "input": "Hi"}, 404, "Not Found"),
    ],
    ids=str,
)
async def test_a_clear_no_comes_through_and_is_held_against_nobody(
    stage, vllm, path, body, status, words
):
    for _ in range(3):
        said = await stage.ask(body, path)
    there = await direct(stage, vllm, {**body, "model": body["model"].rpartition("/")[2]}, path)
    assert (said.status, said.json) == there
    assert said.status == status
    assert words in said.body.decode()
    assert stage.served[0].fault is Fault.REFUSED
    assert healthy(stage)


async def test_a_picture_for_a_model_that_sees_none_is_held_against_nobody(stage):
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    turn = {"role": "user", "content": [{"type": "text", "text": "Hi"}, picture]}
    for body in (HELLO, STREAM):
        said = await stage.ask({**body, "messages": [turn]})
        assert (said.status, "multimodal" in said.error["message"]) == (400, True)
    assert healthy(stage)


@pytest.mark.parametrize("stream", [True, False])
async def test_it_stops_when_the_client_leaves(stage, vllm, stream):
    """It is not counted as aborted in its metrics: what it says no more is what tells."""
    long = {**HELLO, "stream": stream, "max_tokens": 500}
    before = read(vllm.get("/metrics"))
    asking = asyncio.create_task(stage.ask(long))
    await soon(lambda: read(vllm.get("/metrics")).running == 1)
    asking.cancel()
    await soon(lambda: read(vllm.get("/metrics")).running == 0)
    after = read(vllm.get("/metrics"))
    assert 0 < after.generation_tokens - before.generation_tokens < 500
    await soon(lambda: bool(stage.served))
    assert stage.served[0].fault is Fault.GONE


async def test_a_backend_can_be_pinned(stage):
    said = await stage.ask({**HELLO, "backend": "studio"})
    assert said.headers["X-Gantry-Backend"] == "studio"
    said = await stage.ask({**HELLO, "backend": f"{NAME}-3fa9c1-0"})
    assert said.headers["X-Gantry-Replica"] == f"{NAME}-3fa9c1-0"


async def test_nobody_notices_that_one_of_two_hangs_or_is_killed(
    stages, vllm, vllm_python, vllm_model
):
    with Vllm.started(vllm_python, vllm_model) as second:
        second.ready()
        stage = await stages()
        stage.admit(second.url, 0, service=NAME)
        stage.admit(vllm.url, 1, service=NAME)
        watching = asyncio.create_task(stage.gateway.probing.run())
        for number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL):
            stage.prefer(0, NAME)
            second.signal(number)
            said = await asyncio.gather(*(stage.ask(body) for body in (HELLO, STREAM) * 4))
            assert [each.status for each in said] == [200] * 8
            answered = {each.headers["X-Gantry-Replica"] for each in said}
            assert f"{NAME}-3fa9c1-1" in answered
            first = stage.endpoints.of(NAME)[0]
            if number == signal.SIGCONT:
                await soon(lambda: stage.gateway.health.breaker(first).closed)  # noqa: B023
            else:
                assert answered == {f"{NAME}-3fa9c1-1"}
                assert not stage.gateway.health.breaker(first).closed
        watching.cancel()
        assert {served.fault for served in stage.served} == {None}


async def test_its_metrics_are_read(stage, vllm):
    before = read(vllm.get("/metrics"))
    await stage.ask(HELLO)
    await stage.ask(STREAM)
    after = read(vllm.get("/metrics"))
    assert (after.engine, after.running, after.waiting) == ("vllm", 0, 0)
    assert after.generation_tokens - before.generation_tokens == 12
    assert after.prompt_tokens - before.prompt_tokens == 10
    assert after.requests - before.requests == 2
    assert after.first_token.count - before.first_token.count == 2
    assert after.inter_token.count - before.inter_token.count == 10
    assert after.end_to_end.count - before.end_to_end.count == 2
    assert after.kv_cache_usage is not None
    assert after.prefix_cache_queries > before.prefix_cache_queries
