"""Errors of the API, told as OpenAI tells them: recorded/errors.json."""

import json
from pathlib import Path

import pytest

from inference.anthropic.errors import error_answer

RECORDED = json.loads((Path(__file__).parent / "recorded/errors.json").read_text())


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["error"]["message"][:40])
def test_an_error_keeps_its_words_and_gets_a_status_that_is_known(case):
    answer = error_answer(case["status"], json.dumps(case["body"]))
    assert answer.status == case["told"]
    assert answer.body == {"error": case["error"]}
    assert answer.headers == {}


@pytest.mark.parametrize("name", ["retry-after", "Retry-After"])
def test_how_long_to_wait_is_passed_on(name):
    headers = {"request-id": "req_1", name: "30", "anthropic-organization-id": "secret"}
    assert error_answer(429, "{}", headers).headers == {"Retry-After": "30"}


@pytest.mark.parametrize(
    "body", ["", "<html><h1>502 Bad Gateway</h1>", '{"error": "no"}', '{"error": {}}', b"\xff"]
)
def test_a_page_of_a_proxy_is_not_repeated(body):
    error = error_answer(502, body).body["error"]
    assert (error["message"], error["type"]) == ("Anthropic answered 502", "api_error")
    assert error_answer(418, body).body["error"]["type"] == "invalid_request_error"


def test_long_words_are_cut():
    body = {"error": {"type": "invalid_request_error", "message": "a " * 5000}}
    assert len(error_answer(400, json.dumps(body)).body["error"]["message"]) < 600
