"""The real llama.cpp, as the rest of Gantry will meet it."""

import asyncio

import pytest

from domain.errors import Refused
from inference.asking import Answer, Piece
from inference.client import Broken, ChatRequest, Timeouts, Turn, Usage, stream_chat
from inference.probe import Prober

pytestmark = pytest.mark.engine

LONG = 800
"""Tokens of an answer that is still running when a test acts."""


def question(text):
    return (Turn("user", text),)


@pytest.fixture
async def models(asking):
    return await asking(Timeouts(connect=2.0, first_byte=2.0, idle=2.0))


@pytest.mark.parametrize(
    "prompt",
    [
        "What is a container?",
        "åäö 北京 🦙 \u202e\u0000",
        "she said \"no\", 'no' and \\no\\",
        "line\nline\r\n\ttab\n\n",
        "<b>bold</b> &amp; <script>alert(1)</script>",
        "data: [DONE]\n\n",
    ],
)
async def test_any_prompt_is_answered_as_a_stream(models, endpoints, replicas, tiny, prompt):
    endpoints.admit(replicas[0], tiny.url)
    parts = [p async for p in models.ask("tiny", question(prompt), max_tokens=40, temperature=0.3)]
    answer = parts[-1]
    assert isinstance(answer, Answer)
    assert isinstance(parts[0], Piece)
    assert (answer.completion_tokens, answer.finish_reason) == (40, "length")
    assert answer.prompt_tokens > 0
    assert answer.tokens_per_second > 1
    assert 0 < answer.first_token < 10


async def test_a_conversation_has_its_turns(session, tiny):
    turns = (Turn("system", "Be brief."), Turn("user", "Hi"), Turn("assistant", "Hello."))

    async def tokens(count):
        request = ChatRequest("tiny", (*turns[:count], Turn("user", "Why?")), max_tokens=4)
        parts = [p async for p in stream_chat(session, tiny.url, request, Timeouts())]
        assert isinstance(parts[-1], Usage)
        return parts[-1].tokens.prompt_tokens

    assert await tokens(0) < await tokens(1) < await tokens(3)


async def test_many_answers_run_side_by_side(models, endpoints, replicas, tiny):
    endpoints.admit(replicas[0], tiny.url)

    async def ask():
        return [part async for part in models.ask("tiny", question("Hi"), max_tokens=20)][-1]

    answers = await asyncio.gather(*(ask() for _ in range(12)))
    assert [answer.completion_tokens for answer in answers] == [20] * 12
    assert endpoints.of("tiny")[0].in_flight == 0


async def test_a_prompt_over_the_context_is_refused_in_numbers(models, endpoints, replicas, tiny):
    endpoints.admit(replicas[0], tiny.url)
    with pytest.raises(Refused, match=r"the prompt is \d{4,} tokens, this model holds \d{3,}"):
        await anext(models.ask("tiny", question("word " * 5000)))


async def test_a_server_killed_in_mid_answer_leaves_what_it_said(
    models, endpoints, replicas, llama
):
    server = llama()
    endpoints.admit(replicas[0], server.url)
    parts = models.ask("tiny", question("Hi"), max_tokens=LONG)
    first = await anext(parts)
    server.kill()
    with pytest.raises(Broken, match="the answer was cut off") as caught:
        await _rest(parts)
    assert caught.value.said.startswith(first.text)
    assert endpoints.of("tiny")[0].in_flight == 0


async def test_a_frozen_server_is_passed_over_once_its_time_is_up(
    models, endpoints, replicas, llama, tiny
):
    frozen = llama()
    frozen.freeze()
    endpoints.admit(replicas[0], frozen.url)
    endpoints.admit(replicas[1], tiny.url)
    with endpoints.lease(replicas[1]):
        parts = [part async for part in models.ask("tiny", question("Hi"), max_tokens=8)]
    assert {part.replica for part in parts} == {replicas[1]}
    assert parts[-1].first_token >= 2.0


async def test_a_dead_replica_is_never_noticed(models, endpoints, replicas, llama, tiny):
    dead = llama()
    endpoints.admit(replicas[0], dead.url)
    endpoints.admit(replicas[1], tiny.url)
    dead.kill()
    for _ in range(12):
        parts = [part async for part in models.ask("tiny", question("Hi"), max_tokens=8)]
        assert parts[-1].replica == replicas[1]


async def test_leaving_stops_the_model(models, endpoints, replicas, llama, session):
    server = llama()
    endpoints.admit(replicas[0], server.url)
    async for part in models.ask("tiny", question("Hi"), max_tokens=LONG):
        assert isinstance(part, Piece)
        break
    decoded = 0
    while busy := [slot for slot in await _slots(session, server.url) if slot["is_processing"]]:
        decoded = max(decoded, busy[0]["next_token"][0]["n_decoded"])
    assert decoded < LONG / 2


async def test_readiness_is_a_first_token(session, clock, llama):
    prober = Prober(session, clock, timeouts=Timeouts(connect=2.0, first_byte=1.0, idle=1.0))
    server = llama()
    first = await prober(server.url, "tiny")
    assert first is not None
    assert 0 < first.seconds < 5
    assert await prober(server.url, "other") is None
    measured = await prober.measure(server.url, "tiny")
    assert measured.tokens_per_second > 1
    server.freeze()
    assert await prober(server.url, "tiny") is None
    server.kill()
    assert await prober(server.url, "tiny") is None
    assert (await prober.measure(server.url, "tiny")).tokens_per_second is None


async def test_a_server_is_probed_from_before_it_exists_until_it_answers(
    session, clock, llama, nowhere
):
    prober = Prober(session, clock, timeouts=Timeouts(connect=2.0, first_byte=2.0, idle=2.0))
    assert await prober(nowhere, "tiny") is None
    starting = asyncio.create_task(asyncio.to_thread(llama, nowhere.rpartition(":")[2]))
    first = None
    async with asyncio.timeout(30.0):
        while first is None:
            first = await prober(nowhere, "tiny")
    assert (await starting).url == nowhere


async def _rest(parts):
    return [part async for part in parts]


async def _slots(session, url):
    async with session.get(f"{url}/slots") as response:
        return await response.json()
