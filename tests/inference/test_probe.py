import asyncio
import json

import pytest

from domain.readiness import FirstToken
from inference.client import Timeouts
from inference.probe import Prober


@pytest.fixture
def prober(session, clock, impatient):
    return Prober(session, clock, timeouts=impatient, measure_for=0.4)


def serving(*names, then):
    """A server that lists these models, and then does something on a completion."""

    async def script(reply):
        if reply.path == "/v1/models":
            body = {"object": "list", "data": [{"id": name} for name in names]}
            reply.start(kind="application/json").raw(json.dumps(body).encode())
        else:
            await then(reply)

    return script


async def answers(reply):
    reply.start().words("Hi").end()


async def loads(reply):
    reply.error(503, "Loading model", type="unavailable_error")


async def refuses(reply):
    reply.error(400, "no chat template")


async def hangs(reply):
    await reply.left.wait()


async def breaks(reply):
    reply.start().words("Hi")


async def ends_without_a_word(reply):
    reply.start().end()


async def rambles(reply):
    reply.start()
    while not reply.left.is_set():
        reply.words("more")
        await asyncio.sleep(0.02)


async def thinks(reply):
    """As vLLM does whose model begins by thinking: the one token is no part of the answer."""
    reply.start().end(usage={"prompt_tokens": 9, "completion_tokens": 1})


async def is_cut_short(reply):
    """As a server that does not count, whose one token is half of a letter."""
    reply.start().chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "length"}])
    reply.raw(b"data: [DONE]\n\n")


async def no_listing(reply):
    reply.start(kind="application/json").raw(b'["tiny"]')


async def test_a_listed_model_that_answers_is_ready(prober, upstream):
    server = await upstream(serving("tiny", then=answers))
    token = await prober(server.url, "tiny")
    assert token is not None
    assert 0 < token.seconds < 5
    assert server.replies[1].asked["max_tokens"] == 1


def completing(said):
    """As vLLM answers for a model that has no chat template, but completes texts."""

    async def script(reply):
        if reply.path == "/v1/chat/completions":
            reply.error(400, "no chat template")
        else:
            reply.start(kind="application/json").raw(json.dumps(said).encode())

    return script


LETTERS = {"choices": [{"index": 0, "text": " I", "finish_reason": "stop"}]}
HALF_A_LETTER = {"choices": [{"index": 0, "text": "", "finish_reason": "length"}]}
COUNTED = {"choices": [{"text": ""}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


@pytest.mark.parametrize("said", [LETTERS, HALF_A_LETTER, COUNTED])
async def test_a_model_that_only_completes_is_ready_too(prober, upstream, said):
    server = await upstream(serving("tiny", then=completing(said)))
    token = await prober(server.url, "tiny")
    assert token is not None
    assert 0 < token.seconds < 5
    assert server.replies[2].path == "/v1/completions"
    assert server.replies[2].asked["max_tokens"] == 1


@pytest.mark.parametrize(
    "said",
    [{}, [], {"choices": []}, {"choices": [{"text": "", "finish_reason": "stop"}]}, {"ok": True}],
)
async def test_one_that_completes_without_a_token_is_not(prober, upstream, said):
    server = await upstream(serving("tiny", then=completing(said)))
    assert await prober(server.url, "tiny") is None


async def test_a_model_that_goes_by_another_name_is_not_ready(prober, upstream):
    server = await upstream(serving("other", then=answers))
    assert await prober(server.url, "tiny") is None
    assert [reply.path for reply in server.replies] == ["/v1/models"]


@pytest.mark.parametrize("then", [thinks, is_cut_short])
async def test_a_token_that_shows_no_letter_is_one_all_the_same(prober, upstream, then):
    server = await upstream(serving("tiny", then=then))
    assert await prober(server.url, "tiny") is not None


@pytest.mark.parametrize("then", [loads, refuses, hangs, breaks, ends_without_a_word, rambles])
async def test_a_listed_model_that_does_not_answer_is_not_ready(prober, upstream, then):
    server = await upstream(serving("tiny", then=then))
    assert await prober(server.url, "tiny") is None


@pytest.mark.parametrize("script", [loads, hangs, breaks, no_listing])
async def test_a_server_that_lists_nothing_is_not_ready(prober, upstream, script):
    server = await upstream(script)
    assert await prober(server.url, "tiny") is None


@pytest.mark.parametrize("url", [None, "http://name.invalid", "nonsense"])
async def test_an_absent_server_is_not_ready(prober, nowhere, url):
    assert await prober(url or nowhere, "tiny") is None


async def test_a_failing_measurement_has_no_speed(prober, upstream, nowhere):
    for url in (nowhere, (await upstream(breaks)).url, (await upstream(refuses)).url):
        assert (await prober.measure(url, "tiny")).tokens_per_second is None


async def test_a_measurement_ends_in_time_with_the_speed_so_far(session, clock, upstream):
    async def script(reply):
        reply.start().words("one")
        await reply.sent()
        while not reply.left.is_set():
            reply.words("more")
            await clock.sleep(0.02)

    prober = Prober(session, clock, timeouts=Timeouts(), measure_for=0.3)
    measured = await prober.measure((await upstream(script)).url, "tiny")
    assert isinstance(measured, FirstToken)
    assert measured.seconds < 0.3
    assert 1 < measured.tokens_per_second < 60
