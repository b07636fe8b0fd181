"""What a scripted upstream may do for a request, as values, and the steps that come to. Pure."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from tests.upstreams.answers import closing, content, opening, whole
from tests.upstreams.asked import Asked
from tests.upstreams.steps import Close, Hang, Pause, Reset, Send, Step, Wait
from tests.upstreams.wire import Headers, ToolCall, Usage, chunk, compact, event, head, problem

Flavour = Literal["openai", "llama.cpp", "vllm", "vllm-0.9", "string", "html", "empty"]


class Cut(StrEnum):
    """How an answer ends before its end."""

    RESET = "reset"
    CLOSE = "close"
    """The connection is closed with the body unfinished."""
    HANG = "hang"
    STOP = "stop"
    """The body ends as HTTP wants it, only that words, or [DONE], are missing."""
    ERROR = "error"
    """An error event, then the end of the body."""
    NAMED_ERROR = "named error"
    """The same as `event: error`."""
    MALFORMED = "malformed"
    """Events that are no JSON and no events, then the end of the body."""
    BAD_CHUNK = "bad chunk"
    """A chunk whose size is no number."""


class After(StrEnum):
    """What becomes of the connection."""

    KEPT = "kept"
    CLOSED = "closed"
    """As announced."""
    DROPPED = "dropped"
    """Though keep-alive was announced: llama.cpp's way after a stream."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked for, unless it is cut."""

    pieces: tuple[str, ...] = ("One", " two", " three")
    """Content, a chunk each; joined where nobody asked for a stream."""
    usage: Usage | Literal["counted"] | None = "counted"
    """What is told where it is asked for: 3 and one per piece, or a lie; None is never told."""
    tools: tuple[ToolCall, ...] = ()
    """Called in place of saying the pieces."""
    delay: float = 0.0
    """Seconds before the headers."""
    gap: float = 0.0
    """Seconds before each piece."""
    pause_at: int | None = None
    """After this many pieces it waits for `Asked.proceed`; -1 is before the headers."""
    cut: Cut | None = None
    cut_at: int = 0
    """After how many pieces. Of a whole body, half is sent first."""
    done: bool = True
    """Whether a stream ends with [DONE]."""
    trickle: bool = False
    """Byte by byte."""
    comments: bool = False
    """A comment before each piece of a stream, as servers send to keep connections up."""
    packed: Literal["", "gzip"] = ""
    """Content-Encoding, asked for or not."""
    headers: Headers = ()
    after: After = After.KEPT

    def steps(self, asked: Asked) -> Iterator[Step]:
        """One after another."""
        if self.delay:
            yield Wait(self.delay)
        if self.pause_at == -1:
            yield Pause()
        yield from self._streamed(asked) if asked.streamed else self._whole(asked)

    def _whole(self, asked: Asked) -> Iterator[Step]:
        told = whole(asked.path, asked.model, self.pieces, self._usage(), self.tools)
        body = compact(told).encode()
        body = gzip.compress(body) if self.packed else body
        yield self._send(self._head("application/json", ("Content-Length", str(len(body)))))
        if self.cut is None:
            yield self._send(body)
            yield from self._end()
        else:
            yield self._send(body[: len(body) // 2])
            yield Hang() if self.cut is Cut.HANG else _drop(self.cut)

    def _streamed(self, asked: Asked) -> Iterator[Step]:
        squeeze = _packer() if self.packed else chunk
        path, model = asked.path, asked.model
        yield self._send(self._head("text/event-stream", ("Transfer-Encoding", "chunked")))
        yield from (self._send(squeeze(data)) for data in opening(path, model))
        for number, data in enumerate(content(path, model, self.pieces, self.tools)):
            if self.cut and number == self.cut_at:
                break
            if number == self.pause_at:
                yield Pause()
            if self.gap:
                yield Wait(self.gap)
            if self.comments:
                yield self._send(squeeze(b": still here\n\n"))
            yield self._send(squeeze(data))
        if self.cut:
            yield from self._cut(squeeze)
            return
        usage = self._usage() if asked.wants_usage else None
        ends = closing(path, model, self.pieces, usage, self.tools, done=self.done)
        yield from (self._send(squeeze(data)) for data in ends)
        yield self._send(squeeze(b"") if self.packed else chunk(b""))
        yield from self._end()

    def _cut(self, squeeze) -> Iterator[Step]:
        spoiled = {
            Cut.ERROR: event({"error": {"code": 500, "message": "the model is gone"}}),
            Cut.NAMED_ERROR: event({"message": "the model is gone"}, "error"),
            Cut.MALFORMED: b"data: {not json\n\nno event at all\n\n",
        }
        if self.cut is Cut.HANG:
            yield Hang()
        elif self.cut is Cut.BAD_CHUNK:
            yield Send(b"zz\r\nno size\r\n")
            yield Close()
        elif self.cut in (Cut.RESET, Cut.CLOSE):
            yield _drop(self.cut)
        else:
            if self.cut in spoiled:
                yield self._send(squeeze(spoiled[self.cut]))
            yield self._send(squeeze(b"") if self.packed else chunk(b""))
            yield from self._end()

    def _head(self, kind: str, *framing: tuple[str, str]) -> bytes:
        packed = (("Content-Encoding", self.packed),) if self.packed else ()
        close = (("Connection", "close"),)
        keep = (("Keep-Alive", "timeout=5, max=100"),)
        kept = close if self.after is After.CLOSED else keep
        return head(200, ("Content-Type", kind), *framing, *packed, *kept, *self.headers)

    def _end(self) -> Iterator[Step]:
        if self.after is not After.KEPT:
            yield Close(whole=True)

    def _send(self, data: bytes) -> Send:
        return Send(data, one_by_one=self.trickle)

    def _usage(self) -> Usage | None:
        return Usage(3, len(self.pieces)) if self.usage == "counted" else self.usage


@dataclass(frozen=True, slots=True)
class Status:
    """An error, or anything else that is told by a status."""

    status: int
    message: str = "it does not work"
    flavour: Flavour = "openai"
    retry_after: str | None = None
    headers: Headers = ()
    delay: float = 0.0

    def steps(self, asked: Asked) -> Iterator[Step]:
        """One after another."""
        kind, body = problem(self.status, self.message, self.flavour)
        later = (("Retry-After", self.retry_after),) if self.retry_after else ()
        told = (("Content-Type", kind), ("Content-Length", str(len(body))), *later, *self.headers)
        if self.delay:
            yield Wait(self.delay)
        yield Send(head(self.status, *told) + body)


@dataclass(frozen=True, slots=True)
class Redirect:
    """To somewhere else, which a gateway must not follow."""

    to: str

    def steps(self, asked: Asked) -> Iterator[Step]:
        """One after another."""
        return Status(307, headers=(("Location", self.to),), flavour="empty").steps(asked)


@dataclass(frozen=True, slots=True)
class Play:
    """Exactly these steps, for what no other act does. `Play(Reset())` resets before headers."""

    parts: tuple[Step, ...]

    def __init__(self, *parts: Step) -> None:
        object.__setattr__(self, "parts", parts)

    def steps(self, asked: Asked) -> Iterator[Step]:
        """One after another."""
        return iter(self.parts)


Act = Answer | Status | Redirect | Play

SILENCE = Play(Hang())
"""The request is read, and nothing comes of it."""
RESET = Play(Reset())
"""The connection is reset once the request was read."""
CLOSE = Play(Close())
"""It is closed without a word: what a keep-alive connection looks like that was used too late."""


def _drop(cut: Cut) -> Step:
    return Reset() if cut is Cut.RESET else Close()


def _packer():
    """Each piece in a chunk that can be unpacked as it comes; the empty one is the end."""
    packer = zlib.compressobj(wbits=31)

    def squeeze(data: bytes) -> bytes:
        if data:
            return chunk(packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))
        return chunk(packer.flush()) + chunk(b"")

    return squeeze
