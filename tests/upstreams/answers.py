"""What each of OpenAI's calls is answered with, whole or in events. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.upstreams.wire import DONE, ToolCall, Usage, event


def whole(
    path: str, model: str, pieces: Sequence[str], usage: Usage | None, tools: Sequence[ToolCall]
) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    text = "".join(pieces)
    if path.endswith("/embeddings"):
        told = usage and {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens}
        vector = {"object": "embedding", "index": 0, "embedding": [0.5, -0.25, 0.125]}
        return {"object": "list", "data": [vector], "model": model, "usage": told}
    if path.endswith("/responses"):
        return _response(model, text, usage, "completed")
    if path.endswith("/chat/completions"):
        message: dict[str, Any] = {"role": "assistant", "content": None if tools else text}
        if tools:
            message["tool_calls"] = [_call(n, tool) for n, tool in enumerate(tools)]
        reason = "tool_calls" if tools else "stop"
        choice = {"index": 0, "message": message, "finish_reason": reason}
        return _completion("chat.completion", "chatcmpl-1", model, choice, usage)
    choice = {"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}
    return _completion("text_completion", "cmpl-1", model, choice, usage)


def opening(path: str, model: str) -> list[bytes]:
    """The events before any content: that of the role, or that a response was begun."""
    if path.endswith("/responses"):
        begun = _response(model, "", None, "in_progress")
        return [_told("response.created", 0, response=begun)]
    if path.endswith("/chat/completions"):
        return [_chat(model, {"role": "assistant", "content": ""})]
    return []


def content(
    path: str, model: str, pieces: Sequence[str], tools: Sequence[ToolCall]
) -> Iterator[bytes]:
    """An event for each piece; for a tool call one with its name, and two with its arguments."""
    if path.endswith("/responses"):
        for n, piece in enumerate(pieces):
            yield _told(
                "response.output_text.delta",
                n + 1,
                item_id="msg_1",
                output_index=0,
                content_index=0,
                delta=piece,
                logprobs=[],
            )
    elif path.endswith("/chat/completions"):
        for n, tool in enumerate(tools):
            yield from (_chat(model, {"tool_calls": [part]}) for part in _parts(n, tool))
        if not tools:
            yield from (_chat(model, {"content": piece}) for piece in pieces)
    else:
        choices = ({"index": 0, "text": piece, "finish_reason": None} for piece in pieces)
        yield from (event(_chunk("text_completion", "cmpl-1", model, [c])) for c in choices)


def closing(
    path: str,
    model: str,
    pieces: Sequence[str],
    usage: Usage | None,
    tools: Sequence[ToolCall],
    *,
    done: bool,
) -> list[bytes]:
    """The events after the content. The Responses API has its usage in one, and no [DONE]."""
    if path.endswith("/responses"):
        ended = _response(model, "".join(pieces), usage, "completed")
        return [_told("response.completed", len(pieces) + 1, response=ended)]
    if path.endswith("/chat/completions"):
        kind, name = "chat.completion.chunk", "chatcmpl-1"
        events = [_chat(model, {}, "tool_calls" if tools else "stop")]
    else:
        kind, name = "text_completion", "cmpl-1"
        last = {"index": 0, "text": "", "finish_reason": "stop"}
        events = [event(_chunk(kind, name, model, [last]))]
    if usage:
        events.append(event({**_chunk(kind, name, model, []), "usage": usage.told()}))
    return [*events, DONE] if done else events


def _completion(
    kind: str, name: str, model: str, choice: dict[str, Any], usage: Usage | None
) -> dict[str, Any]:
    told = {"usage": usage.told()} if usage else {}
    return {**_chunk(kind, name, model, [choice]), **told}


def _chunk(kind: str, name: str, model: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": name, "object": kind, "created": 1, "model": model, "choices": choices}


def _chat(model: str, delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return event(_chunk("chat.completion.chunk", "chatcmpl-1", model, [choice]))


def _call(number: int, tool: ToolCall) -> dict[str, Any]:
    function = {"name": tool.name, "arguments": tool.arguments}
    return {"id": f"call_{number}", "type": "function", "function": function}


def _parts(number: int, tool: ToolCall) -> list[dict[str, Any]]:
    middle = len(tool.arguments) // 2
    named = _call(number, ToolCall(tool.name, ""))
    halves = (tool.arguments[:middle], tool.arguments[middle:])
    return [
        {"index": number, **named},
        *({"index": number, "function": {"arguments": half}} for half in halves),
    ]


def _response(model: str, text: str, usage: Usage | None, status: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    message = {"type": "message", "id": "msg_1", "status": status, "role": "assistant"}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": [{**message, "content": [part]}] if text else [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage.told_of_a_response() if usage else None,
    }


def _told(kind: str, number: int, **more: Any) -> bytes:
    return event({"type": kind, "sequence_number": number, **more}, kind)
