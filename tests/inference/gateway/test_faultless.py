"""What clients send, and what others suffer, is held against no backend and no stream."""

import asyncio
import json

import pytest
from pydantic import SecretStr

from domain.backends import Backend
from domain.usage import Fault
from inference.gateway import desk, pages
from tests.inference.gateway.conftest import CHAT, HELLO, STREAM, soon
from tests.upstreams import Answer, Fate, Play, Status
from tests.upstreams.steps import Send
from tests.upstreams.wire import chunk, event, head

HALF = '"\\ud800"'
"""Half of a surrogate pair: JSON takes it, UTF-8 does not."""


@pytest.fixture
async def studio(stages, upstreams):
    upstream = await upstreams()
    models = (("small", "qwen3-4b"),)
    return upstream, await stages(backends=(Backend("studio", "vllm", upstream.url, None, models),))


async def post(stage, raw):
    headers = {"Content-Type": "application/json"}
    async with stage.http.post(stage.url + CHAT, data=raw, headers=headers) as response:
        return response.status, await response.read()


def closed(stage, name="studio"):
    return stage.gateway.health.breaker(stage.endpoints.of(name)[0]).failures == 0


@pytest.mark.parametrize("stream", ["false", "true"])
async def test_half_a_surrogate_goes_through_as_it_came(studio, stream):
    upstream, stage = studio
    raw = f'{{"model": "studio", "stream": {stream}, "messages": [{HALF}], "é": "🦙"}}'
    status, _ = await post(stage, raw.encode())
    assert status == 200
    assert (upstream.asked[0].json["messages"], upstream.asked[0].json["é"]) == (["\ud800"], "🦙")
    assert closed(stage)


@pytest.mark.parametrize("field", [f"{HALF}: 1, {HALF}: 2", f'"user": {HALF}, "_backend": true'])
async def test_half_a_surrogate_anywhere_is_no_trouble_of_ours(stages, upstreams, field):
    stage = await stages(affinity="session")
    for number in range(2):
        stage.admit(await upstreams(), number)
    status, told = await post(stage, f'{{"model": "tiny", "messages": [], {field}}}'.encode())
    assert status in (200, 400)
    assert json.loads(told)


async def test_what_clients_write_behind_a_backends_name_is_counted_nowhere(stages, upstreams):
    """Names that anybody may make up would fill the accounts and the metrics."""
    stage = await stages(backends=(Backend("studio", "openai", (await upstreams()).url),))
    await stage.ask({**HELLO, "model": "studio/whatever"})
    await stage.ask({**HELLO, "model": "made up", "backend": "studio"})
    assert [served.model for served in stage.served] == ["studio", "studio"]


async def test_a_stream_that_has_begun_is_not_cut_off_for_what_others_meet(stage, pair):
    """The server is found dead by others; what it still says to this one is passed on."""
    pair[0].always(Answer(pause_at=2))
    asking = asyncio.create_task(stage.ask(STREAM))
    asked = await pair[0].request()
    await asked.paused()
    await soon(lambda: bool(stage.gateway.health.silent(0.0)))
    stage.gateway.health.failed(stage.endpoints.of("tiny")[0], "no sign of life", certain=True)
    asked.proceed()
    assert (await asking).text == "One two three"
    assert stage.served[0].fault is None


async def test_nobody_waits_for_a_backend_that_nothing_here_can_bring_back(stages, nowhere):
    stage = await stages(hold=600.0, backends=(Backend("studio", "openai", nowhere),))
    async with asyncio.timeout(30.0):
        said = await stage.ask({**HELLO, "model": "studio"})
    assert (said.status, stage.served[0].fault) == (502, Fault.UNREACHABLE)


async def test_a_refusal_in_a_stream_is_one_though_it_came_late(stage, pair):
    """llama.cpp finds only then that a prompt is too long; another replica would, too."""
    refusal = event({"error": {"code": 400, "message": "the prompt is too long"}})
    told = ("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")
    pair[0].always(Play(Send(head(200, *told) + chunk(refusal) + chunk(b""))))
    said = await stage.ask(STREAM)
    assert (said.status, said.error["message"]) == (400, "the prompt is too long")
    assert pair[1].asked == []
    assert closed(stage, "tiny")


async def test_what_is_no_stream_at_all_is_told_in_words(stage, upstreams):
    upstream = await upstreams()
    stage.admit(upstream)
    told = ("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")
    upstream.always(Play(Send(head(200, *told) + chunk(b"data: {nonsense\n\n") + chunk(b""))))
    said = await stage.ask(STREAM)
    assert (said.status, stage.served[0].fault) == (502, Fault.FAILED)
    assert "no answer" in said.error["message"]


async def test_a_stream_without_end_or_content_is_given_up(stage, upstreams):
    upstream = await upstreams()
    stage.admit(upstream)
    ping = chunk(event({"choices": [{"delta": {"role": "x" * 60_000}}]}))
    told = ("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")
    upstream.always(Play(Send(head(200, *told)), *(Send(ping) for _ in range(40))))
    said = await stage.ask(STREAM)
    assert (said.status, stage.served[0].fault) == (502, Fault.FAILED)


async def test_a_client_that_takes_nothing_is_let_go(stage, upstreams, monkeypatch):
    monkeypatch.setattr(desk, "TAKEN_WITHIN", 0.2)
    upstream = await upstreams()
    stage.admit(upstream)
    upstream.always(Answer(pieces=("x" * 500_000,) * 60))
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(stage.url.rpartition(":")[2]), limit=1024
    )
    body = json.dumps(STREAM).encode()
    lines = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    writer.write(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await reader.readline()
    asked = await upstream.request()
    async with asyncio.timeout(30.0):
        assert await asked.over() is Fate.LEFT
    await soon(lambda: bool(stage.served))
    assert stage.served[0].fault is Fault.GONE
    assert stage.in_flight == 0
    writer.transport.abort()


async def test_a_body_that_never_comes_is_not_waited_for(stage, monkeypatch):
    monkeypatch.setattr(pages, "BODY_WITHIN", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(stage.url.rpartition(":")[2]))
    lines = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    writer.write(f"{lines}Content-Length: 100\r\n\r\n{{".encode())
    async with asyncio.timeout(30.0):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.transport.abort()


async def test_the_gateway_says_that_it_lives(stage):
    assert (await stage.get("/health")).json == {"ok": True}


async def test_pictures_for_a_model_that_sees_none_are_held_against_no_server(stage, pair):
    """Llama.cpp says that with a 500. Another member of a route may see them."""
    blind = Status(500, "image input is not supported - hint: provide the mmproj", "llama.cpp")
    pair[0].always(blind)
    for _ in range(4):
        assert (await stage.ask()).headers["X-Gantry-Replica"] == "tiny-3fa9c1-1"
    pair[1].always(blind)
    said = await stage.ask()
    assert (said.status, said.error["message"]) == (500, blind.message)
    assert stage.served[-1].fault is Fault.REFUSED
    assert all(
        stage.gateway.health.breaker(endpoint).failures == 0
        for endpoint in stage.endpoints.of("tiny")
    )


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("status", [401, 403])
async def test_no_client_is_told_the_key_that_a_backend_quotes(stages, upstreams, body, status):
    upstream = await upstreams()
    backend = Backend("studio", "openai", upstream.url, key=SecretStr("sk-there"))
    stage = await stages(backends=(backend,))
    upstream.always(Status(status, "Received=sk-there, which is no key"))
    said = await stage.ask({**body, "model": "studio"})
    assert (said.status, stage.served[0].fault) == (502, Fault.REFUSED)
    assert "check the key that is configured for it" in said.error["message"]
    assert str(status) in said.error["message"]
    assert b"sk-there" not in said.body


DEEP = b"[" * 4000 + b"]" * 4000
"""JSON that is deeper than anybody reads."""


@pytest.mark.parametrize("more", [{}, {"_backend": True}], ids=["", "marked"])
async def test_a_whole_answer_that_is_too_deep_to_read_goes_on_as_it_came(stage, upstreams, more):
    upstream = await upstreams()
    stage.admit(upstream)
    body = b'{"usage": ' + DEEP + b"}"
    told = ("Content-Type", "application/json"), ("Content-Length", str(len(body)))
    upstream.always(Play(Send(head(200, *told) + body)))
    said = await stage.ask({**HELLO, **more})
    assert (said.status, said.body) == (200, body)
    assert (stage.served[0].fault, stage.served[0].prompt_tokens) == (None, None)


async def test_an_event_that_is_too_deep_to_read_is_none_of_an_answer(stage, upstreams):
    upstream = await upstreams()
    stage.admit(upstream)
    told = ("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")
    deep = b'data: {"error": ' + DEEP + b"}\n\n"
    upstream.always(Play(Send(head(200, *told) + chunk(deep) + chunk(b""))))
    said = await stage.ask(STREAM)
    assert (said.status, stage.served[0].fault) == (502, Fault.FAILED)
    assert "no answer" in said.error["message"]
