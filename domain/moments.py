"""The moment of a plan at which memory is shortest. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from domain.fit import Fit, Need
from domain.plans import Plan, StepKind
from domain.replicas import Gpu, ReplicaId, TargetFacts
from domain.services import ServiceSpec

_NOTHING: Mapping[ReplicaId, int] = MappingProxyType({})


def measured(
    plan: Plan,
    need: Need | None,
    facts: TargetFacts,
    gives: Mapping[ReplicaId, int] = _NOTHING,
) -> Fit | None:
    """What the plan's replicas come to on its target where the least is left; None where need or
    room cannot be told, or nothing starts.

    `gives` is what each replica that is stopped gives back, in bytes: what is not in it is not
    counted on.
    """
    gpu = plan.want.gpu
    cards = facts.gpus if gpu != "none" else ()
    if isinstance(gpu, int) and not cards:
        return None
    free = sum(card.memory_free for card in cards) if cards else facts.memory_free
    if need is None or free is None:
        return None
    moments = (
        Fit(
            need,
            started,
            free,
            on_card=bool(cards),
            cards=given(cards, back),
            each=_each(need, gpu),
            back=back,
            card=_smallest(cards),
        )
        for started, back in _starts(plan, gives)
    )
    return min(moments, key=lambda fit: (fit.fits, fit.left), default=None)


def taken(need: Need, want: ServiceSpec, cards: Sequence[Gpu]) -> int:
    """Bytes that a replica takes of a target with these cards, once it runs."""
    if want.gpu == "none" or not cards:
        return need.on_processor.total
    return need.on_cards(_smallest(cards), _each(need, want.gpu) or len(cards)).total


def given(cards: Sequence[Gpu], back: int) -> tuple[int, ...]:
    """Bytes free on each card once so much was given back.

    Which card a replica is on is not known: the fullest are taken to be the ones.
    """
    free = [card.memory_free for card in cards]
    for at in sorted(range(len(cards)), key=lambda at: free[at] - cards[at].memory_total):
        share = min(back, cards[at].memory_total - free[at])
        free[at] += share
        back -= share
    return tuple(free)


def _each(need: Need, gpu: int | str) -> int | None:
    """How many cards one replica is shared out over; None where it takes what there is of all."""
    return gpu if isinstance(gpu, int) else need.cards


def _smallest(cards: Sequence[Gpu]) -> int:
    """Bytes. Where cards differ in size, nothing is refused for a share of the larger ones."""
    return min((card.memory_total for card in cards), default=0)


def _starts(plan: Plan, gives: Mapping[ReplicaId, int]) -> Iterator[tuple[int, int]]:
    """At each start: how many were started by then, that one included, and what came back."""
    started = back = 0
    for step in plan.steps:
        if step.kind is StepKind.STOP and step.replica:
            back += gives.get(step.replica, 0)
        elif step.kind is StepKind.START:
            started += 1
            yield started, back
