"""OpenAI's API as bytes, from the server's side. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

Headers = tuple[tuple[str, str], ...]

DONE = b"data: [DONE]\n\n"
HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1>nginx</body></html>"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server says it took, true or not."""

    prompt_tokens: int
    completion_tokens: int

    def told(self) -> dict[str, int]:
        """As in chat and completions."""
        total = self.prompt_tokens + self.completion_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": total,
        }

    def told_of_a_response(self) -> dict[str, Any]:
        """As in the Responses API."""
        return {
            "input_tokens": self.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": self.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model wants called."""

    name: str
    arguments: str
    """JSON."""


def head(status: int, *headers: tuple[str, str]) -> bytes:
    """The start line and the headers."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{n}: {v}" for n, v in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body; of nothing, its end."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(told: Any, kind: str = "") -> bytes:
    """One server-sent event."""
    name = f"event: {kind}\n" if kind else ""
    return f"{name}data: {compact(told)}\n\n".encode()


def compact(told: Any) -> str:
    """As llama.cpp writes JSON: no spaces, UTF-8 as it is."""
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def models(names: Iterable[str]) -> dict[str, Any]:
    """The answer to `/v1/models`."""
    data = [{"id": n, "object": "model", "created": 1, "owned_by": "scripted"} for n in names]
    return {"object": "list", "data": data}


def problem(status: int, message: str, flavour: str) -> tuple[str, bytes]:
    """The content type and the body of an error, as one server or another words it."""
    if flavour == "html":
        return "text/html", HTML
    told: Mapping[str, Any] = {
        "openai": {"error": {"message": message, "type": "error", "param": None, "code": None}},
        "llama.cpp": {"error": {"code": status, "message": message, "type": "unavailable_error"}},
        "vllm": {"error": {"message": message, "type": "Error", "param": None, "code": status}},
        "vllm-0.9": {"object": "error", "message": message, "type": "Error", "code": status},
        "string": {"error": message},
        "empty": {},
    }[flavour]
    return "application/json", compact(told).encode() if told else b""
