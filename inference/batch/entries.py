"""What is written down of each request of a batch: a line of OpenAI's output format. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inference.batch.lines import Line
from inference.gateway.misses import Whole

LONGEST = 4_000_000
"""Characters of one entry, and bytes of what came back; what is longer counts as failed."""

UNASKED = "batch_ended"
"""The code of a request that was not asked, since the batch ended before it was its turn."""

_SHOWN = 200
"""Characters of what went wrong."""

Masked = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Entry:
    """How one request came out."""

    line: Line
    text: str
    """JSON in one line, of ASCII: neither database nor programs find anything odd in it."""
    failure: str | None = None
    """What went wrong, for people, where it did."""


def answered(batch: str, line: Line, whole: Whole, masked: Masked) -> Entry:
    """The entry for what came back, be it an answer or an error.

    The secrets in the texts of it are masked, each for itself, so that it stays JSON.
    """
    if len(whole.body) > LONGEST:
        return _too_large(batch, line)
    try:
        body = json.loads(whole.body, parse_constant=_no_constant)
        if whole.status == 200 and not isinstance(body, dict):
            raise ValueError("no object")
        body = _discreet(body, masked)
        error = None if whole.status == 200 else _error_in(body, whole.status)
        response = {
            "status_code": whole.status,
            "request_id": _request_id(whole),
            "body": body,
        }
        entry = _entry(batch, line, response, error)
    except (ValueError, RecursionError):
        message = f"what it sent is no JSON (HTTP {whole.status})"
        return unanswered(batch, line, "invalid_answer", message)
    return entry if len(entry.text) <= LONGEST else _too_large(batch, line)


def unanswered(batch: str, line: Line, code: str, message: str) -> Entry:
    """The entry for a request that nothing came back for."""
    return _entry(batch, line, None, {"code": code, "message": message})


def _entry(
    batch: str, line: Line, response: dict[str, Any] | None, error: dict[str, str] | None
) -> Entry:
    told = {
        "id": f"batch_req_{batch}_{line.number}",
        "custom_id": line.custom_id,
        "response": response,
        "error": error,
    }
    text = json.dumps(told, separators=(",", ":"), allow_nan=False)
    return Entry(line, text, _kept(error["message"]) if error else None)


def _too_large(batch: str, line: Line) -> Entry:
    message = f"the answer has more than {LONGEST / 1e6:g} MB"
    return unanswered(batch, line, "answer_too_large", message)


def _error_in(body: Any, status: int) -> dict[str, str]:
    """OpenAI's error in a body, as a code and a message; other servers write others."""
    error = body.get("error", body) if isinstance(body, dict) else body
    told = error if isinstance(error, dict) else {"message": error}
    code, message = told.get("code") or told.get("type"), told.get("message")
    return {
        "code": str(code or status),
        "message": str(message) if isinstance(message, str) and message else f"HTTP {status}",
    }


def _kept(message: str) -> str:
    """What went wrong in one line that any database takes."""
    line = " ".join(message.split()).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return line.encode(errors="replace").decode()[:_SHOWN]


def _request_id(whole: Whole) -> str:
    headers = {name.lower(): value for name, value in whole.headers.items()}
    return headers.get("x-request-id", "")


def _discreet(value: Any, masked: Masked) -> Any:
    text = json.dumps(value)
    return value if masked(text) == text else _each(value, masked)


def _each(value: Any, masked: Masked) -> Any:
    match value:
        case str():
            return masked(value)
        case list():
            return [_each(each, masked) for each in value]
        case dict():
            return {name: _each(each, masked) for name, each in value.items()}
    return value


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")
