"""What OpenAI asks, said to Messages: pairs in recorded/requests, compared whole."""

import json
from copy import deepcopy
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.anthropic.reading import BadRequest
from inference.anthropic.requests import messages_body

RECORDED = sorted((Path(__file__).parent / "recorded/requests").glob("*.json"))


def asked(**fields):
    body = {"model": "claude", "messages": [{"role": "user", "content": "Hello."}], **fields}
    return messages_body(body)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_request_is_said_in_the_words_of_messages(path):
    pair = json.loads(path.read_text())
    before = deepcopy(pair["openai"])
    assert messages_body(pair["openai"]) == pair["anthropic"]
    assert pair["openai"] == before


def test_whoever_says_no_limit_gets_the_backends():
    body = {"model": "claude", "messages": [{"role": "user", "content": "Hello."}]}
    assert messages_body(body, default_max_tokens=32000)["max_tokens"] == 32000
    assert messages_body({**body, "max_tokens": 7}, default_max_tokens=32000)["max_tokens"] == 7


def test_newer_models_are_asked_without_sampling():
    wishes = {"temperature": 0.5, "top_p": 0.9, "top_k": 40}
    body = {"model": "claude", "messages": [{"role": "user", "content": "Hello."}], **wishes}
    assert messages_body(body, sampling=False).keys().isdisjoint(wishes)
    assert messages_body(body).keys() & wishes.keys() == {"temperature", "top_k"}


@pytest.mark.parametrize(("openai", "anthropic"), [(0, 0), (0.3, 0.3), (1, 1), (1.01, 1), (2, 1)])
def test_temperature_ends_at_one(openai, anthropic):
    assert asked(temperature=openai)["temperature"] == anthropic


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "clock"}}, {"type": "tool", "name": "clock"}),
        (None, None),
    ],
)
def test_a_choice_of_tools_is_kept(choice, said):
    tools = [{"type": "function", "function": {"name": "clock"}}]
    assert asked(tools=tools, tool_choice=choice).get("tool_choice") == said


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", {"type": "any", "disable_parallel_tool_use": True}),
        ("none", {"type": "none"}),
    ],
)
def test_one_tool_at_a_time_is_part_of_the_choice(choice, said):
    tools = [{"type": "function", "function": {"name": "clock"}}]
    body = asked(tools=tools, tool_choice=choice, parallel_tool_calls=False)
    assert body["tool_choice"] == said


def test_choices_among_no_tools_are_left_out():
    body = asked(tools=[], tool_choice="auto", parallel_tool_calls=False)
    assert body.keys() == {"model", "max_tokens", "messages"}


def test_no_stops_at_all_are_left_out():
    assert "stop_sequences" not in asked(stop=[])
    assert "stop_sequences" not in asked(stop=None)


WORDS = [
    "system user assistant tool function text image_url refusal auto none required",
    "data:image/png;base64,aGk= https://a.b/c.png json_schema json_object {} {",
]
NAMES = (
    "model messages role content type text image_url url refusal tool_calls id function name "
    "arguments tool_call_id tools tool_choice functions function_call parameters strict n "
    "parallel_tool_calls max_tokens stop temperature top_p response_format json_schema schema "
    "user stream thinking"
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 5),
    st.floats(),
    st.sampled_from(" ".join(WORDS).split()),
    st.text(max_size=3),
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=4)
    ),
    max_leaves=12,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user", "assistant", "tool"]),
            "content": st.text(max_size=3) | ANYTHING,
        },
        optional={"tool_call_id": st.text(max_size=2), "tool_calls": ANYTHING},
    ),
    max_size=5,
)


@given(
    wishes=st.dictionaries(st.sampled_from(NAMES.split()), ANYTHING, max_size=4),
    messages=MESSAGES | ANYTHING,
)
def test_whatever_is_asked_is_said_in_turns_or_refused(wishes, messages):
    try:
        body = messages_body({"model": "claude", **wishes, "messages": messages})
    except BadRequest:
        return
    turns = body["messages"]
    assert turns
    assert all(turn["content"] for turn in turns)
    assert all(one["role"] != other["role"] for one, other in pairwise(turns))
    assert body["max_tokens"] >= 1
