"""Asks a service, whichever of its replicas answers."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import aiohttp

from domain.clock import Clock
from domain.errors import Unreachable
from domain.replicas import ReplicaId
from inference.client import ChatRequest, Timeouts, Turn, Usage, stream_chat
from inference.endpoints import Endpoint, Endpoints, Place
from inference.pace import Pace
from inference.routing import order


@dataclass(frozen=True, slots=True)
class Piece:
    """The next few characters of an answer, and who said them. One answer has one replica."""

    text: str
    replica: ReplicaId


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a complete answer, and how it went."""

    replica: ReplicaId
    prompt_tokens: int | None
    """None where the engine does not count; then `completion_tokens` counts pieces."""
    completion_tokens: int
    first_token: float
    """Seconds from asking to the first words, replicas tried in vain included."""
    tokens_per_second: float | None
    """Of the tokens after the first; None where there were none."""
    finish_reason: str | None
    """`stop`, or `length` where `max_tokens` or the context ended it."""


class Models:
    """Everything people can talk to, by the name of its service."""

    def __init__(
        self,
        endpoints: Endpoints,
        session: aiohttp.ClientSession,
        timeouts: Timeouts,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._endpoints = endpoints
        self._session = session
        self._timeouts = timeouts
        self._clock = clock
        self._rng = rng

    async def ask(
        self,
        service: str,
        turns: tuple[Turn, ...],
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> AsyncGenerator[Piece | Answer, None]:
        """Stream an answer: pieces as they come, at the end one Answer.

        A replica knows its model by the service's name. Until the first piece, one that cannot
        be reached is passed over for another; each is asked at most once. Closing the generator,
        or leaving the loop over it, closes the connection at once.

        Raises Unreachable when no replica answers, Refused when one says no, and Broken, with
        what was said, when an answer that had begun is cut off.
        """
        request = ChatRequest(service, turns, max_tokens, temperature)
        pace = Pace(self._clock)
        failed: dict[Place, Unreachable] = {}
        while endpoint := self._choose(service, failed):
            try:
                async with aclosing(self._answer(endpoint, request, pace)) as parts:
                    async for part in parts:
                        yield part
                return
            except Unreachable as error:
                failed[endpoint.place] = error
        raise _nobody(service, failed)

    def _choose(self, service: str, failed: Mapping[Place, Unreachable]) -> Endpoint | None:
        endpoints = self._endpoints.of(service)
        return next(iter(order(endpoints, exclude=frozenset(failed), rng=self._rng)), None)

    async def _answer(
        self, endpoint: Endpoint, request: ChatRequest, pace: Pace
    ) -> AsyncGenerator[Piece | Answer, None]:
        parts = stream_chat(self._session, endpoint.url, request, self._timeouts)
        with self._endpoints.lease(endpoint.replica, target=endpoint.target):
            async with aclosing(parts):
                async for part in parts:
                    if isinstance(part, Usage):
                        yield _summed_up(endpoint.replica, part, pace)
                    else:
                        pace.heard()
                        yield Piece(part.text, endpoint.replica)


def _summed_up(replica: ReplicaId, usage: Usage, pace: Pace) -> Answer:
    tokens = usage.tokens
    return Answer(
        replica,
        prompt_tokens=tokens.prompt_tokens if tokens else None,
        completion_tokens=usage.completion_tokens(pace),
        first_token=pace.first_token,
        tokens_per_second=usage.speed(pace),
        finish_reason=usage.finish_reason,
    )


def _nobody(service: str, failed: Mapping[Place, Unreachable]) -> Unreachable:
    hint = f"`!status {service}` shows how its replicas are"
    if not failed:
        return Unreachable(f"{service} has no ready replica", hint)
    (_, replica), last = list(failed.items())[-1]
    if len(failed) == 1:
        return Unreachable(f"{replica} did not answer: {last.summary}", hint)
    return Unreachable(
        f"none of {len(failed)} replicas of {service} answered; {replica}: {last.summary}", hint
    )
