"""What the Messages API refuses with, as OpenAI says it.

The types and statuses: https://platform.claude.com/docs/en/api/errors
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from inference.anthropic.reading import BadRequest
from inference.anthropic.wire import Failed, Problem
from inference.wire import error_body

_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""For errors in a stream, which has spent its status on 200."""

_OVERLOADED = 529
"""A status of Anthropic's own; elsewhere it is called 503."""

_LONGEST = 500
"""Characters of an error that are passed on."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error as it is to be answered."""

    status: int
    body: Mapping[str, Any]
    """`{"error": {"message", "type", "param", "code"}}`"""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What goes with it: how long to wait, where that was told."""


def error_answer(
    status: int, body: str | bytes, headers: Mapping[str, str] | None = None
) -> ErrorAnswer:
    """An answer of the API that is not 200. `headers` are looked up in any case of letters."""
    kept = {name.lower(): value for name, value in (headers or {}).items()}
    waits = {"Retry-After": kept["retry-after"]} if "retry-after" in kept else {}
    return _answer(status, _problem(body), waits)


def stream_error(problem: Problem) -> ErrorAnswer:
    """An error in the middle of a stream, with the status that it would have had before it."""
    return _answer(_STATUSES.get(problem.type, 500), problem, {})


def refused_request(error: BadRequest) -> ErrorAnswer:
    """A request that was not sent, since it cannot be said."""
    return ErrorAnswer(
        400, error_body(error.summary, "invalid_request_error", param=error.where or None)
    )


def _answer(status: int, problem: Problem, headers: Mapping[str, str]) -> ErrorAnswer:
    told = 503 if status == _OVERLOADED else status
    kind = problem.type or ("invalid_request_error" if status < 500 else "api_error")
    said = " ".join(problem.message.split())[:_LONGEST]
    words = f"Anthropic answered {status}: {said}" if said else f"Anthropic answered {status}"
    if status == 401:
        words = f"Anthropic refused the gateway's own key: {said}"
    return ErrorAnswer(told, error_body(words, kind, _code(said, kind)), headers)


def _code(said: str, kind: str) -> str | None:
    """The code that clients of OpenAI know to act on."""
    if said.startswith("prompt is too long"):
        return "context_length_exceeded"
    return "rate_limit_exceeded" if kind == "rate_limit_error" else None


def _problem(body: str | bytes) -> Problem:
    """What a body says; pages of proxies on the way are not repeated."""
    try:
        return Failed.model_validate_json(body).error
    except ValidationError:
        return Problem()
