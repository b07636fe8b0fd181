"""A conversation: OpenAI's messages -> a system prompt and turns that alternate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from inference.anthropic.content import Block, blocks_of, text_of
from inference.anthropic.reading import BadRequest, Value

Turn = dict[str, Any]

_SYSTEM = ("system", "developer")


def conversation(messages: Value) -> tuple[str, list[Turn]]:
    """The system prompt ("" for none) and the turns, never two in a row by one speaker.

    Whatever the system says stands before the conversation, wherever it stood in it.
    Raises BadRequest.
    """
    system: list[str] = []
    spoken: list[tuple[str, list[Block]]] = []
    for message in messages.each():
        role = message.need("role").text()
        if role in _SYSTEM:
            system.append(text_of(message.need("content")))
        else:
            spoken.append(_spoken(role, message))
    turns = _merged(spoken)
    if not turns:
        raise BadRequest(messages.where, "nobody says anything")
    return "\n\n".join(text for text in system if text.strip()), turns


def _spoken(role: str, message: Value) -> tuple[str, list[Block]]:
    """Who speaks and what is said; a tool speaks in the user's turn."""
    if role == "user":
        return "user", blocks_of(message.need("content"))
    if role == "assistant":
        return "assistant", _assistant(message)
    if role == "tool":
        return "user", [_tool_result(message)]
    if role == "function":
        raise message.unsayable("function results have no id here; send role `tool` instead")
    raise message.wrong(f"has the role {role!r}; there are system, user, assistant and tool")


def _assistant(message: Value) -> list[Block]:
    """What a model said before. Its thoughts are left out: Messages takes only signed ones."""
    if message.get("function_call"):
        raise message.unsayable("function_call has no id here; send `tool_calls` instead")
    said = message.get("content") or message.get("refusal")
    calls = message.get("tool_calls")
    return [
        *(blocks_of(said) if said else []),
        *([_tool_use(call) for call in calls.each()] if calls else []),
    ]


def _tool_use(call: Value) -> Block:
    function = call.need("function")
    arguments = function.get("arguments")
    return {
        "type": "tool_use",
        "id": call.need("id").text(),
        "name": function.need("name").text(),
        "input": arguments.written_object() if arguments else {},
    }


def _tool_result(message: Value) -> Block:
    content = message.get("content")
    blocks = blocks_of(content) if content else []
    result = {"type": "tool_result", "tool_use_id": message.need("tool_call_id").text()}
    return {**result, "content": blocks} if blocks else result


def _merged(spoken: Iterable[tuple[str, list[Block]]]) -> list[Turn]:
    turns: list[Turn] = []
    for role, blocks in spoken:
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"].extend(blocks)
        elif blocks:
            turns.append({"role": role, "content": list(blocks)})
    return turns
