"""A streamed answer: Messages' events -> OpenAI's chunks, as they come.

The events: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from inference.anthropic.answers import arguments
from inference.anthropic.endings import finish_reason, refusal, usage_of
from inference.anthropic.errors import ErrorAnswer, stream_error
from inference.anthropic.wire import (
    READ,
    Block,
    BlockDelta,
    BlockStart,
    BlockStop,
    Ending,
    Failed,
    MessageDelta,
    MessageStart,
    Usage,
)
from inference.sse import Event

DONE = b"data: [DONE]\n\n"
"""The last bytes of a complete answer."""

Found = Mapping[str, Any]


class Translator:
    """Translates one stream. Events and blocks of types that are not known are passed over."""

    def __init__(self, *, created: int, include_usage: bool = False) -> None:
        """`created` is when it began, in whole seconds since 1970: Messages does not say."""
        self.spoke = False
        """True once something of the answer was passed on; who began the turn is no part of it."""
        self.ended = False
        """True once nothing more can come: after the end, or after an error."""
        self.failure: ErrorAnswer | None = None
        """What the API ended the answer with, if that was an error."""
        self._created = created
        self._include_usage = include_usage
        self._head: dict[str, Any] | None = None
        self._usage = Usage()
        self._ending = Ending()
        self._calls: dict[int, int] = {}
        """Which block is which tool call."""
        self._unargued: set[int] = set()
        """Blocks of calls that were given no arguments so far."""
        self._passed_over: set[int] = set()
        """Blocks of types that OpenAI has no place for."""
        self._takers: dict[str, Callable[[Found], list[bytes]]] = {
            "message_start": self._begin,
            "content_block_start": self._begin_block,
            "content_block_delta": self._go_on,
            "content_block_stop": self._end_block,
            "message_delta": self._note,
            "message_stop": self._end,
            "error": self._fail,
        }

    @property
    def usage(self) -> dict[str, Any]:
        """Tokens so far, as OpenAI counts them; after the end, those of the whole answer."""
        return usage_of(self._usage)

    def feed(self, event: Event) -> list[bytes]:
        """Take the next event; returns what is to be sent for it, often nothing.

        An error of the API is sent like OpenAI's, without `[DONE]` after it. What comes after the
        end is passed over. Raises ValueError for what is no stream of the Messages API.
        """
        if self.ended:
            return []
        found = _read(event)
        take = self._takers.get(found["type"])
        return take(found) if take else []

    def _begin(self, found: Found) -> list[bytes]:
        message = MessageStart.model_validate(found).message
        if self._head is not None:
            raise ValueError("a stream begins a second answer")
        self._usage = message.usage
        self._head = {
            "id": message.id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": message.model,
        }
        return [self._chunk({"role": "assistant", "content": ""})]

    def _begin_block(self, found: Found) -> list[bytes]:
        start = BlockStart.model_validate(found)
        if start.content_block.type not in READ:
            self._passed_over.add(start.index)
            return []
        if start.content_block.type == "tool_use":
            return [self._call(start.index, start.content_block)]
        return self._say(start.content_block.text, start.content_block.thinking)

    def _go_on(self, found: Found) -> list[bytes]:
        event = BlockDelta.model_validate(found)
        if event.index in self._passed_over:
            return []
        if event.index in self._calls:
            piece = event.delta.partial_json
            return [self._argue(event.index, piece)] if piece else []
        return self._say(event.delta.text, event.delta.thinking)

    def _end_block(self, found: Found) -> list[bytes]:
        """A call without parameters is told as no text at all, which is no JSON."""
        index = BlockStop.model_validate(found).index
        return [self._argue(index, "{}")] if index in self._unargued else []

    def _note(self, found: Found) -> list[bytes]:
        event = MessageDelta.model_validate(found)
        self._usage = self._usage.followed_by(event.usage)
        if event.delta.stop_reason is not None:
            self._ending = event.delta
        return []

    def _end(self, found: Found) -> list[bytes]:
        why = refusal(self._ending)
        last = self._chunk({"refusal": why} if why else {}, finish_reason(self._ending))
        self.ended = True
        return [last, *([self._told_usage()] if self._include_usage else []), DONE]

    def _fail(self, found: Found) -> list[bytes]:
        self.ended = True
        self.failure = stream_error(Failed.model_validate(found).error)
        return [_sse(self.failure.body)]

    def _say(self, text: str, thinking: str) -> list[bytes]:
        deltas = {"content": text, "reasoning_content": thinking}
        return [self._spoken({name: words}) for name, words in deltas.items() if words]

    def _call(self, index: int, block: Block) -> bytes:
        at = self._calls[index] = len(self._calls)
        if not block.input:
            self._unargued.add(index)
        given = arguments(block) if block.input else ""
        function = {"name": block.name, "arguments": given}
        call = {"index": at, "id": block.id, "type": "function", "function": function}
        return self._spoken({"tool_calls": [call]})

    def _argue(self, index: int, piece: str) -> bytes:
        self._unargued.discard(index)
        call = {"index": self._calls[index], "function": {"arguments": piece}}
        return self._spoken({"tool_calls": [call]})

    def _spoken(self, delta: dict[str, Any]) -> bytes:
        chunk = self._chunk(delta)
        self.spoke = True
        return chunk

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _sse({**self._begun(), "choices": [choice]})

    def _told_usage(self) -> bytes:
        return _sse({**self._begun(), "choices": [], "usage": self.usage})

    def _begun(self) -> dict[str, Any]:
        if self._head is None:
            raise ValueError("a stream goes on that never began")
        return self._head


def _read(event: Event) -> Found:
    """An event's data. An error that a proxy on the way wrote may be no JSON."""
    try:
        found = json.loads(event.data)
    except (ValueError, RecursionError):
        if event.kind == "error":
            return {"type": "error", "error": {"message": event.data}}
        raise ValueError("the stream holds what is no JSON") from None
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        raise ValueError("the stream holds what is no event")
    return found


def _sse(value: Mapping[str, Any]) -> bytes:
    """One event, ready to be sent. ASCII, so that half a surrogate pair cannot break it."""
    return f"data: {json.dumps(value, separators=(',', ':'))}\n\n".encode()
