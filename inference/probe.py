"""Has a replica prove that it answers: readiness is a first real token, never an open port."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import aiohttp

from domain.clock import Clock
from domain.errors import Refused, TargetError
from domain.readiness import FirstToken
from inference.client import (
    ChatRequest,
    Timeouts,
    Turn,
    Usage,
    complete_once,
    list_models,
    stream_chat,
)
from inference.pace import Pace

PATIENCE = Timeouts(connect=2.0, first_byte=30.0, idle=5.0)
_MEASURED = 8
"""Tokens: what people wait for at the end of a deployment, so no more than a speed takes."""


class Prober:
    """Asks a server for its models, then for one token. Is a `domain.readiness.Probe`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        clock: Clock,
        *,
        timeouts: Timeouts = PATIENCE,
        measure_for: float = 5.0,
    ) -> None:
        self._session = session
        self._clock = clock
        self._timeouts = timeouts
        self._measure_for = measure_for

    async def __call__(self, url: str, model: str) -> FirstToken | None:
        """The first token, once the model is listed and a one-token completion came back whole.

        None for a server that is absent, loading, hung, refusing or serving something else, and
        for one whose answer holds no token or has no end. One that will not chat, as a model
        without a chat template, may complete a text instead.
        """
        try:
            listed = (await list_models(self._session, url, self._timeouts)).names
            if model not in listed and f"{model}:latest" not in listed:  # as Ollama writes it
                return None
            pace = Pace(self._clock)
            async with asyncio.timeout(self._timeouts.first_byte + self._timeouts.idle):
                try:
                    usage = await self._listen(url, _question(model, max_tokens=1), pace)
                except Refused:
                    pace = Pace(self._clock)
                    came = await complete_once(self._session, url, model, self._timeouts)
                    return FirstToken(pace.first_token) if came else None
        except (TargetError, TimeoutError):
            return None
        return FirstToken(pace.first_token) if _came(usage, pace) else None

    async def measure(self, url: str, model: str) -> FirstToken:
        """How soon and how fast a ready replica answers, over 8 tokens or about 5 seconds.

        Never raises: where it fails, or less than two tokens came, `tokens_per_second` is None
        and `seconds` is how long it was tried.
        """
        pace = Pace(self._clock)
        usage = Usage(None, None)
        try:
            async with asyncio.timeout(self._measure_for):
                usage = await self._listen(url, _question(model, max_tokens=_MEASURED), pace)
        except TargetError:
            return FirstToken(pace.first_token)
        except TimeoutError:
            pass
        return FirstToken(pace.first_token, usage.speed(pace))

    async def _listen(self, url: str, question: ChatRequest, pace: Pace) -> Usage:
        """Hear an answer to its end; returns what the server says of it."""
        usage = Usage(None, None)
        parts = stream_chat(self._session, url, question, self._timeouts)
        async with aclosing(parts):
            async for part in parts:
                if isinstance(part, Usage):
                    usage = part
                else:
                    pace.heard()
        return usage


def _came(usage: Usage, pace: Pace) -> bool:
    """Whether there was a token: heard, counted, or cut off after it. Half a letter, or a thought,
    is never heard."""
    counted = pace.pieces or usage.completion_tokens(pace)
    return bool(counted) or usage.finish_reason == "length"


def _question(model: str, *, max_tokens: int) -> ChatRequest:
    return ChatRequest(model, (Turn("user", "Say hello."),), max_tokens, temperature=0.0)
