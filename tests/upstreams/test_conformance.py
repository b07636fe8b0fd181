"""What the gateway relies on is so of the scripted upstream and of the servers it stands for."""

import json
from dataclasses import dataclass, field

import aiohttp
import pytest

from tests.inference.conftest import engine as engine
from tests.inference.conftest import tiny as tiny
from tests.upstreams import Upstream

CHAT = "/v1/chat/completions"
TURNS = [{"role": "user", "content": "Hi"}]
USAGE = {"stream_options": {"include_usage": True}}


@dataclass
class Server:
    """One of them."""

    url: str
    model: str
    http: aiohttp.ClientSession
    more: dict = field(default_factory=dict)
    """Fields by which its model says three tokens, the same ones each time."""
    unknown: int = 404
    """The status for a model that it does not have."""

    async def ask(self, path, **body):
        asked = {"model": self.model, **self.more, **body}
        async with self.http.post(self.url + path, json=asked) as response:
            return response.status, response.content_type, await response.read()

    async def chat(self, **body):
        return await self.ask(CHAT, messages=TURNS, **body)

    async def events(self, path=CHAT, **body):
        status, kind, told = await self.ask(path, stream=True, **body)
        assert (status, kind) == (200, "text/event-stream")
        assert told.endswith(b"\n\n")
        parts = told.decode().replace("\r\n", "\n").split("\n\n")
        data = [part.removeprefix("data: ") for part in parts if part.startswith("data: ")]
        return [each if each == "[DONE]" else json.loads(each) for each in data]


@pytest.fixture(params=["scripted", "llama.cpp", "vllm"])
async def server(request):
    greedy = {"max_tokens": 3, "temperature": 0}
    async with aiohttp.ClientSession() as http:
        if request.param == "scripted":
            async with Upstream.started() as upstream:
                yield Server(upstream.url, "tiny", http, unknown=200)
        elif request.param == "llama.cpp":
            llama = request.getfixturevalue("tiny")
            yield Server(llama.url, "tiny", http, greedy, unknown=200)
        else:
            vllm = request.getfixturevalue("vllm")
            yield Server(vllm.url, "qwen", http, {**greedy, "ignore_eos": True})


async def test_it_lists_its_model(server):
    async with server.http.get(server.url + "/v1/models") as response:
        listed = await response.json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == [server.model]


async def test_its_health_page_says_200(server):
    async with server.http.get(server.url + "/health") as response:
        assert response.status == 200


async def test_a_whole_answer_has_words_an_end_and_usage(server):
    status, kind, told = await server.chat()
    said = json.loads(told)
    assert (status, kind, said["object"]) == (200, "application/json", "chat.completion")
    [choice] = said["choices"]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    assert choice["finish_reason"] in ("stop", "length")
    usage = said["usage"]
    assert usage["completion_tokens"] == 3
    assert usage["total_tokens"] == usage["prompt_tokens"] + 3


@pytest.mark.parametrize("more", [{}, USAGE], ids=["without usage", "with usage"])
async def test_a_stream_is_a_role_then_words_then_one_end(server, more):
    *events, done = await server.events(messages=TURNS, **more)
    assert done == "[DONE]"
    last = events.pop() if more else None
    choices = [choice for event in events for choice in event["choices"]]
    assert choices[0]["delta"]["role"] == "assistant"
    assert not choices[0]["delta"].get("content")
    assert "".join(choice["delta"].get("content") or "" for choice in choices)
    ends = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    assert ends in (["stop"], ["length"])
    assert choices[-1]["finish_reason"]
    assert not [event for event in events if event.get("usage")]
    if last:
        assert last["choices"] == []
        assert last["usage"]["completion_tokens"] == 3


async def test_completions_stream_text(server):
    *events, done = await server.events("/v1/completions", prompt="Hi", **USAGE)
    assert done == "[DONE]"
    choices = [choice for event in events for choice in event["choices"]]
    assert "".join(choice.get("text") or "" for choice in choices)
    assert [event["usage"]["completion_tokens"] for event in events if event.get("usage")] == [3]


async def test_what_is_no_page_is_not_found(server):
    assert (await server.ask("/v1/elsewhere"))[0] == 404


async def test_a_model_that_it_does_not_have_is_a_clear_no_or_its_own(server):
    """vLLM looks at the name; llama.cpp answers with what it has."""
    status, _, told = await server.chat(model="nope")
    assert status == server.unknown
    if status == 404:
        error = json.loads(told)["error"]
        assert (error["type"], error["code"], error["param"]) == ("NotFoundError", 404, "model")


async def test_it_goes_on_when_a_client_leaves(server):
    asked = {"model": server.model, "messages": TURNS, **server.more, "stream": True}
    for _ in range(3):
        async with server.http.post(server.url + CHAT, json={**asked, "max_tokens": 400}) as left:
            assert b"role" in await left.content.readline()
            left.close()
    assert (await server.chat())[0] == 200
