"""How a request is put to a backend and its answer read back: OpenAI's way, or another's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import SecretStr

from domain.usage import Fault
from inference.anthropic.answers import completion
from inference.anthropic.calls import messages_call
from inference.anthropic.errors import ErrorAnswer, error_answer, refused_request
from inference.anthropic.events import Translator
from inference.anthropic.reading import BadRequest, Untranslatable
from inference.anthropic.requests import messages_body
from inference.endpoints import Endpoint
from inference.gateway.asked import Asked
from inference.gateway.misses import Missed, Rejected, Whole
from inference.gateway.streams import StreamError
from inference.sse import EventParser

Translate = Callable[[bytes], bytes]
"""Bytes of a stream as they came -> those of OpenAI's stream that they complete. Raises StreamError
for an error before any word, and ValueError for what is no stream."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a backend is sent."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    """With the backend's key among them."""


class Wire(Protocol):
    """One way to put a request."""

    def put(self, asked: Asked, model: str, endpoint: Endpoint, *, usage: bool) -> Outgoing:
        """The request as this kind of backend takes it. Raises Refused for what it cannot do."""
        ...

    def whole(self, answer: Whole, created: int) -> Whole:
        """An answer, good or bad, as OpenAI's clients take it. `created` is when it was asked
        for, in whole seconds since 1970. Raises ValueError for what is no answer."""
        ...

    def translate(self, created: int) -> Translate | None:
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

    def whole(self, answer: Whole, created: int) -> Whole:
        """As it came."""
        return answer

    def translate(self, created: int) -> Translate | None:
        """Nothing to do."""
        return None


class Anthropic:
    """Anthropic's Messages API."""

    def put(self, asked: Asked, model: str, endpoint: Endpoint, *, usage: bool) -> Outgoing:
        """The same request, said its way.

        Raises Missed for a fair one that it has no way to say: another member of a route may have.
        Raises Rejected for one that nobody could answer.
        """
        try:
            if asked.api != "chat":
                raise Untranslatable("", f"Anthropic has nothing like `{asked.path}`")
            said = {**asked.body, "model": model}
            body = messages_body(said, sampling=endpoint.manner.sampling)
        except BadRequest as error:
            told = _told(refused_request(error))
            if isinstance(error, Untranslatable):
                raise Missed(error.summary, Fault.REFUSED, answer=told) from error
            raise Rejected(error.summary, error.hint, told) from error
        call = messages_call(endpoint.manner.key or SecretStr(""), stream=asked.stream)
        return Outgoing(call.path, json.dumps(body).encode(), call.headers)

    def whole(self, answer: Whole, created: int) -> Whole:
        """Said back."""
        if answer.status != 200:
            return _told(error_answer(answer.status, answer.body, answer.headers))
        body = json.dumps(completion(answer.body, created=created)).encode()
        return Whole(200, body, {"Content-Type": "application/json"})

    def translate(self, created: int) -> Translate | None:
        """Reads its events, and says each back."""
        parser, translator = EventParser(), Translator(created=created, include_usage=True)

        def said_back(received: bytes) -> bytes:
            events = parser.feed(received)
            told = b"".join(part for event in events for part in translator.feed(event))
            failure = translator.failure
            if failure is not None and not translator.spoke:
                raise StreamError("it broke off", json.dumps(failure.body), failure.status)
            return told

        return said_back


_WIRES: dict[str, Wire] = {"openai": OpenAi(), "anthropic": Anthropic()}


def wire_of(endpoint: Endpoint) -> Wire:
    """The way to put a request to an endpoint."""
    return _WIRES[endpoint.manner.speaks]


def _told(error: ErrorAnswer) -> Whole:
    headers = {"Content-Type": "application/json", **error.headers}
    return Whole(error.status, json.dumps(error.body).encode(), headers)
