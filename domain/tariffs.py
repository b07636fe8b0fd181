"""What tokens cost, where somebody said so. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

from domain.quotas import BILLION
from domain.usage import Served

PER_MILLION = 10**6

_FINE = 10**9
"""Parts of a billionth."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What a million tokens cost, in the tariff's currency."""

    prompt: Decimal
    completion: Decimal


@dataclass(frozen=True)
class Tariff:
    """Prices by the name of who answers."""

    rates: Mapping[str, Rate] = field(default_factory=dict)
    """By the name of a backend or service, or of what was asked for: the first counts before the
    second. What has no price costs nothing."""
    currency: str = ""
    """As ISO 4217 writes it; one for all of them."""

    def cost(self, served: Served) -> int:
        """What a request comes to, in whole billionths of the currency, rounded half to even."""
        return self._sum(served.backend, served.model, *tokens_of(served))

    def price(self, backend: str, asked: str, prompt: int | None, completion: int | None) -> int:
        """What so many tokens of an answer come to, likewise; None stands for what nobody counted.

        `backend` is who answered, `asked` the name that was asked for.
        """
        return self._sum(backend, asked, _sane(prompt), _sane(completion))

    def _sum(self, backend: str, asked: str, prompt: int, completion: int) -> int:
        each = self._each.get(backend) or self._each.get(asked)
        if each is None:
            return 0
        whole, rest = divmod(prompt * each[0] + completion * each[1], _FINE)
        return whole + (rest * 2 > _FINE or (rest * 2 == _FINE and whole % 2))

    @cached_property
    def _each(self) -> Mapping[str, tuple[int, int]]:
        """What one token costs each way, in whole parts so fine that nothing is rounded: this is
        asked for each request."""
        factor = BILLION // PER_MILLION * _FINE
        rates = self.rates.items()
        return {n: (int(r.prompt * factor), int(r.completion * factor)) for n, r in rates}


def tokens_of(served: Served) -> tuple[int, int]:
    """(of the prompt, of the answer), 0 where nobody counted.

    Backends may say anything: what is below nothing is nothing, and what is beyond all reason is
    cut, so that one lie cannot make sums that no database takes.
    """
    return _sane(served.prompt_tokens), _sane(served.completion_tokens)


def _sane(tokens: int | None) -> int:
    return min(max(tokens or 0, 0), MOST_TOKENS)


MOST_TOKENS = 10**8
"""In one request, each way."""
