"""What cannot be asked, and in which words that is said."""

import pytest

from domain.errors import RequestError
from inference.anthropic.errors import refused_request
from inference.anthropic.reading import BadRequest, Untranslatable
from inference.anthropic.requests import messages_body


def asked(**fields):
    body = {"model": "claude", "messages": [{"role": "user", "content": "Hello."}], **fields}
    return messages_body({name: value for name, value in body.items() if value != "LEFT OUT"})


def said(*parts):
    return [{"role": "user", "content": list(parts)}]


def image(url):
    return said({"type": "image_url", "image_url": {"url": url}})


def called(**call):
    return [{"role": "user", "content": "Hi."}, {"role": "assistant", "tool_calls": [call]}]


HALF = {"role": "user", "content": "Hello."}

WRONG = [
    ({"model": "LEFT OUT"}, "model: is missing"),
    ({"model": 7}, "model: must be a string"),
    ({"messages": "LEFT OUT"}, "messages: is missing"),
    ({"messages": "Hello."}, "messages: must be a list"),
    ({"messages": []}, "messages: nobody says anything"),
    ({"messages": [{"role": "system", "content": "Hi."}]}, "messages: nobody says anything"),
    ({"messages": [{"role": "user", "content": " \n"}]}, "messages: nobody says anything"),
    ({"messages": [HALF, "Hello."]}, "messages.1: must be an object"),
    ({"messages": [{"content": "Hello."}]}, "messages.0.role: is missing"),
    ({"messages": [HALF, {"role": "user"}]}, "messages.1.content: is missing"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content: must be a list"),
    (
        {"messages": [{"role": "narrator", "content": "Hm."}]},
        "messages.0: has the role 'narrator'; there are system, user, assistant and tool",
    ),
    ({"messages": said("Hello.")}, "messages.0.content.0: must be an object"),
    ({"messages": said({"type": "text"})}, "messages.0.content.0.text: is missing"),
    (
        {"messages": image("http://10.0.0.1/a.png")},
        "messages.0.content.0.image_url.url: must be an https: or data: URL",
    ),
    (
        {"messages": image("file:///etc/passwd")},
        "messages.0.content.0.image_url.url: must be an https: or data: URL",
    ),
    (
        {"messages": image("data:image/png,%89PNG")},
        "messages.0.content.0.image_url.url: must be a data: URL in base64: "
        "`data:image/png;base64,...`",
    ),
    (
        {"messages": image("data:image/png;base64,aG k=")},
        "messages.0.content.0.image_url.url: does not hold an image in base64",
    ),
    (
        {"messages": image("data:image/png;base64,")},
        "messages.0.content.0.image_url.url: does not hold an image in base64",
    ),
    ({"messages": called(function={"name": "clock"})}, "messages.1.tool_calls.0.id: is missing"),
    (
        {"messages": called(id="a", function={"name": "clock", "arguments": '{"a": '})},
        "messages.1.tool_calls.0.function.arguments: must be a JSON object, written as a string",
    ),
    (
        {"messages": called(id="a", function={"name": "clock", "arguments": "[" * 100_000})},
        "messages.1.tool_calls.0.function.arguments: must be a JSON object, written as a string",
    ),
    (
        {"messages": [HALF, {"role": "tool", "content": "4 °C"}]},
        "messages.1.tool_call_id: is missing",
    ),
    ({"max_tokens": 0}, "max_tokens: must be a whole number from 1 on"),
    ({"max_completion_tokens": True}, "max_completion_tokens: must be a whole number from 1 on"),
    ({"n": 1.5}, "n: must be a whole number from 1 on"),
    ({"temperature": 2.1}, "temperature: must be a number from 0 to 2"),
    ({"temperature": "hot"}, "temperature: must be a number from 0 to 2"),
    ({"temperature": float("nan")}, "temperature: must be a number from 0 to 2"),
    ({"top_p": -1}, "top_p: must be a number from 0 to 1"),
    ({"stop": [7]}, "stop.0: must be a string"),
    ({"stream": "yes"}, "stream: must be true or false"),
    ({"user": 7}, "user: must be a string"),
    ({"tools": [{"type": "function"}]}, "tools.0.function: is missing"),
    (
        {"tools": [{"type": "function", "function": {"name": "a", "parameters": []}}]},
        "tools.0.function.parameters: must be an object",
    ),
    ({"tool_choice": "required"}, "tool_choice: asks for a tool to be called, but there are none"),
    (
        {"tool_choice": "maybe"},
        "tool_choice: must be auto, none, required or a named function",
    ),
    (
        {"response_format": {"type": "json_schema"}},
        "response_format.json_schema: is missing",
    ),
]

UNSAYABLE = [
    ({"n": 2}, "n: Anthropic gives one answer to a request; ask several times"),
    ({"logprobs": True}, "logprobs: Anthropic tells no probabilities of tokens"),
    (
        {"logit_bias": {"50256": -100}},
        "logit_bias: Anthropic takes no bias on tokens, and its tokens are others",
    ),
    ({"modalities": ["text", "audio"]}, "modalities: Anthropic answers in text only"),
    (
        {"web_search_options": {}},
        "web_search_options: searching the web cannot be asked of Anthropic here",
    ),
    (
        {"response_format": {"type": "json_object"}},
        "response_format.type: Anthropic writes JSON to a schema only; use json_schema, or a tool",
    ),
    ({"stop": ["END", "\n"]}, "stop.1: Anthropic does not stop at white space alone"),
    (
        {"messages": said({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}})},
        "messages.0.content.0: a part of type 'input_audio' cannot be said to Anthropic here",
    ),
    (
        {"messages": [{"role": "system", "content": image("https://a.b/c")[0]["content"]}, HALF]},
        "messages.0.content.0: a part of type 'image_url' cannot be said to Anthropic here",
    ),
    (
        {"messages": image("data:image/svg+xml;base64,PHN2Zz4=")},
        "messages.0.content.0.image_url.url: is image/svg+xml; Anthropic reads image/gif, "
        "image/jpeg, image/png, image/webp",
    ),
    (
        {"messages": [HALF, {"role": "function", "name": "clock", "content": "12:00"}]},
        "messages.1: function results have no id here; send role `tool` instead",
    ),
    (
        {"messages": [HALF, {"role": "assistant", "function_call": {"name": "clock"}}]},
        "messages.1: function_call has no id here; send `tool_calls` instead",
    ),
    (
        {"tools": [{"type": "custom", "custom": {"name": "sql"}}]},
        "tools.0.type: is 'custom'; only functions can be said to Anthropic here",
    ),
    (
        {
            "tools": [{"type": "function", "function": {"name": "a"}}],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {}},
        },
        "tool_choice: a choice of type 'allowed_tools' cannot be said to Anthropic here",
    ),
]


@pytest.mark.parametrize(("fields", "words"), WRONG)
def test_what_is_wrong_is_told_with_its_place(fields, words):
    with pytest.raises(BadRequest) as told:
        asked(**fields)
    assert told.value.summary == words
    assert not isinstance(told.value, Untranslatable)


@pytest.mark.parametrize(("fields", "words"), UNSAYABLE)
def test_what_another_backend_may_do_is_refused_apart(fields, words):
    with pytest.raises(Untranslatable) as told:
        asked(**fields)
    assert told.value.summary == words


def test_a_refused_request_is_a_400_that_names_the_parameter():
    with pytest.raises(RequestError) as told:
        asked(n=2)
    answer = refused_request(told.value)
    assert answer.status == 400
    assert answer.body["error"] == {
        "message": "n: Anthropic gives one answer to a request; ask several times",
        "type": "invalid_request_error",
        "param": "n",
        "code": None,
    }
