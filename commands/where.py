"""`where`: on which targets a model would fit, and how soon it would serve there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from commands.access import Permit
from commands.deploy import Deploy, spec
from commands.proposing import proposals
from commands.replies import Block, Reply, Table, duration, size
from commands.verb import ENVIRONMENT, Deps, Verb, argument, option
from commands.words import CountWord, GpuWord, SourceWord, WholeWord
from domain.errors import NotPermitted
from domain.fit import Fit
from domain.people import Role
from domain.progress import Report
from domain.services import ServiceSpec
from domain.sources import Source
from domain.starts import Expected, expected
from fleet.candidates import Candidate

_NAME = "model"
"""Stands for the service that there is none of yet."""


@dataclass(frozen=True)
class Where:
    """A model, and how it would be run; None where nothing was said."""

    source: Source
    ctx: int | None = None
    gpu: str | int | None = None
    replicas: int | None = None
    environment: str | None = None


async def where(request: Where, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Ask every target of the environment at once; of those, that whoever asks may use."""
    targets, want = await _weighed(request, permit, deps)
    found = await deps.fleet.survey.candidates(want, targets)
    async with deps.store.transaction() as tx:
        starts = await tx.starts.lately()
    times = {each.target: expected(starts, want.source, each.target) for each in found}
    return Reply.done(*told(want, found, times))


async def _weighed(request: Where, permit: Permit, deps: Deps) -> tuple[Sequence[str], ServiceSpec]:
    """The targets on which whoever asks could have it run. Raises NotPermitted for none."""
    asked = Deploy(
        _NAME, request.source, gpu=request.gpu, ctx=request.ctx, replicas=request.replicas
    )
    want = spec(asked, None, permit.place)
    if permit.enough:
        return permit.place.targets, want
    found = []
    for target in permit.place.targets:
        with suppress(NotPermitted):
            permit.allow([target], want)
            found.append(target)
    if not found:
        permit.allow(permit.place.targets, want)
    return found, want


def told(
    want: ServiceSpec, found: Sequence[Candidate], times: Mapping[str, Expected | None]
) -> list[Block]:
    """A row for each target, the best first, and what to say next. Pure."""
    best = sorted(found, key=lambda each: _rank(each, times[each.target]))
    head = ("target", "", "memory", "model", "on", "ready in", "engine")
    rows = tuple(_row(want, each, times[each.target]) for each in best)
    good = [each for each in best if each.fits]
    if good:
        return [Table(head, rows), f"`!deploy NAME {want.source} --target {good[0].target}`"]
    ideas = [(each.target, proposals(want, each.target, each.fit)) for each in best if each.fit]
    lines = [f"On {target} would fit: {'; '.join(told)}" for target, told in ideas if told]
    return [Table(head, rows), *lines]


def _rank(each: Candidate, time: Expected | None) -> tuple[object, ...]:
    """Sorts the best first: what fits, has the model, has a card, was fast, has room."""
    standing = 3 if each.trouble else 0 if each.fits else 1 if each.fit is None else 2
    fetched = not (each.stock and each.stock.here)
    seconds = time.seconds if time else float("inf")
    return (standing, fetched, not each.on_card, seconds, -_left(each), each.target)


def _left(each: Candidate) -> int:
    return each.fit.left if each.fit else 0


def _row(want: ServiceSpec, each: Candidate, time: Expected | None) -> tuple[str, ...]:
    note = each.facts.note if each.facts else ""
    if each.trouble:
        return (each.target, "✗", each.trouble, "", "", "", "" if note == each.trouble else note)
    mark = "?" if each.fit is None else "✓" if each.fits else "✗"
    return (
        each.target,
        mark,
        _memory(each.fit),
        _model(each),
        _hardware(each),
        _ready(time, here=bool(each.stock and each.stock.here)),
        f"{want.engine} ({note})" if note else want.engine,
    )


def _memory(fit: Fit | None) -> str:
    if fit is None:
        return "not known"
    each = f"{fit.replicas} × " if fit.replicas > 1 else ""
    return f"{each}{size(fit.taken.total)} of {size(fit.free)} free"


def _model(each: Candidate) -> str:
    if each.stock is None:
        return "not known"
    if each.stock.here:
        return "there"
    return f"{size(each.stock.size)} to fetch" if each.stock.size else "to be fetched"


def _hardware(each: Candidate) -> str:
    cards = each.facts.gpus if each.facts and each.on_card else ()
    names = dict.fromkeys(card.name for card in cards)
    return f"GPU: {', '.join(names)}" if names else "CPU"


def _ready(time: Expected | None, *, here: bool) -> str:
    if time is None:
        return "not known"
    times = "once" if time.count == 1 else f"{time.count} times"
    of = f"this model, {times}" if time.same else f"other models, {times}"
    return f"about {duration(time.seconds)} ({of})" + ("" if here else " and the download")


VERB = Verb(
    name="where",
    summary="on which targets a model fits, and how soon it would serve there",
    examples=(
        "where tiny://ops",
        "where hf://Qwen/Qwen2.5-7B-Instruct-GGUF/qwen2.5-7b-instruct-q4_k_m.gguf --ctx 16384",
    ),
    request=Where,
    handle=where,
    role=Role.OPERATOR,  # it tells whether files are there, and uses the hub with our token
    params=(
        argument("source", SourceWord()),
        option("--ctx", WholeWord(64, 16_777_216), "TOKENS", "context of one conversation"),
        option("--gpu", GpuWord(), "auto|none|N", "GPUs for each replica"),
        option("--replicas", CountWord(1), "N", "copies"),
        ENVIRONMENT,
    ),
    weigh=_weighed,
    notes=(
        "The best comes first: where it fits, is there already, has a GPU and was fast before. "
        "Times are from earlier deploys on that target.",
    ),
)
