"""Streams: recorded/streams/*.sse and the chunks they come to, compared whole."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from inference.anthropic.events import DONE, Translator
from inference.sse import Event, EventParser

RECORDED = sorted((Path(__file__).parent / "recorded/streams").glob("*.sse"))
CREATED = 1_700_000_000


def begin():
    message = {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 5, "output_tokens": 1}}
    return Event(json.dumps({"type": "message_start", "message": message}), "message_start")


def event(kind, **fields):
    return Event(json.dumps({"type": kind, **fields}), kind)


def sent(*pieces, include_usage=True):
    parser, translator = EventParser(), Translator(created=CREATED, include_usage=include_usage)
    return b"".join(
        chunk
        for piece in pieces
        for event in parser.feed(piece)
        for chunk in translator.feed(event)
    )


def chunks(stream):
    """What a client reads."""
    found = [event.data for event in EventParser().feed(stream)]
    return [data if data == "[DONE]" else json.loads(data) for data in found]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_stream_is_told_in_chunks(path):
    expected = json.loads(path.with_suffix(".chunks.json").read_text())
    told = chunks(sent(path.read_bytes()))
    assert told == expected
    for chunk in told:
        if "choices" in chunk:
            ChatCompletionChunk.model_validate(chunk)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_usage_is_told_only_to_who_asks(path):
    told = chunks(sent(path.read_bytes(), include_usage=False))
    expected = json.loads(path.with_suffix(".chunks.json").read_text())
    assert told == [chunk for chunk in expected if "usage" not in chunk]


@given(
    path=st.sampled_from(RECORDED),
    ending=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    cuts=st.lists(st.integers(0, 4000), max_size=8),
)
def test_a_stream_is_told_alike_however_it_is_cut(path, ending, cuts):
    stream = path.read_bytes().replace(b"\n", ending)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert sent(*pieces) == sent(path.read_bytes())


@given(cut=st.integers(0, 4000), path=st.sampled_from(RECORDED))
def test_a_stream_that_breaks_off_never_looks_whole(cut, path):
    whole = path.read_bytes()
    translator, parser = Translator(created=CREATED), EventParser()
    stream = whole[: min(cut, len(whole) - 2)]
    told = b"".join(c for event in parser.feed(stream) for c in translator.feed(event))
    assert sent(whole, include_usage=False).startswith(told)
    assert not translator.ended
    assert DONE not in told


def test_who_began_is_no_word_of_the_answer():
    translator = Translator(created=CREATED)
    translator.feed(begin())
    translator.feed(event("ping"))
    translator.feed(
        event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    )
    assert not translator.spoke
    delta = {"type": "text_delta", "text": "A"}
    translator.feed(event("content_block_delta", index=0, delta=delta))
    assert translator.spoke


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}},
        {"type": "thinking", "thinking": "Hm."},
    ],
)
def test_calls_and_thoughts_are_words_of_the_answer(block):
    translator = Translator(created=CREATED)
    translator.feed(begin())
    translator.feed(event("content_block_start", index=0, content_block=block))
    assert translator.spoke


def test_tokens_can_be_looked_up_whoever_asked_for_them():
    translator = Translator(created=CREATED)
    assert translator.usage["total_tokens"] == 0
    translator.feed(begin())
    assert (translator.usage["prompt_tokens"], translator.usage["completion_tokens"]) == (5, 1)
    translator.feed(
        event("message_delta", delta={"stop_reason": "max_tokens"}, usage={"output_tokens": 9})
    )
    assert (translator.usage["prompt_tokens"], translator.usage["completion_tokens"]) == (5, 9)


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, 503),
        ({"type": "api_error", "message": "Internal server error"}, 500),
        ({"type": "rate_limit_error", "message": "Slow down"}, 429),
        ({"type": "timeout_error", "message": "Too long"}, 504),
        ({"type": "an error of tomorrow", "message": "?"}, 500),
        ({}, 500),
    ],
)
def test_an_error_before_any_word_can_be_told_by_its_status(problem, status):
    translator = Translator(created=CREATED)
    told = translator.feed(event("error", error=problem))
    assert translator.ended
    assert not translator.spoke
    assert translator.failure.status == status
    assert chunks(b"".join(told)) == [translator.failure.body]


def test_an_error_that_is_no_json_is_told_in_its_own_words():
    translator = Translator(created=CREATED)
    (told,) = translator.feed(Event("upstream\nwent away", "error"))
    assert chunks(told)[0]["error"]["message"] == "Anthropic answered 500: upstream went away"


def test_nothing_is_told_after_the_end():
    translator = Translator(created=CREATED)
    told = [*translator.feed(begin()), *translator.feed(event("message_stop"))]
    assert told[-1] == DONE
    assert translator.feed(event("message_stop")) == []
    assert translator.feed(Event("no JSON")) == []


def test_half_a_surrogate_pair_can_be_sent():
    translator = Translator(created=CREATED)
    translator.feed(begin())
    delta = {"type": "text_delta", "text": "\ud83e"}
    (told,) = translator.feed(event("content_block_delta", index=0, delta=delta))
    assert chunks(told)[0]["choices"][0]["delta"]["content"] == "\ud83e"


@pytest.mark.parametrize(
    "events",
    [
        [Event("")],
        [Event("[DONE]")],
        [Event("[]")],
        [Event('{"type": 7}')],
        [Event('{"id": "chatcmpl-1", "choices": []}')],
        [Event("[" * 100_000)],
        [begin(), begin()],
        [event("message_stop")],
        [event("message_start", message={"id": 7})],
        [event("content_block_delta", index=0, delta={"type": "text_delta", "text": "A"})],
        [begin(), event("content_block_delta", index=0, delta={"text": 7})],
        [begin(), event("content_block_start", index="first", content_block={"type": "text"})],
    ],
)
def test_what_is_no_stream_of_messages_is_refused(events):
    translator = Translator(created=CREATED)
    for one in events[:-1]:
        translator.feed(one)
    with pytest.raises(ValueError, match=r"the stream|a stream|validation error"):
        translator.feed(events[-1])
