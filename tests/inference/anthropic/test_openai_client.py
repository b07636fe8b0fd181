"""The official client of OpenAI reads what comes out. It is handed the bytes without a network."""

import json
from pathlib import Path

import httpx2
import openai
import pytest

from inference.anthropic.errors import error_answer
from inference.anthropic.events import Translator
from inference.sse import EventParser

RECORDED = Path(__file__).parent / "recorded"


def client(status, body, kind):
    answer = httpx2.Response(status, content=body, headers={"content-type": kind})
    transport = httpx2.MockTransport(lambda request: answer)
    return openai.OpenAI(
        api_key="k",
        base_url="http://gateway/v1",
        max_retries=0,
        http_client=httpx2.Client(transport=transport),
    )


def streamed(name):
    translator = Translator(created=1, include_usage=True)
    events = EventParser().feed((RECORDED / f"streams/{name}.sse").read_bytes())
    body = b"".join(chunk for event in events for chunk in translator.feed(event))
    with client(200, body, "text/event-stream") as asked:
        yield from asked.chat.completions.create(
            model="claude", messages=[{"role": "user", "content": "Hello."}], stream=True
        )


def test_a_stream_with_thoughts_and_tools_comes_together_again():
    chunks = list(streamed("tools"))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    calls: dict[int, list[str]] = {}
    for call in (call for delta in deltas for call in delta.tool_calls or []):
        calls.setdefault(call.index, []).append(call.function.arguments)
    arguments = [json.loads("".join(pieces)) for pieces in calls.values()]
    assert arguments == [{"city": "Åmål"}, {}, {"city": "Lund"}]
    assert "".join(delta.content or "" for delta in deltas) == "Okay, I'll look."
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 100


def test_an_error_in_the_stream_is_raised_after_the_words_before_it():
    chunks = streamed("overloaded")
    assert [next(chunks).choices[0].delta.content for _ in range(2)] == ["", "Half of"]
    with pytest.raises(openai.APIError, match="Anthropic answered 529: Overloaded"):
        next(chunks)


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (529, openai.InternalServerError),
    ],
)
def test_errors_are_of_the_kind_that_the_client_knows(status, raised):
    body = {"type": "error", "error": {"type": "some_error", "message": "It says why."}}
    answer = error_answer(status, json.dumps(body))
    asked = client(answer.status, json.dumps(answer.body), "application/json")
    with asked, pytest.raises(raised, match="It says why"):
        asked.chat.completions.create(model="claude", messages=[])
