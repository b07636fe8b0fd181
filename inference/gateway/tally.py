"""What is learnt of one request while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from domain.clock import Clock
from domain.usage import Api, Fault, Served
from inference.endpoints import Endpoint
from inference.wire import Tokens

Listener = Callable[[Served], None]
"""Told once of every request that has ended. Quick, and never raises."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    owner: str
    """A Matrix id, a room, or the name of an app."""
    key: str | None = None
    """The id of the API key that was shown; None for what is asked in a room."""


class Tally:
    """Begun when a request comes in; closed once, however it ends."""

    def __init__(
        self, caller: Caller, model: str, api: Api, clock: Clock, *, streamed: bool
    ) -> None:
        self._caller, self._model, self._api = caller, model, api
        self._clock, self._streamed = clock, streamed
        self._at, self._began = clock.now(), clock.monotonic()
        self._tokens: Tokens | None = None
        self._pieces = 0
        self._first: float | None = None
        self.endpoint: Endpoint | None = None
        """Who answers, or was asked last."""
        self.attempts = 0

    @property
    def created(self) -> int:
        """When it came in, in whole seconds since 1970."""
        return int(self._at.timestamp())

    def asks(self, endpoint: Endpoint) -> None:
        """One more is asked."""
        self.endpoint = endpoint
        self.attempts += 1

    def begins(self) -> None:
        """The first content has come."""
        if self._first is None:
            self._first = self._clock.monotonic() - self._began

    def counts(self, tokens: Tokens | None, pieces: int) -> None:
        """What the answer took so far: as the backend counts, or in pieces."""
        self._tokens, self._pieces = tokens, pieces

    def closed(self, status: int, fault: Fault | None) -> Served:
        """The whole of it, as it ended."""
        at, tokens = self.endpoint, self._tokens
        guessed = tokens is None and self._pieces > 0
        return Served(
            self._at,
            self._caller.key,
            self._caller.owner,
            self._model,
            self._api,
            at.service if at else "",
            str(at.replica) if at and at.ours else "",
            at.target if at else "",
            self._streamed,
            status,
            fault,
            prompt_tokens=tokens.prompt_tokens if tokens else None,
            completion_tokens=tokens.completion_tokens if tokens else self._pieces or None,
            estimated=guessed,
            first_token=self._first,
            seconds=self._clock.monotonic() - self._began,
            attempts=self.attempts,
        )
