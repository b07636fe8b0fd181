"""A request: an OpenAI chat body -> a Messages body.

Three things become of a field: it is said in Messages' words; it is dropped, where the answer
without it is still an answer to what was asked; or it is refused, where it would not be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inference.anthropic.reading import Value
from inference.anthropic.tools import tools_of
from inference.anthropic.turns import conversation

DEFAULT_MAX_TOKENS = 4096
"""Tokens of an answer where nobody says how many: Messages must be told, and the smallest of its
models take no more."""


def messages_body(
    body: Mapping[str, Any],
    *,
    default_max_tokens: int = DEFAULT_MAX_TOKENS,
    sampling: bool = True,
) -> dict[str, Any]:
    """The body of `POST /v1/messages` that asks what an OpenAI chat completion asks.

    `sampling` False leaves out temperature, top_p and top_k, which newer models refuse whatever
    their value is. `stream_options` is for whoever translates the answer.

    Raises BadRequest for what is no chat completion, and its kind Untranslatable for what
    Messages cannot be asked without the meaning being another.
    """
    request = Value(dict(body))
    _refuse(request)
    system, turns = conversation(request.need("messages"))
    return {
        "model": request.need("model").text(),
        "max_tokens": _max_tokens(request, default_max_tokens),
        **({"system": system} if system else {}),
        "messages": turns,
        **tools_of(request),
        **_stop(request),
        **_sampled(request, sampling),
        **_format(request),
        **_user(request),
        **_thinking(request),
        **_stream(request),
    }


def _refuse(request: Value) -> None:
    """Raise Untranslatable for a wish that cannot be granted, nor be passed over."""
    if (n := request.get("n")) and n.count() > 1:
        raise n.unsayable("Anthropic gives one answer to a request; ask several times")
    if (logprobs := request.get("logprobs")) and logprobs.flag():
        raise logprobs.unsayable("Anthropic tells no probabilities of tokens")
    if (bias := request.get("logit_bias")) and bias.mapping():
        raise bias.unsayable("Anthropic takes no bias on tokens, and its tokens are others")
    if (modalities := request.get("modalities")) and modalities.found != ["text"]:
        raise modalities.unsayable("Anthropic answers in text only")
    if (search := request.get("web_search_options")) is not None:
        raise search.unsayable("searching the web cannot be asked of Anthropic here")


def _max_tokens(request: Value, default: int) -> int:
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    return limit.count() if limit else default


def _stop(request: Value) -> dict[str, Any]:
    stop = request.get("stop")
    if stop is None:
        return {}
    sequences = [stop] if isinstance(stop.found, str) else stop.each()
    for sequence in sequences:
        if not sequence.text().strip():
            raise sequence.unsayable("Anthropic does not stop at white space alone")
    return {"stop_sequences": [sequence.text() for sequence in sequences]} if sequences else {}


def _sampled(request: Value, sampling: bool) -> dict[str, Any]:
    """Temperature ends at 1 in Messages. It goes before top_p: many models refuse both at once."""
    temperature, top_p, top_k = (request.get(name) for name in ("temperature", "top_p", "top_k"))
    warmth = {"temperature": min(temperature.number(0, 2), 1.0)} if temperature else {}
    nucleus = {"top_p": top_p.number(0, 1)} if top_p else {}
    few = {"top_k": top_k.count()} if top_k else {}
    return {**(warmth or nucleus), **few} if sampling else {}


def _thinking(request: Value) -> dict[str, Any]:
    """A field that OpenAI has not: whoever sends it knows whom it is for."""
    thinking = request.get("thinking")
    return {"thinking": thinking.mapping()} if thinking else {}


def _format(request: Value) -> dict[str, Any]:
    if (wanted := request.get("response_format")) is None:
        return {}
    kind = wanted.need("type")
    if kind.text() == "text":
        return {}
    if kind.text() != "json_schema":
        raise kind.unsayable("Anthropic writes JSON to a schema only; use json_schema, or a tool")
    schema = wanted.need("json_schema").need("schema").mapping()
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


def _user(request: Value) -> dict[str, Any]:
    user = request.get("user") or request.get("safety_identifier")
    return {"metadata": {"user_id": user.text()}} if user else {}


def _stream(request: Value) -> dict[str, Any]:
    stream = request.get("stream")
    return {"stream": True} if stream and stream.flag() else {}
