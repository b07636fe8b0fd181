"""What a model may call, and whether it must: OpenAI's tools -> Messages' tools."""

from __future__ import annotations

from typing import Any

from inference.anthropic.reading import Value

_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


def tools_of(body: Value) -> dict[str, Any]:
    """The fields `tools` and `tool_choice` of a Messages body, where there are any.

    `functions` and `function_call`, which OpenAI had first, are read like the tools they became.
    Raises BadRequest.
    """
    tools = _tools(body)
    if not tools:
        return _no_tools(body)
    choice = _choice(body)
    if _one_at_a_time(body) and choice.get("type") != "none":
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return {"tools": tools, **({"tool_choice": choice} if choice else {})}


def _tools(body: Value) -> list[dict[str, Any]]:
    tools, functions = body.get("tools"), body.get("functions")
    return [
        *([_tool(tool) for tool in tools.each()] if tools else []),
        *([_function(function) for function in functions.each()] if functions else []),
    ]


def _no_tools(body: Value) -> dict[str, Any]:
    choice = body.get("tool_choice") or body.get("function_call")
    if choice and _choice(body)["type"] in ("any", "tool"):
        raise choice.wrong("asks for a tool to be called, but there are none")
    return {}


def _tool(tool: Value) -> dict[str, Any]:
    kind = tool.need("type")
    if kind.text() != "function":
        raise kind.unsayable(f"is {kind.text()!r}; only functions can be said to Anthropic here")
    return _function(tool.need("function"))


def _function(function: Value) -> dict[str, Any]:
    """A function without parameters takes an object with nothing in it."""
    parameters = function.get("parameters")
    description, strict = function.get("description"), function.get("strict")
    return {
        "name": function.need("name").text(),
        **({"description": description.text()} if description else {}),
        "input_schema": {"type": "object", **(parameters.mapping() if parameters else {})},
        **({"strict": True} if strict and strict.flag() else {}),
    }


def _choice(body: Value) -> dict[str, Any]:
    """Which tool to call, as Messages says it; {} where nobody chose."""
    choice = body.get("tool_choice") or body.get("function_call")
    if choice is None:
        return {}
    if isinstance(choice.found, str):
        if choice.found not in _CHOICES:
            raise choice.wrong(f"must be {', '.join(_CHOICES)} or a named function")
        return {"type": _CHOICES[choice.found]}
    kind = choice.get("type")
    if kind and kind.text() != "function":
        raise choice.unsayable(f"a choice of type {kind.text()!r} cannot be said to Anthropic here")
    return {"type": "tool", "name": (choice.get("function") or choice).need("name").text()}


def _one_at_a_time(body: Value) -> bool:
    parallel = body.get("parallel_tool_calls")
    return parallel is not None and not parallel.flag()
