"""Anthropic's Messages behind the gateway: asked in OpenAI's words, and answered in them."""

import json
from pathlib import Path

import openai
import pytest
from pydantic import SecretStr

from domain.backends import Backend, Tier
from domain.routes import Member, Route
from domain.usage import Fault
from tests.inference.gateway.conftest import CHAT, HELLO
from tests.upstreams import Play
from tests.upstreams.steps import Send
from tests.upstreams.wire import head

RECORDED = Path(__file__).parents[1] / "anthropic" / "recorded"
ASKED = {**HELLO, "model": "claude"}
MODELS = (("sonnet", "claude-sonnet-4-5"), ("opus", "claude-opus-5-5"))


def says(status, body, kind="application/json", *headers):
    told = ("Content-Type", kind), ("Content-Length", str(len(body))), *headers
    first = head(503 if status == 529 else status, *told)  # 529 is a status of its own
    return Play(Send(first.replace(b" 503 ", f" {status} ".encode()) + body))


def streams(*events):
    told = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()
    return says(200, told, "text/event-stream")


def problem(kind, message="no"):
    return {"type": "error", "error": {"type": kind, "message": message}}


@pytest.fixture
async def api(upstreams):
    return await upstreams()


@pytest.fixture
async def stage(stages, upstreams, api):
    other = await upstreams()
    backends = (
        Backend("claude", "anthropic", api.url, SecretStr("sk-ant-x"), MODELS, tier=Tier.CLOUD),
        Backend("other", "openai", other.url),
    )
    route = Route("chat", (Member("claude"), Member("other")), as_listed=True)
    return await stages(backends=backends, routes={"chat": route})


@pytest.fixture
async def client(stage):
    async with openai.AsyncOpenAI(
        base_url=stage.url + "/v1", api_key="any", max_retries=0
    ) as opened:
        yield opened


async def test_an_answer_is_said_in_openais_words(client, stage, api):
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "A pod."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 7, "output_tokens": 3},
    }
    api.always(says(200, json.dumps(answer).encode()))
    said = await client.chat.completions.create(
        model="claude", messages=[{"role": "system", "content": "Brief."}, *HELLO["messages"]]
    )
    assert said.choices[0].message.content == "A pod."
    asked = api.asked[0]
    assert (asked.path, asked.header("x-api-key")) == ("/v1/messages", "sk-ant-x")
    assert (asked.json["model"], asked.json["system"]) == ("claude-sonnet-4-5", "Brief.")
    assert (stage.served[0].prompt_tokens, stage.served[0].completion_tokens) == (7, 3)


@pytest.mark.parametrize("recorded", sorted(path.stem for path in RECORDED.glob("streams/*.sse")))
async def test_every_recorded_stream_comes_through_whole(client, stage, api, recorded):
    told = (RECORDED / f"streams/{recorded}.sse").read_bytes()
    api.always(says(200, told, "text/event-stream"))
    stream = await client.chat.completions.create(
        model="claude/opus", messages=HELLO["messages"], stream=True
    )
    if b"event: error" in told:
        with pytest.raises(openai.APIError):
            [chunk async for chunk in stream]
        assert stage.served[0].fault is Fault.CUT_OFF
        return
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices[0].finish_reason
    assert not [chunk for chunk in chunks if chunk.usage]
    assert stage.served[0].completion_tokens
    assert not stage.served[0].estimated
    assert api.asked[0].json["model"] == "claude-opus-5-5"


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (400, "invalid_request_error", 400),
        (413, "request_too_large", 413),
        (429, "rate_limit_error", 429),
        (529, "overloaded_error", 503),
        (401, "authentication_error", 502),
    ],
)
async def test_its_refusals_are_told_by_their_statuses(stage, api, status, kind, told):
    """All but that of the gateway's own key: that is nobody's business who asks."""
    api.always(says(status, json.dumps(problem(kind)).encode()))
    said = await stage.ask(ASKED)
    assert (said.status, bool(said.error["message"])) == (told, True)


async def test_an_error_in_a_stream_before_any_word_is_what_it_would_have_been_before(stage, api):
    api.always(streams(problem("rate_limit_error", "slow down")))
    said = await stage.ask({**ASKED, "stream": True})
    assert (said.status, stage.served[0].fault) == (429, Fault.BUSY)
    assert stage.gateway.health.breaker(stage.endpoints.of("claude")[0]).closed


@pytest.mark.parametrize(
    ("path", "body"),
    [(CHAT, {**ASKED, "n": 2}), ("/v1/embeddings", {"model": "claude", "input": "Hi"})],
)
async def test_what_it_has_no_way_to_say_is_put_to_the_next_of_a_route(stage, api, path, body):
    refused = await stage.ask(body, path)
    assert (refused.status, bool(refused.error["message"])) == (400, True)
    said = await stage.ask({**body, "model": "chat"}, path)
    assert (said.status, said.headers["X-Gantry-Backend"]) == (200, "other")
    assert api.asked == []
    assert stage.gateway.health.breaker(stage.endpoints.of("claude")[0]).closed


async def test_what_is_wrong_whoever_is_asked_is_put_to_nobody(stage, api):
    said = await stage.ask({**ASKED, "model": "chat", "messages": [{"role": "ghost"}]})
    assert said.status == 400
    assert said.error["param"].startswith("messages.0")
    assert api.asked == []
