"""Where the API is called, and which models it lists."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from inference.anthropic.calls import messages_call, models_call
from inference.anthropic.models import Page, read_models

KEY = SecretStr("sk-ant-api03-secret")


def test_a_call_carries_the_key_and_the_version():
    call = messages_call(KEY, stream=True)
    assert call.path == "/v1/messages"
    assert call.headers == {
        "x-api-key": "sk-ant-api03-secret",
        "anthropic-version": "2023-06-01",
        "accept": "text/event-stream",
        "content-type": "application/json",
    }
    assert messages_call(KEY, stream=False).headers["accept"] == "application/json"


def test_the_key_is_not_shown_by_accident():
    assert "secret" not in repr(messages_call(KEY, stream=False))


def test_models_are_asked_for_by_the_page():
    assert models_call(KEY).path == "/v1/models?limit=1000"
    assert models_call(KEY, after="a&b").path == "/v1/models?limit=1000&after_id=a%26b"
    assert models_call(KEY).headers["x-api-key"] == "sk-ant-api03-secret"


def test_models_that_still_answer_are_listed():
    listing = (Path(__file__).parent / "recorded/models.json").read_bytes()
    names = ("claude-opus-5-5", "claude-sonnet-4-5-20250929", "claude-3-haiku-20240307")
    assert read_models(listing) == Page(names, after="claude-3-haiku-20240307")


def test_the_last_page_says_so():
    last = '{"data": [], "has_more": false, "first_id": null, "last_id": null}'
    assert read_models(last) == Page((), after=None)
    last = '{"data": [{"id": "a"}], "has_more": false, "first_id": "a", "last_id": "a"}'
    assert read_models(last) == Page(("a",), after=None)


@pytest.mark.parametrize("answer", ["", "[]", "{}", '{"data": [{}]}', '{"data": null}'])
def test_what_is_no_listing_is_refused(answer):
    with pytest.raises(ValueError, match="validation error"):
        read_models(answer)
