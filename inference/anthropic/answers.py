"""A whole answer: Messages -> an OpenAI chat completion."""

from __future__ import annotations

import json
from typing import Any

from inference.anthropic.endings import finish_reason, refusal, usage_of
from inference.anthropic.wire import Block, Message


def completion(answer: str | bytes, *, created: int) -> dict[str, Any]:
    """The chat completion that an answer of the Messages API comes to.

    `created` is when it came, in whole seconds since 1970: Messages does not say.
    Raises ValueError for what is no answer.
    """
    message = Message.model_validate_json(answer)
    return {
        "id": message.id,
        "object": "chat.completion",
        "created": created,
        "model": message.model,
        "choices": [
            {
                "index": 0,
                "message": _said(message),
                "logprobs": None,
                "finish_reason": finish_reason(message),
            }
        ],
        "usage": usage_of(message.usage),
    }


def arguments(block: Block) -> str:
    """What a tool is called with, as JSON."""
    return json.dumps(block.input, ensure_ascii=False, separators=(",", ":"))


def _said(message: Message) -> dict[str, Any]:
    """The message of a choice. Blocks of other types, as redacted thoughts, are passed over."""
    texts = [block.text for block in message.content if block.type == "text"]
    thoughts = "".join(block.thinking for block in message.content if block.type == "thinking")
    calls = [_call(block) for block in message.content if block.type == "tool_use"]
    return {
        "role": "assistant",
        "content": "".join(texts) if texts else None,
        "refusal": refusal(message),
        **({"reasoning_content": thoughts} if thoughts else {}),
        **({"tool_calls": calls} if calls else {}),
    }


def _call(block: Block) -> dict[str, Any]:
    function = {"name": block.name, "arguments": arguments(block)}
    return {"id": block.id, "type": "function", "function": function}
