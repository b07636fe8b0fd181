"""The part of `gantry check` that proves the gateway's backends: each has to give a token."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from bot.clock import SystemClock
from domain.backends import Backend
from domain.errors import OpsError, Refused, Unreachable
from domain.usage import Api
from inference.client import Timeouts, list_models, open_session
from inference.endpoints import Endpoints
from inference.gateway.asked import Asked
from inference.gateway.opening import Ways, open_gateway
from inference.gateway.relay import Relay
from inference.gateway.tally import Caller, Tally

Tell = Callable[[str, Callable[[], Awaitable[str]]], Awaitable[bool]]
"""Makes an attempt, and tells of it in a line: what it is of, and what came of it."""

PATIENCE = Timeouts(connect=5.0, first_byte=120.0, whole=120.0)
"""A server may load the model first."""

_QUESTIONS: tuple[tuple[Api, dict[str, object]], ...] = (
    ("chat", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}),
    ("embeddings", {"input": "Hi"}),
)
"""A model that does not talk may embed."""


async def check_backends(ways: Ways, tell: Tell) -> list[bool]:
    """Ask each backend for one token of each model that is configured for it, or of the first one
    that it lists; returns how that went, in order."""
    alone = replace(ways, routes={}, timeouts=PATIENCE)
    async with open_gateway(Endpoints(), alone, SystemClock(), random.Random()) as gateway:  # noqa: S311
        return [
            await tell(f"backend {each.name}", partial(_answers, gateway.relay, each))
            for each in ways.backends
        ]


async def _answers(relay: Relay, backend: Backend) -> str:
    models = [name for name, _ in backend.models] or [await _first_listed(backend)]
    return ", ".join([await _one(relay, backend, model) for model in models])


async def _first_listed(backend: Backend) -> str:
    key = None if backend.kind == "anthropic" else backend.key
    async with open_session() as session:
        listed = (await list_models(session, backend.url, PATIENCE, key)).ids
    if not listed:
        raise Unreachable("it lists no model", hint="load one there, or name it under `models`")
    return listed[0]


async def _one(relay: Relay, backend: Backend, model: str) -> str:
    """What one model does. Raises OpsError, with the model's name, where it does nothing."""
    refused: list[str] = []
    for api, question in _QUESTIONS:
        name = f"{backend.name}/{model}"
        body = {"model": name, **question}
        asked = Asked(api, name, body, json.dumps(body).encode(), stream=False, wants_usage=False)
        clock = SystemClock()
        tally = Tally(Caller("check"), backend.name, api, clock, streamed=False)
        began = clock.monotonic()
        try:
            await relay.whole(asked, relay.router.goal(name), tally)
        except Refused as error:
            refused.append(error.summary)
        except OpsError as error:
            raise Unreachable(f"{model}: {error.summary}", error.hint) from error
        else:
            took = clock.monotonic() - began
            return f"{model} {'embeds' if refused else 'answers'} after {took:.1f} s"
    raise Refused(f"{model}: {refused[0]}", hint="`models` says what a model is called there")
