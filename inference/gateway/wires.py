"""How a request is put to a backend and its answer read back: OpenAI's way, or another's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from inference.endpoints import Endpoint
from inference.gateway.asked import Asked
from inference.gateway.misses import Whole

Translate = Callable[[bytes], bytes]
"""Bytes of a stream as they came -> those of OpenAI's stream that they complete."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a backend is sent."""

    path: str
    body: bytes
    headers: Mapping[str, str]


class Wire(Protocol):
    """One way to put a request."""

    def put(self, asked: Asked, model: str, endpoint: Endpoint, *, usage: bool) -> Outgoing:
        """The request as this kind of backend takes it. Raises Refused for what it cannot do."""
        ...

    def whole(self, answer: Whole) -> Whole:
        """An answer, good or bad, as OpenAI's clients take it."""
        ...

    def translate(self, asked: Asked) -> Translate | None:
        """What reads one stream; None where it is passed through as it comes."""
        ...


class OpenAi:
    """What almost every model server speaks: nothing is changed but the name of the model."""

    def put(self, asked: Asked, model: str, endpoint: Endpoint, *, usage: bool) -> Outgoing:
        """As it came, wherever it can stay so."""
        headers = {"Content-Type": "application/json"}
        if endpoint.manner.key is not None:
            headers["Authorization"] = f"Bearer {endpoint.manner.key.get_secret_value()}"
        return Outgoing(asked.path, asked.sent(model, usage=usage), headers)

    def whole(self, answer: Whole) -> Whole:
        """As it came."""
        return answer

    def translate(self, asked: Asked) -> Translate | None:
        """Nothing to do."""
        return None


OPENAI = OpenAi()


def wire_of(endpoint: Endpoint) -> Wire:
    """The way to put a request to an endpoint."""
    return OPENAI
