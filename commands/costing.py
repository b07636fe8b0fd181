"""What a plan tells of money. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from domain.costs import Bill, bills
from fleet.rollout import Rollout


def costing(rollout: Rollout) -> Iterator[str]:
    """What the service costs from then on, a line for each currency; nothing where no price is
    known. Counts the replicas that are wanted, not what runs twice for a moment meanwhile."""
    want, before = rollout.want, rollout.before
    moves = [
        (plan.cost, before.replicas_on(plan.target) if before else 0, want.replicas_on(plan.target))
        for plan in rollout.plans
        if plan.cost is not None
    ]
    unpriced = [p.target for p in rollout.plans if p.cost is None and want.replicas_on(p.target)]
    beside = f", without {', '.join(unpriced)}" if unpriced else ""
    for bill in bills(moves):
        if bill.before or bill.after:
            yield f"Cost: {_told(bill)}{beside}"


def _told(bill: Bill) -> str:
    in_all, change = f"{_two(bill.after)} {bill.currency}/h", bill.after - bill.before
    if not change:
        return f"{in_all}, as before"
    count = abs(bill.more)
    noun, which = "replica" if count == 1 else "replicas", "more" if bill.more > 0 else "fewer"
    moved = f" ({count} {noun} {which})" if count else ""
    sign = "+" if change > 0 else "-"
    return f"{sign}{_two(abs(change))} {bill.currency}/h{moved}, {in_all} in all"


def _two(amount: Decimal) -> str:
    """With two decimals, or as many as it takes."""
    shortest = f"{amount.normalize():f}"
    decimals = len(shortest.partition(".")[2])
    return f"{amount:.{max(2, decimals)}f}"
