"""What a plan tells of money: as much as somebody said, and nothing else."""

from decimal import Decimal

import pytest

from commands.costing import costing
from domain.costs import Price, read_price
from domain.plans import Fingerprint, Plan
from fleet.rollout import Rollout
from tests.fleet.world import spec

EURO, DOLLAR = read_price("0.40 EUR"), read_price("2 USD")


def told(before, want, **prices):
    none = Fingerprint(frozenset())
    plans = [Plan("op", name, want, (), none, cost=prices.get(name)) for name in ("a", "b")]
    return list(costing(Rollout(want, before, tuple(plans))))


@pytest.mark.parametrize(
    ("before", "want", "prices", "lines"),
    [
        (None, {"a": 1}, {"a": EURO}, ["+0.40 EUR/h (1 replica more), 0.40 EUR/h in all"]),
        ({"a": 1}, {"a": 3}, {"a": EURO}, ["+0.80 EUR/h (2 replicas more), 1.20 EUR/h in all"]),
        ({"a": 3}, {"a": 0}, {"a": EURO}, ["-1.20 EUR/h (3 replicas fewer), 0.00 EUR/h in all"]),
        ({"a": 2}, {"a": 2}, {"a": EURO}, ["0.80 EUR/h, as before"]),
        ({"a": 1}, {"a": 3}, {}, []),
        ({"a": 1}, {"b": 1}, {"a": EURO}, ["-0.40 EUR/h (1 replica fewer), 0.00 EUR/h in all, "
                                           "without b"]),
        ({"b": 1}, {"b": 2}, {"a": EURO}, []),
        (
            {"a": 1},
            {"b": 1},
            {"a": EURO, "b": Price(Decimal("1.5"), "EUR")},
            ["+1.10 EUR/h, 1.50 EUR/h in all"],
        ),
        (
            {"a": 1},
            {"a": 1, "b": 1},
            {"a": EURO, "b": DOLLAR},
            ["0.40 EUR/h, as before", "+2.00 USD/h (1 replica more), 2.00 USD/h in all"],
        ),
        (
            None,
            {"a": 3},
            {"a": read_price("0.0045 EUR")},
            ["+0.0135 EUR/h (3 replicas more), 0.0135 EUR/h in all"],
        ),
    ],
)  # fmt: skip
def test_the_difference_and_the_whole_are_told_in_each_currency(before, want, prices, lines):
    counts = spec(**before) if before else None
    assert told(counts, spec(**want), **prices) == [f"Cost: {line}" for line in lines]


@pytest.mark.parametrize("text", ["", "1", "EUR", "1,20 EUR", "-1 EUR", "1 eur", "1e3 EUR"])
def test_anything_but_an_amount_and_a_currency_is_no_price(text):
    with pytest.raises(ValueError, match="is no price; write for example"):
        read_price(text)
