"""What was used, added up by the hour. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from domain.tariffs import Tariff, tokens_of
from domain.usage import Served

HOUR = 3600
"""Seconds."""


class Account(NamedTuple):
    """What is counted together."""

    hour: datetime
    """When it began, by UTC. Requests belong to the hour in which they end."""
    key: str
    """The id of the API key; "" for what is asked in rooms."""
    model: str
    """What was asked for."""
    backend: str
    """Who answered, or was asked last; "" when nobody was."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What some requests came to."""

    requests: int = 0
    failed: int = 0
    """Of these: those that came to nothing, or not to their end."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated_tokens: int = 0
    """Of these: those that no backend counted."""
    money: int = 0
    """Billionths of the currency."""

    @property
    def tokens(self) -> int:
        """Both ways."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.requests + other.requests,
            self.failed + other.failed,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.estimated_tokens + other.estimated_tokens,
            self.money + other.money,
        )


def account_of(served: Served) -> Account:
    """Where a request belongs."""
    ended = served.at.timestamp() + served.seconds
    hour = datetime.fromtimestamp(ended // HOUR * HOUR, UTC)
    return Account(hour, served.key or "", served.model, served.backend)


def sums_of(served: Served, tariff: Tariff) -> Sums:
    """What one request came to."""
    prompt, completion = tokens_of(served)
    return Sums(
        requests=1,
        failed=int(served.fault is not None),
        prompt_tokens=prompt,
        completion_tokens=completion,
        estimated_tokens=prompt + completion if served.estimated else 0,
        money=tariff.cost(served),
    )
