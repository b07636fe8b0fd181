"""What a client asks for: read once, passed on as it came wherever nothing has to change. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import RequestError
from domain.usage import Api
from inference.goals import is_name

PATHS: Mapping[str, Api] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
    "/v1/responses": "responses",
}

_PATHS = {api: path for path, api in PATHS.items()}

_PREFIX = 1024
"""Characters of a conversation's beginning by which it is told from others."""


class BadRequest(RequestError):
    """The request is none that any backend should see."""

    def __init__(self, summary: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(summary)
        self.param = param
        """The field that is wrong."""
        self.status = status


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    api: Api
    model: str
    body: Mapping[str, Any]
    """The whole of it, without what is meant for the gateway alone."""
    raw: bytes
    """As it came; what a backend gets when nothing has to change."""
    stream: bool
    wants_usage: bool
    """Whether the client itself asked for a stream's usage."""
    backend: str | None = None
    """The one that has to answer."""
    tells_backend: bool = False
    """Whether a whole answer says which backend it is from."""

    @property
    def path(self) -> str:
        """Where OpenAI has that call."""
        return _PATHS[self.api]

    @property
    def counts_on_request(self) -> bool:
        """Whether a stream of this call tells its usage only when it is asked to."""
        return self.stream and self.api in ("chat", "completions")

    def sent(self, model: str, *, usage: bool) -> bytes:
        """The body for a backend that knows the model by that name; `usage` has its stream say
        what it took."""
        if model == self.model and not self._altered and not (usage and not self.wants_usage):
            return self.raw
        body = {**self.body, "model": model}
        if usage and not self.wants_usage:
            body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        return json.dumps(body, separators=(",", ":")).encode()

    @property
    def _altered(self) -> bool:
        return self.backend is not None or self.tells_backend or "model" not in self.body

    @property
    def prefix(self) -> str:
        """What tells a conversation from others by how it begins: its first turns."""
        begins = self.body.get("messages") or self.body.get("prompt") or self.body.get("input")
        first = begins[:2] if isinstance(begins, list) else begins
        text = json.dumps(first)[:_PREFIX]
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def read(api: Api, raw: bytes) -> Asked:
    """Read the body of a request. Raises BadRequest.

    A field that stands there twice is refused: two readers might take two different ones for it,
    and so pass what was not meant to be asked for.
    """
    body = json_object(raw)
    model, backend = body.get("model"), body.pop("backend", None)
    tells = body.pop("_backend", False)
    if model is None and backend is not None:
        model = backend
    name = _name("model", model)
    pin = None if backend is None else _name("backend", backend)
    stream = body.get("stream")
    if stream not in (None, True, False):
        raise BadRequest("`stream` has to be true or false", "stream")
    options = body.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise BadRequest("`stream_options` has to be an object", "stream_options")
    wants_usage = bool((options or {}).get("include_usage"))
    return Asked(api, name, body, raw, bool(stream), wants_usage, pin, tells_backend=bool(tells))


def json_object(raw: bytes, what: str = "body") -> dict[str, Any]:
    """Read what has to be an object, no name in it standing there twice. Raises BadRequest."""
    try:
        body = _READER.decode(raw.decode())
    except RecursionError:
        raise BadRequest(f"the {what} is nested too deeply") from None
    except UnicodeDecodeError:
        raise BadRequest(f"the {what} is not UTF-8") from None
    except ValueError as error:
        if isinstance(error, _Twice):
            raise BadRequest(f"`{error}` stands in the {what} twice", str(error)) from None
        raise BadRequest(f"the {what} is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadRequest(f"the {what} has to be a JSON object")
    return body


class _Twice(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1)[:60])
    return found


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


_READER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)


def _name(field: str, name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise BadRequest(f"`{field}` has to be a name", field)
    if not is_name(name):
        raise BadRequest(f"`{field}` is no name that anything could have", field)
    return name
