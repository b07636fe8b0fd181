"""How much one may use in how long, and when that starts anew. Pure.

Windows are fixed and begin by UTC: a day at midnight, a month on its first. Who uses all of one
window at its end and all of the next at its beginning gets twice the amount in a short time; in
return, when it starts anew can be told to the second.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

BILLION = 10**9
"""Money is counted in whole billionths of a currency: a token costs far less than a cent, and sums
of floating-point numbers depend on their order."""


class Unit(StrEnum):
    """What is counted."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    """Of the prompt and of the answer together."""
    MONEY = "money"


class Per(StrEnum):
    """How long a window is."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    def begin(self, at: datetime) -> datetime:
        """When the window began that a moment lies in."""
        whole = at.astimezone(UTC).replace(second=0, microsecond=0)
        if self is Per.MINUTE:
            return whole
        if self is Per.HOUR:
            return whole.replace(minute=0)
        return whole.replace(minute=0, hour=0, day=1 if self is Per.MONTH else whole.day)

    def end(self, at: datetime) -> datetime:
        """When the next window begins after a moment."""
        begin = self.begin(at)
        if self is Per.MONTH:
            return (begin + timedelta(days=32)).replace(day=1)
        return begin + _LENGTHS[self]


@dataclass(frozen=True, slots=True)
class Quota:
    """So much in a window, and no more."""

    unit: Unit
    amount: int
    """Requests, tokens, or billionths of the currency."""
    per: Per
    currency: str = ""
    """As ISO 4217 writes it; "" for what is no money."""
    model: str = "*"
    """What has to be asked for so that it counts; `*` stands for anything."""

    def concerns(self, model: str) -> bool:
        """Whether a request for that model counts."""
        return fits(self.model, model)

    def __str__(self) -> str:
        """As `read_quota` reads it, nothing lost."""
        money = f"{told(self.amount)}{self.currency}"
        amount = money if self.unit is Unit.MONEY else str(self.amount)
        where = "" if self.model == "*" else f"@{self.model}"
        return f"{self.unit}={amount}/{self.per}{where}"


def read_quota(text: str) -> Quota:
    """`requests=1000/day`, `tokens=1.5m/day@big-model`, `money=5EUR/month`. `k` is a thousand, `m`
    a million. Raises ValueError for anything else, and for an amount of nothing."""
    found = _QUOTA.fullmatch(text)
    if found is None:
        raise ValueError(f"`{text[:60]}` is no quota; {_RIGHT}")
    unit, (amount, currency) = Unit(found["unit"]), (found["amount"], found["rest"])
    if (unit is Unit.MONEY) != (len(currency) == 3):
        raise ValueError(
            f"`{text[:60]}` is no quota: money has a currency, all else none; {_RIGHT}"
        )
    factor = BILLION if unit is Unit.MONEY else _FACTORS[currency]
    exact = Decimal(amount) * factor
    if exact != int(exact) or not 0 < exact <= MOST:
        raise ValueError(f"`{text[:60]}` is no quota: {amount}{currency} cannot be counted")
    kept = currency if unit is Unit.MONEY else ""
    return Quota(unit, int(exact), Per(found["per"]), kept, found["model"] or "*")


def read_pattern(text: str) -> str:
    """A pattern for names of models, in which `*` stands for anything. Raises ValueError."""
    if _PATTERN.fullmatch(text) is None:
        raise ValueError(f"`{text[:60]}` is no name of a model; write `qwen` or `big-*`")
    return text


def fits(pattern: str, model: str) -> bool:
    """Whether a pattern is about a model.

    Each part between two stars is looked for once, from where the one before ended. A regular
    expression would try every way to put them, and clients say how long the text is.
    """
    first, *parts = pattern.split("*")
    if not parts:
        return pattern == model
    if not model.startswith(first):
        return False
    at, last = len(first), parts.pop()
    for part in parts:
        found = model.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(model) - len(last) >= at and model.endswith(last)


def told(money: int) -> str:
    """Billionths in plain decimals: `5`, `0.25`, `0.0000015`."""
    whole, rest = divmod(money, BILLION)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


MOST = 10**17
"""Of whatever is counted; more is a typo, and sums of it have to fit a database's 63 bits."""

_NAME = r"[A-Za-z0-9*][A-Za-z0-9*._:/-]{0,99}"
_PATTERN = re.compile(_NAME, re.ASCII)
_QUOTA = re.compile(
    r"(?P<unit>requests|tokens|money)=(?P<amount>[0-9]{1,18}(?:\.[0-9]{1,9})?)(?P<rest>[km]|[A-Z]{3}|)"
    rf"/(?P<per>minute|hour|day|month)(?:@(?P<model>{_NAME}))?",
    re.ASCII,
)
_FACTORS = {"": 1, "k": 1000, "m": 1_000_000}
_LENGTHS = {
    Per.MINUTE: timedelta(minutes=1),
    Per.HOUR: timedelta(hours=1),
    Per.DAY: timedelta(days=1),
}
_RIGHT = "write for example `requests=1000/day`, `tokens=1m/day@big-model` or `money=5EUR/month`"
