"""What replicas cost where somebody said so. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator


@dataclass(frozen=True, slots=True)
class Price:
    """What one replica costs for each hour that it is there."""

    amount: Decimal
    currency: str
    """As ISO 4217 writes it: `EUR`."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a change comes to in one currency, for each hour from then on."""

    currency: str
    before: Decimal
    after: Decimal
    more: int
    """Replicas that are paid for in that currency and were not there before; fewer below 0."""


def read_price(text: str) -> Price:
    """`1.20 EUR`. Raises ValueError for anything else."""
    found = _PRICE.fullmatch(text)
    if found is None:
        raise ValueError(f"`{text[:40]}` is no price; write for example `1.20 EUR`")
    return Price(Decimal(found[1]), found[2])


def bills(moves: Iterable[tuple[Price, int, int]]) -> tuple[Bill, ...]:
    """Of (price, replicas before, replicas after) on each target, one bill a currency."""
    found: dict[str, Bill] = {}
    for price, before, after in moves:
        bill = found.get(price.currency, Bill(price.currency, Decimal(0), Decimal(0), 0))
        found[price.currency] = Bill(
            price.currency,
            bill.before + price.amount * before,
            bill.after + price.amount * after,
            bill.more + after - before,
        )
    return tuple(found.values())


def _checked(text: str) -> str:
    read_price(text)
    return text


_PRICE = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,4})?) ([A-Z]{3})", re.ASCII)

COST = "cost_per_hour"
"""The setting of a target that holds one, of any kind."""

PriceText = Annotated[str, AfterValidator(_checked)]
"""A price as it is written in the configuration."""
