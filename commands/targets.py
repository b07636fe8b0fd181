"""`targets`: the places services can run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from commands.access import Permit
from commands.replies import Block, Reply, Table, duration, size
from commands.verb import Deps, Verb, argument
from commands.words import TargetWord
from domain.expiries import moment, span
from domain.people import Role
from domain.progress import Report
from domain.replicas import TargetFacts
from fleet.survey import ServiceStatus


@dataclass(frozen=True)
class Targets:
    """One target, or all of them."""

    name: str | None = None


async def targets(request: Targets, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Ask every target how it is, or one of them for more."""
    here = permit.environment.targets if permit.environment else ()
    now = deps.clock.now()
    if request.name is not None:
        facts = await deps.fleet.survey.facts_of(request.name)
        on = await deps.fleet.survey.on(request.name)
        usable = "" if request.name in here else "It is not for this room."
        return Reply.done(*_one(facts, on, usable, now))
    everything = await deps.fleet.survey.facts()
    rows = tuple(_row(facts, here, now) for facts in everything)
    head = ("target", "kind", "", "for", "CPUs", "memory free", "disk free", "GPUs", "")
    advice = [f"{facts.target}: {facts.advice}" for facts in everything if facts.advice]
    return Reply.done(Table(head, rows), *advice)


def _row(facts: TargetFacts, here: Sequence[str], now: datetime) -> tuple[str, ...]:
    return (
        facts.target,
        facts.kind,
        "✓" if facts.reachable else "✗",
        duration(max(0.0, (now - facts.since).total_seconds())) if facts.since else "",
        str(facts.cpus or ""),
        size(facts.memory_free) if facts.memory_free else "",
        size(facts.disk_free) if facts.disk_free else "",
        (", ".join(gpu.name for gpu in facts.gpus) or "none") if facts.reachable else "",
        facts.note if facts.target in here else f"not for this room; {facts.note}",
    )


def _one(
    facts: TargetFacts, on: Sequence[ServiceStatus], usable: str, now: datetime
) -> list[Block]:
    since = f" since {moment(facts.since, now)}" if facts.since else ""
    ago = f" ({span((now - facts.since).total_seconds())})" if facts.since else ""
    state = "✓" if facts.reachable else "✗"
    told = "reachable" if facts.reachable else "not reachable"
    note = f": {facts.note}" if facts.note else ""
    blocks: list[Block] = [f"{state} {facts.target} ({facts.kind}) is {told}{since}{ago}{note}"]
    blocks += [f"What to try: {facts.advice}"] if facts.advice else []
    blocks += [usable] if usable else []
    blocks += [measured] if (measured := _measured(facts)) else []
    if facts.gpus:
        cards = tuple((g.name, size(g.memory_free), size(g.memory_total)) for g in facts.gpus)
        blocks.append(Table(("GPU", "memory free", "of"), cards))
    if not on:
        return [*blocks, "No service is placed there."]
    head = ("service", "ready", "model", "revision", "")
    return [*blocks, Table(head, tuple(_service(each, facts.target) for each in on))]


def _measured(facts: TargetFacts) -> str:
    parts = [
        f"{facts.cpus} CPUs" if facts.cpus else "",
        f"{size(facts.memory_free)} of memory free" if facts.memory_free else "",
        f"{size(facts.disk_free)} of disk free" if facts.disk_free else "",
        "no GPUs" if facts.reachable and not facts.gpus else "",
    ]
    return " · ".join(part for part in parts if part)


def _service(each: ServiceStatus, target: str) -> tuple[str, ...]:
    spec, seen = each.wanted.spec, each.replicas
    phases = ", ".join(f"`{replica.id}` {replica.phase}" for replica in seen)
    note = each.trouble or phases or "nothing runs"
    ready = f"{each.ready}/{spec.replicas_on(target)}"
    return (spec.name, ready, str(spec.source), spec.revision, note)


VERB = Verb(
    name="targets",
    summary="where services can run, and how these places are",
    examples=("targets", "targets local"),
    request=Targets,
    handle=targets,
    role=Role.VIEWER,
    params=(argument("name", TargetWord(), required=False),),
    notes=(
        "Of all of them, each gets two seconds to answer; one that has been silent for a while is "
        "told with the reason, since when, and when it is asked again. Named, it is asked at once.",
    ),
)
