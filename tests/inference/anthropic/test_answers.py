"""Whole answers: pairs in recorded/answers, compared whole."""

import json
from pathlib import Path

import pytest
from openai.types.chat import ChatCompletion

from inference.anthropic.answers import completion

RECORDED = sorted((Path(__file__).parent / "recorded/answers").glob("*.json"))


def answered(**fields):
    message = {"id": "msg_1", "model": "claude", "content": [], **fields}
    return completion(json.dumps(message), created=1)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_an_answer_is_a_chat_completion(path):
    pair = json.loads(path.read_text())
    answer = completion(json.dumps(pair["anthropic"]), created=1_700_000_000)
    assert answer == pair["openai"]
    ChatCompletion.model_validate(answer)


@pytest.mark.parametrize(
    ("stopped", "finished"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("a reason of tomorrow", "stop"),
        (None, "stop"),
    ],
)
def test_every_end_has_a_word_that_clients_know(stopped, finished):
    answer = answered(stop_reason=stopped)
    assert answer["choices"][0]["finish_reason"] == finished
    ChatCompletion.model_validate(answer)


def test_an_empty_answer_is_no_text_at_all():
    assert answered()["choices"][0]["message"]["content"] is None
    empty = [{"type": "text", "text": ""}]
    assert answered(content=empty)["choices"][0]["message"]["content"] == ""


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "[]",
        "<html>",
        '{"type": "message"}',
        '{"type": "error", "error": {"type": "api_error", "message": "Internal server error"}}',
        '{"id": "m", "model": "c", "content": [7]}',
        '{"id": "m", "model": "c", "content": [{"type": "text", "text": 7}]}',
    ],
)
def test_what_is_no_answer_is_refused(answer):
    with pytest.raises(ValueError, match="validation error"):
        completion(answer, created=1)
