import json

import pytest

from domain.errors import Refused, Unreachable
from inference.sse import Event
from inference.wire import Listing, Tokens, read_chunk, rejection


def chunk(**fields):
    return read_chunk(Event(json.dumps(fields)))


def test_the_first_chunk_tells_only_the_role():
    first = chunk(
        choices=[{"delta": {"role": "assistant", "content": None}, "finish_reason": None}]
    )
    assert (first.text, first.finish_reason, first.produced) == ("", None, False)


def test_thoughts_are_life_but_no_words():
    thought = chunk(choices=[{"delta": {"reasoning_content": "Hm."}}])
    assert (thought.text, thought.produced) == ("", True)


def test_usage_comes_with_no_choices():
    usage = {"prompt_tokens": 6, "completion_tokens": 5, "total_tokens": 11}
    assert chunk(choices=[], usage=usage).usage == Tokens(prompt_tokens=6, completion_tokens=5)
    assert chunk(choices=[], usage=None).usage is None


@pytest.mark.parametrize("data", ["", "{", "[]", "null", '{"choices": [{"delta": 7}]}'])
def test_what_is_no_chunk_is_refused(data):
    with pytest.raises(ValueError, match="validation error"):
        read_chunk(Event(data))


@pytest.mark.parametrize(
    ("event", "kind", "words"),
    [
        (Event('{"error": {"code": 500, "message": "slot lost"}}'), Unreachable, "slot lost"),
        (Event('{"error": {"code": 400, "message": "bad grammar"}}'), Refused, "bad grammar"),
        (Event('{"error": {"code": "oops", "message": "odd"}}'), Unreachable, "odd"),
        (Event('{"error": "out of memory"}'), Unreachable, "out of memory"),
        (Event("out of\nmemory", "error"), Unreachable, "out of memory"),
    ],
)
def test_an_error_in_the_stream_is_raised_in_its_own_words(event, kind, words):
    with pytest.raises(kind, match=words):
        read_chunk(event)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_what_may_pass_is_unreachable(status):
    assert isinstance(rejection(status, ""), Unreachable)


@pytest.mark.parametrize("status", [302, 400, 401, 404, 422])
def test_a_clear_no_is_refused(status):
    assert isinstance(rejection(status, ""), Refused)


def test_a_prompt_over_the_context_is_told_in_numbers():
    body = {"code": 400, "message": "...", "n_prompt_tokens": 20004, "n_ctx": 512}
    error = rejection(400, json.dumps({"error": body}))
    assert error.summary == "the prompt is 20004 tokens, this model holds 512"
    assert "--ctx" in error.hint


def test_a_web_page_is_not_repeated_to_people():
    assert rejection(404, "<!DOCTYPE html><HTML>...").summary.endswith("404 without a word")


def test_long_words_are_cut_and_put_on_one_line():
    summary = rejection(400, "a\n\n" + "b" * 5000).summary
    assert "a bbb" in summary
    assert len(summary) < 300


def test_a_model_is_listed_under_all_its_names():
    listing = Listing.model_validate({"data": [{"id": "a", "aliases": ["b"]}, {"id": "c"}]})
    assert listing.names == {"a", "b", "c"}
