"""Follows a stream of OpenAI's as it passes through: what may be sent on, and what it told. Pure.

What passes through is what the backend sent, byte for byte, but for the usage that the client did
not ask for.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeGuard

from inference.sse import MAX_EVENT
from inference.wire import Tokens, error_body, status_within

_END = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n|\r\n\n")
"""An empty line, after which an event is whole."""

_ERROR = re.compile(rb"^event: ?error\r?$", re.MULTILINE)

_BEGINNINGS = frozenset({"response.created", "response.in_progress", "response.queued"})
"""What the Responses API says before it has anything to say."""


_READER = json.JSONDecoder()

_USAGE = 4096
"""Bytes in which the usage of an answer has its place, wherever in the answer it stands."""


class StreamError(ValueError):
    """The backend sent an error, or what is no stream, in place of more answer."""

    def __init__(self, why: str, body: str = "", status: int = 500) -> None:
        super().__init__(why)
        self.body = body
        """The error as OpenAI writes it; "" for what is no error of the backend's own."""
        self.status = status_within(body, status)
        """What HTTP would have said, had it come in time."""


class Stream:
    """One answer on its way through."""

    def __init__(self, *, strip_usage: bool) -> None:
        self._strip = strip_usage
        self._rest = b""
        self.begun = False
        """Whether content has come: nobody else may answer from then on."""
        self.ended = False
        """Whether the end that belongs to a stream has come."""
        self.finished = False
        """Whether the answer itself is whole, though the end of the stream may be missing."""
        self.pieces = 0
        """Pieces of content, about one a token."""
        self.usage: Tokens | None = None
        self.error: str | None = None
        """What the backend said when it broke off, as it wrote it; the client has it already."""

    def feed(self, received: bytes) -> bytes:
        """Take the next bytes; returns those that may be sent on.

        Raises StreamError for an error, or for what is no stream, before content has come, and
        for an event longer than MAX_EVENT at any time.
        """
        if self.begun and not self._rest and received.endswith(b"\n\n") and not _notable(received):
            self.pieces += received.count(b"\n\n")  # whole events of words alone: nearly always
            return received
        text = self._rest + received
        end = _last_end(text)
        self._rest = text[end:]
        if len(self._rest) > MAX_EVENT:
            raise StreamError(f"an event of more than {MAX_EVENT} bytes")
        return b"".join(event for event in _events(text[:end]) if self._kept(event))

    def rest(self) -> bytes:
        """What came after the last whole event, at the end of a stream."""
        rest, self._rest = self._rest, b""
        if rest.strip() and self._kept(rest):
            return rest
        return b""

    def _kept(self, event: bytes) -> bool:
        data = _data(event)
        if data is None:
            return True
        if data == b"[DONE]":
            self.ended = True
            return True
        if _ERROR.search(event):
            return self._broke_off(data)
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            chunk = None
        if not isinstance(chunk, dict):
            if not self.begun:
                raise StreamError("what came is no event of an answer")
            self.pieces += 1
            return True
        return self._read(chunk, data)

    def _read(self, chunk: dict[str, Any], data: bytes) -> bool:
        kind = chunk.get("type")
        if chunk.get("error") or kind == "error":
            return self._broke_off(data)
        if isinstance(kind, str) and kind.startswith("response."):
            return self._read_response(chunk, kind)
        self.usage = _tokens(chunk.get("usage")) or self.usage
        choices = [each for each in chunk.get("choices") or () if isinstance(each, dict)]
        finished = any(choice.get("finish_reason") for choice in choices)
        if any(map(_adds, choices)):
            self.begun = True
            self.pieces += 1
        self.begun |= finished
        self.finished |= finished
        only_usage = not choices and chunk.get("usage") is not None
        return not (self._strip and only_usage)

    def _broke_off(self, data: bytes) -> bool:
        self.error = data.decode(errors="replace")
        if not self.begun:
            raise StreamError("the backend broke off", self.error)
        return True

    def _read_response(self, chunk: dict[str, Any], kind: str) -> bool:
        if kind not in _BEGINNINGS:
            self.begun = True
        if kind.endswith(".delta"):
            self.pieces += 1
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            self.ended = self.finished = True
            response = chunk.get("response")
            told = response.get("usage") if isinstance(response, dict) else None
            self.usage = _tokens(told) or self.usage
        return True


def usage_of(body: bytes) -> Tokens | None:
    """What a whole answer says it took; read from its end, so that a long one costs no more."""
    at = body.rfind(b'"usage"')
    if at < 0:
        return None
    text = body[at : at + _USAGE].decode(errors="replace").partition(":")[2].lstrip()
    try:
        told, _ = _READER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return _tokens(told)


def broken_off(message: str) -> bytes:
    """The event that ends a stream which cannot go on, as OpenAI's clients understand it."""
    told = json.dumps(error_body(message, "upstream_error", 502))
    return f"data: {told}\n\n".encode()


def _tokens(usage: Any) -> Tokens | None:
    """OpenAI's chat names them one way, its responses another; embeddings have no completion."""
    if not isinstance(usage, dict):
        return None
    asked = usage.get("prompt_tokens", usage.get("input_tokens"))
    told = usage.get("completion_tokens", usage.get("output_tokens", 0))
    if _count(asked) and _count(told):
        return Tokens(prompt_tokens=asked, completion_tokens=told)
    return None


def _count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 2**53


def _adds(choice: dict[str, Any]) -> bool:
    """Whether a choice adds anything but the role of who speaks."""
    delta = choice.get("delta")
    if isinstance(delta, dict):
        return any(value for name, value in delta.items() if name != "role")
    return bool(choice.get("text"))


def _notable(events: bytes) -> bool:
    """Whether any of them may say more than words. Asked of every chunk, and therefore written
    out: a regular expression takes ten times as long."""
    return (
        b"[DONE]" in events
        or b'"error"' in events
        or b"event:" in events
        or (b'"usage"' in events and b'"usage":{' in events.replace(b" ", b""))
        or events.count(b'"finish_reason"')
        != events.count(b'"finish_reason":null') + events.count(b'"finish_reason": null')
    )


def _last_end(text: bytes) -> int:
    last = 0
    plain = text.rfind(b"\n\n")
    if plain >= 0 and b"\r" not in text:
        return plain + 2
    for found in _END.finditer(text):
        last = found.end()
    return last


def _events(whole: bytes) -> list[bytes]:
    events, begin = [], 0
    for found in _END.finditer(whole):
        events.append(whole[begin : found.end()])
        begin = found.end()
    return events


def _data(event: bytes) -> bytes | None:
    """The data of an event, its lines joined; None for a comment or a ping without any."""
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line[:5] == b"data:"]
    return b"\n".join(lines).strip() if lines else None
