"""`usage`: what was asked of models, by whom, and what it came to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import add

import click

from commands.access import Permit
from commands.replies import Reply, Table
from commands.verb import Deps, Verb, option
from commands.words import DurationWord
from domain.accounts import Account, Sums
from domain.people import Role
from domain.progress import Report
from domain.quotas import Per, told

SINCE = 86400.0
"""Seconds that are looked back unless somebody says how many."""

IN_ROOMS = "in rooms"
"""Stands for the key of what came with none."""

_Row = tuple[str, str, str]
"""(key, model, backend)"""


@dataclass(frozen=True)
class UsageRequest:
    """What was used, of everything or of something."""

    what: str | None = None
    since: float | None = None


async def usage(request: UsageRequest, permit: Permit, deps: Deps, report: Report) -> Reply:
    """A row for each key, model and backend, those that took most tokens first."""
    since = Per.HOUR.begin(deps.clock.now() - timedelta(seconds=request.since or SINCE))
    async with deps.store.transaction() as tx:
        found = await tx.usage.since(since)
    rows = _rows(found, request.what, deps)
    when = f"since {since:%d %b %H:%M} UTC"
    if not rows:
        about = f" of {request.what[:60]}".replace("`", "") if request.what else ""
        further = "" if request.since else "; `!usage --since 30d` looks further back"
        return Reply.done(f"Nothing was used{about} {when}{further}")
    currency = deps.keyring.tariff.currency
    ranked = sorted(rows.items(), key=lambda each: (-each[1].tokens, -each[1].requests, each[0]))
    cells = tuple(_cells(row, sums, currency, deps) for row, sums in ranked)
    total = _counted(reduce(add, rows.values()), currency)
    head = ("key", "whose", "asked for", "answered by", "requests", "failed", "tokens in, out")
    summary = f"{total[0]} requests, {total[1]} failed, {total[2]} tokens in, out {when}"
    if currency:
        return Reply.done(f"{summary}: {total[3]}", Table((*head, "cost"), cells))
    return Reply.done(summary, Table(head, tuple(row[:-1] for row in cells)))


def _rows(found: Mapping[Account, Sums], what: str | None, deps: Deps) -> dict[_Row, Sums]:
    """Hours put together, of what somebody named: a key, a model, a backend or an owner."""
    rows: defaultdict[_Row, Sums] = defaultdict(Sums)
    for account, sums in found.items():
        row = (account.key, account.model, account.backend)
        if what is None or what in (*row, _owner(account.key, deps)):
            rows[row] += sums
    return dict(rows)


def _owner(name: str, deps: Deps) -> str:
    known = deps.keyring.get(name)
    return str(known.owner) if known else ""


def _cells(row: _Row, sums: Sums, currency: str, deps: Deps) -> tuple[str, ...]:
    key, model, backend = row
    names = (key or IN_ROOMS, _owner(key, deps), model, backend or "nobody")
    return tuple(cell.replace("`", "") for cell in (*names, *_counted(sums, currency)))


def _counted(sums: Sums, currency: str) -> tuple[str, str, str, str]:
    about = "about " if sums.estimated_tokens else ""
    tokens = f"{about}{sums.prompt_tokens:,}, {sums.completion_tokens:,}"
    cost = f"{told(sums.money)} {currency}"
    return f"{sums.requests:,}", f"{sums.failed:,}", tokens, cost


VERB = Verb(
    name="usage",
    summary="what was asked of models, by whom, and what it came to",
    examples=("usage", "usage --since 7d", "usage qwen", "usage k3f9a2 --since 30d"),
    request=UsageRequest,
    handle=usage,
    role=Role.VIEWER,
    params=(
        click.Argument(["what"], type=click.STRING, required=False, metavar="NAME|KEY"),
        option("--since", DurationWord(), "7d", "how far to look back; default: 1d"),
    ),
    notes=(
        "NAME is what was asked for, who answered, or whose the key is. Whole hours are counted, a "
        "second behind. `about` stands where some tokens were counted by the bot, since a backend "
        "does not.",
    ),
)
