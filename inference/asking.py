"""Asks a service, a backend or a route from a room, whichever replica answers."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from domain.clock import Clock
from domain.errors import OpsError, Refused, TargetError, Unreachable
from domain.replicas import ReplicaId
from domain.usage import Fault
from inference.batch.share import Share
from inference.client import Broken, ChatRequest, Turn, Usage
from inference.endpoints import Endpoint
from inference.gateway.asked import Asked
from inference.gateway.misses import CutOff, Missed, Rejected, Whole
from inference.gateway.problems import GONE, problem
from inference.gateway.relay import Relay
from inference.gateway.tally import Caller, Listener, Tally
from inference.goals import Goal
from inference.outlook import Outlook
from inference.pace import Pace
from inference.router import NotReady
from inference.sse import EventParser
from inference.wire import DONE, Chunk, Tokens, read_chunk


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


@dataclass(frozen=True, slots=True)
class Told:
    """What came back for a request that was put as it is."""

    answer: Whole
    """An error as the gateway's clients are told it, too."""
    fault: Fault | None
    """None for an answer that came whole."""
    away: bool = False
    """Whether nobody was there at all, so that nobody has seen it."""


Held = Callable[[tuple[str, ...]], Awaitable[float]]
"""Told the services and backends that are waited for; returns seconds."""


class Models:
    """Everything people can talk to, by name. Goes the way that the gateway's requests go."""

    def __init__(self, relay: Relay, clock: Clock, ended: Listener) -> None:
        self._relay = relay
        self._clock = clock
        self._ended = ended
        self.share = Share(relay.router)
        """What all batches together may take of whom."""

    @property
    def names(self) -> tuple[str, ...]:
        """Services, ready or not, backends and routes."""
        return self._relay.router.names

    @property
    def outlook(self) -> Outlook:
        """How those who can be asked stand."""
        return self._relay.router.outlook

    async def ask(
        self,
        name: str,
        turns: tuple[Turn, ...],
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        owner: str = "",
        held: Held | None = None,
    ) -> AsyncGenerator[Piece | Answer, None]:
        """Stream an answer: pieces as they come, at the end one Answer.

        Until the first piece, one that cannot be reached is passed over for another. Closing the
        generator, or leaving the loop over it, closes the connection at once. It is accounted for
        as the `owner`'s. `held` is told once, where nobody is ready yet, and who asks is then held
        as long as it says, beyond what is held for anybody.

        Raises UnknownName for a name that leads nowhere, Unreachable when nobody answers, Refused
        for a clear no, and Broken, with what was said, when an answer that had begun is cut off.
        """
        goal = self._relay.router.goal(name)
        request = ChatRequest(name, turns, max_tokens, temperature).body()
        raw = json.dumps(request).encode()
        asked = Asked("chat", name, request, raw, stream=True, wants_usage=True)
        tally = Tally(Caller(owner), goal.name, "chat", self._clock, streamed=True)
        hearing = _Hearing(self._clock)
        status: int = GONE
        fault: Fault | None = Fault.GONE
        try:
            if held is not None and self._relay.router.choose(goal, ()) is None:
                await self._hold(goal, await held(goal.members))
            async with aclosing(self._relay.stream(asked, goal, tally)) as parts:
                async for part in parts:
                    for text in hearing.hear(part) if isinstance(part, bytes) else ():
                        yield Piece(text, _who(tally))
            status, fault = 200, None
            yield hearing.summed_up(_who(tally))
        except (OpsError, ValueError) as error:
            told = problem(error if isinstance(error, OpsError) else TargetError(str(error)))
            status, fault = told.answer.status, told.fault
            raise _for_people(error, goal, tally, hearing) from error
        finally:
            self._ended(tally.closed(status, fault))

    def goal(self, name: str) -> Goal:
        """What a name leads to. Raises UnknownName."""
        return self._relay.router.goal(name)

    async def put(self, asked: Asked, goal: Goal, first: Endpoint, *, owner: str = "") -> Told:
        """Put a request that is not streamed to one endpoint, and where that does not answer to
        others, and return what came back. It is accounted for as the `owner`'s.

        Cancelled, it closes the connection at once.
        """
        tally = Tally(Caller(owner), goal.name, asked.api, self._clock, streamed=False)
        status: int = GONE
        fault: Fault | None = Fault.GONE
        away = False
        try:
            answer = await self._relay.whole(asked, goal, tally, first=first)
            status, fault = answer.status, None
        except OpsError as error:
            told = problem(error)
            answer, status, fault = told.answer, told.answer.status, told.fault
            away = isinstance(error, NotReady) or (isinstance(error, Missed) and error.certain)
        finally:
            self._ended(tally.closed(status, fault))
        return Told(answer, fault, away)

    async def _hold(self, goal: Goal, seconds: float) -> None:
        """Wait so long for somebody to get ready. Raises NotReady where that makes no sense."""
        until = self._clock.monotonic() + seconds
        while self._clock.monotonic() < until and not await self._relay.router.ready(goal, ()):
            pass  # each round takes as long as requests are held


class _Hearing:
    """What was heard of one answer so far."""

    def __init__(self, clock: Clock) -> None:
        self._parser = EventParser()
        self._pace = Pace(clock)
        self._said: list[str] = []
        self._tokens: Tokens | None = None
        self._finish_reason: str | None = None
        self._speed: float | None = None

    @property
    def said(self) -> str:
        """The answer as far as it was heard."""
        return "".join(self._said)

    def hear(self, received: bytes) -> list[str]:
        """The words in the next events. Raises what the backend says in place of more."""
        chunks = [read_chunk(event) for event in self._parser.feed(received) if event != DONE]
        return [chunk.text for chunk in chunks if self._take_in(chunk)]

    def summed_up(self, replica: ReplicaId) -> Answer:
        """How it went, at its end."""
        usage, pace = Usage(self._tokens, self._finish_reason, self._speed), self._pace
        return Answer(
            replica,
            prompt_tokens=self._tokens.prompt_tokens if self._tokens else None,
            completion_tokens=usage.completion_tokens(pace),
            first_token=pace.first_token,
            tokens_per_second=usage.speed(pace),
            finish_reason=self._finish_reason,
        )

    def _take_in(self, chunk: Chunk) -> bool:
        self._tokens = chunk.usage or self._tokens
        self._finish_reason = chunk.finish_reason or self._finish_reason
        self._speed = chunk.timings.predicted_per_second if chunk.timings else self._speed
        if chunk.text:
            self._said.append(chunk.text)
            self._pace.heard()
        return bool(chunk.text)


def _who(tally: Tally) -> ReplicaId:
    assert tally.endpoint is not None, "who has answered was asked"
    return tally.endpoint.replica


def _for_people(
    error: OpsError | ValueError, goal: Goal, tally: Tally, hearing: _Hearing
) -> OpsError:
    """The same error in words for a room. After words had come it is the end of the answer."""
    if hearing.said:
        why = error.why if isinstance(error, CutOff) else str(error)
        return Broken(why, hearing.said)
    if isinstance(error, Rejected):
        return Refused(error.summary, error.hint)
    hint = f"`!status {goal.members[0]}` shows how its replicas are"
    if tally.endpoint is None:
        return Unreachable(str(error), hint)
    if tally.attempts == 1:
        return Unreachable(f"{tally.endpoint.replica} did not answer: {error}", hint)
    count = f"none of {tally.attempts} replicas of {goal.asked} answered"
    return Unreachable(f"{count}; {tally.endpoint.replica}: {error}", hint)
