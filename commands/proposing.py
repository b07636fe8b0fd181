"""What is said of a change that does not fit: the sum, and what would."""

from __future__ import annotations

from collections.abc import Sequence

from commands.access import Permit
from commands.planned import arithmetic
from commands.replies import size
from commands.verb import Deps
from domain.errors import Refused
from domain.fit import Fit
from domain.proposals import largest_context, smaller, smaller_share
from domain.services import ServiceSpec
from fleet.candidates import Candidate
from fleet.fitting import DoesNotFit

_SHOWN = 3


async def proposing(error: DoesNotFit, permit: Permit, deps: Deps) -> Refused:
    """The refusal in full. Other targets of the environment are asked; who does not answer within
    seconds is not proposed."""
    want, survey = error.want, deps.fleet.survey
    concerned = [target for target, _ in error.fits]
    others = [t for t in permit.place.targets if t not in concerned]
    elsewhere = await survey.candidates(want, others)
    ideas: list[str] = []
    for target, fit in error.fits:
        ideas += proposals(want, target, fit)
        if fit.on_card:
            ideas += without_card(await survey.candidates(_without_card(want), [target]))
        ideas += stopping(await survey.neighbours(want.name, target), fit)
    ideas += moving(want, elsewhere)
    refused = DoesNotFit(want, error.fits)
    sums = [(f"on {target} " if len(concerned) > 1 else "", fit) for target, fit in error.fits]
    told_sums = "; ".join(where + arithmetic(fit) for where, fit in sums)
    refused.summary = f"{refused.summary}: {told_sums}"
    told = "; ".join(dict.fromkeys(ideas))
    refused.hint = f"what would fit: {told}; or {error.hint}" if told else error.hint
    return refused


def proposals(want: ServiceSpec, target: str, fit: Fit) -> list[str]:
    """What would fit on the same target, each as a few words. Pure."""
    found = []
    context = largest_context(fit)
    count = fit.need.conversations
    if context:
        each = f" for each of {count} conversations" if count > 1 else ""
        found.append(f"`--ctx {context}`{each}")
    alone = largest_context(fit, 1) if count > 1 else None
    if alone and want.engine == "llamacpp" and alone > (context or 0):
        found.append(f"`--set parallel=1 --ctx {alone}`")
    if share := smaller_share(fit):
        found.append(f"`--set gpu-memory={share:g}`")
    fewer = want.replicas_on(target) - (fit.replicas - fit.most)
    if 0 < fewer < want.replicas_on(target) and fit.most:
        found.append(f"{fewer} replica{'s' if fewer != 1 else ''} on {target}")
    if found_smaller := smaller(fit):
        name, weights = found_smaller
        now = fit.need.quantisation
        found.append(f"a {name} of it would be about {size(weights)} (this is {now})")
    return found


def without_card(there: Sequence[Candidate]) -> list[str]:
    """The same target's processor, if its memory is enough. Pure."""
    return [f"`--gpu none`, where {size(c.fit.free)} are free" for c in there if c.fits and c.fit]


def _without_card(want: ServiceSpec) -> ServiceSpec:
    return want.model_copy(update={"gpu": "none"})


def moving(want: ServiceSpec, elsewhere: Sequence[Candidate]) -> list[str]:
    """Other targets on which it fits. Pure."""
    good = sorted((p for p in elsewhere if p.fits), key=lambda p: -(p.fit.left if p.fit else 0))[
        :_SHOWN
    ]
    return [f"`--target {p.target}`, where {size(p.fit.free)} are free" for p in good if p.fit]


def stopping(neighbours: Sequence[tuple[str, int]], fit: Fit) -> list[str]:
    """Services beside it that would make room if they were stopped, the smallest first. Pure."""
    short = -fit.left
    enough = sorted((bytes_, name) for name, bytes_ in neighbours if bytes_ >= max(short, 1))
    return [f"`!stop {name}` would give back {size(bytes_)}" for bytes_, name in enough[:1]]
