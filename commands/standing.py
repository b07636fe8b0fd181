"""How backends and routes stand, in words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from commands.measured import requests, traffic
from commands.replies import Block, Table, duration
from domain.expiries import moment, span
from inference.outlook import BackendView, Condition, MemberView, RouteView
from inference.traffic import Traffic

Lately = Callable[[str], Traffic | None]
"""What was asked of a service or a backend in the last minute."""


def condition(each: Condition, now: datetime) -> str:
    """Why somebody is not asked like any other, and since when; "" where he is."""
    if not each.breaker.closed:
        since = each.breaker.since or now
        ago = span((now - since).total_seconds())
        return f"left alone since {moment(since, now)} ({ago}): {each.breaker.reason}"
    if each.cooling:
        return f"wants to be asked again in {duration(each.cooling)}; until then others go first"
    return ""


def all_backends(views: Sequence[BackendView], lately: Lately, now: datetime) -> list[Block]:
    """A row each; nothing where there are none."""
    if not views:
        return []
    rows = tuple(
        (
            each.name,
            each.kind,
            _mark([each.condition]),
            _busy(each),
            _minute(lately(each.name)),
            condition(each.condition, now),
        )
        for each in views
    )
    return [Table(("backend", "kind", "", "in flight", "last minute", ""), rows)]


def all_routes(names: Sequence[str]) -> list[Block]:
    """What there is to ask about; nothing where there are none."""
    if not names:
        return []
    listed = ", ".join(f"`{name}`" for name in names)
    return [f"Routes: {listed}. `!status @{names[0]}` tells who would be asked"]


def one_backend(view: BackendView, lately: Traffic | None, now: datetime) -> list[Block]:
    """All there is to tell of one."""
    models = f" · models {', '.join(view.models)}" if view.models else ""
    first = f"{_mark([view.condition])} {view.name}: a backend ({view.kind})"
    blocks: list[Block] = [f"{first} · {_busy(view)} in flight{models}"]
    blocks += [traffic(lately)] if lately else []
    trouble = condition(view.condition, now)
    return [*blocks, f"{trouble[0].upper()}{trouble[1:]}."] if trouble else blocks


def one_route(view: RouteView, lately: Lately, now: datetime) -> list[Block]:
    """Its members as they are listed, and in which order they would be asked."""
    how = "as they are listed" if view.as_listed else "by what they run on"
    first = f"{view.name}: a route, whose members are asked {how}."
    head = ("member", "is", "share", "", "in flight", "last minute", "")
    rows = tuple(
        (
            each.name,
            each.kind or "service",
            f"{each.weight} of 100" if each.weight else "",
            "⏹" if each.expected == 0 else _mark(each.conditions),
            str(each.in_flight),
            _minute(lately(each.name)),
            _trouble(each, now),
        )
        for each in view.members
    )
    return [f"{first} {_next(view)}", Table(head, rows)]


def _next(view: RouteView) -> str:
    if not view.next:
        return "Nobody of them can be asked now."
    return f"Now that is {', then '.join(f'`{name}`' for name in view.next)}."


def _trouble(each: MemberView, now: datetime) -> str:
    if each.expected is None:
        return "there is no such service or backend"
    if not each.expected:
        return "it is stopped"
    if not each.conditions:
        return "nobody is ready"
    told = [condition(one, now) for one in each.conditions if not one.well]
    if not told:
        return ""
    if len(each.conditions) == 1:
        return told[0]
    return f"{len(told)} of {len(each.conditions)} are left alone; `!status {each.name}` tells why"


def _mark(conditions: Sequence[Condition]) -> str:
    """The best of them counts."""
    if any(each.well for each in conditions):
        return "✓"
    return "⏸" if any(each.breaker.closed for each in conditions) else "✗"


def _busy(view: BackendView) -> str:
    return f"{view.in_flight}/{view.capacity}"


def _minute(lately: Traffic | None) -> str:
    return requests(lately) if lately else ""
