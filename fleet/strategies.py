"""In which order old and new replicas are replaced on a target. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from deployers.steps import stop_first
from domain.errors import Unsupported
from domain.fit import Fit
from domain.plans import Plan, Strategy
from domain.replicas import TargetFacts
from domain.services import ServiceSpec
from domain.terms import Terms

TOO_LARGE = "old and new do not fit at once"


def chosen(
    plan: Plan, terms: Terms, clash: str | None, measure: Callable[[Plan], Fit | None]
) -> Plan:
    """The plan in the order that works, with its fit; as it came where no order does.

    `clash` is what old and new cannot have both. Raises Unsupported where that rules out the
    strategy that was asked for.
    """
    rolling = replace(plan, fit=measure(plan))
    if not plan.started or not plan.stopped:
        return rolling
    if terms.strategy is Strategy.ROLLING and clash:
        raise Unsupported(f"the old replica has to stop first: {clash}", hint=RECREATE)
    why = clash
    if not why and terms.strategy is Strategy.RECREATE:
        why = "that was asked for"
    if not why and rolling.fit and not rolling.fit.fits and not _insists(terms):
        why = TOO_LARGE
    if not why:
        return rolling
    for every in (False, True):
        found = stop_first(plan, why, every=every)
        found = replace(found, fit=measure(found))
        if found.fit is None or found.fit.fits:
            return found
    return rolling if why == TOO_LARGE else found


def same_port(want: ServiceSpec, before: ServiceSpec | None) -> str | None:
    """The port that an old and a new replica cannot have both, if there is one."""
    if before is None:
        return None
    port = dict(want.settings).get("port", "0")
    same = port != "0" and port == dict(before.settings).get("port")
    return f"both would listen on port {port}" if same else None


def too_few_cards(want: ServiceSpec, before: ServiceSpec | None, facts: TargetFacts) -> str | None:
    """For what nobody knows the need of: whether both have cards for themselves, by number."""
    if before is None or not isinstance(want.gpu, int) or not isinstance(before.gpu, int):
        return None
    cards, taken = len(facts.gpus), before.gpu * before.replicas_on(facts.target)
    if not cards or taken + want.gpu <= cards:
        return None
    return f"old and new together would take {taken + want.gpu} graphics cards, and it has {cards}"


def _insists(terms: Terms) -> bool:
    return terms.force or terms.strategy is Strategy.ROLLING


RECREATE = "say `--strategy recreate`"
