"""Where the API is called."""

from pydantic import SecretStr

from inference.anthropic.calls import messages_call

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
