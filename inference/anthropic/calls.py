"""Where the Messages API is called, and what it wants to be told beside the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

VERSION = "2023-06-01"
"""The form of requests and answers that is spoken here."""


@dataclass(frozen=True, slots=True)
class Call:
    """A path below the backend's URL, and the headers to go with it."""

    path: str
    headers: Mapping[str, str] = field(repr=False)
    """The key is among them, so they show up in no log."""


def messages_call(key: SecretStr, *, stream: bool) -> Call:
    """How an answer is asked for, whole or as events."""
    accept = "text/event-stream" if stream else "application/json"
    return Call("/v1/messages", {**_headers(key, accept), "content-type": "application/json"})


def _headers(key: SecretStr, accept: str) -> dict[str, str]:
    return {"x-api-key": key.get_secret_value(), "anthropic-version": VERSION, "accept": accept}
