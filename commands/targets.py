"""`targets`: the places services can run."""

from __future__ import annotations

from dataclasses import dataclass

from commands.access import Permit
from commands.replies import Reply, Table, size
from commands.verb import Deps, Verb
from domain.people import Role
from domain.progress import Report
from domain.replicas import TargetFacts


@dataclass(frozen=True)
class Targets:
    """All of them."""


async def targets(request: Targets, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Ask every target how it is."""
    here = permit.environment
    rows = tuple(
        _row(facts, here.targets if here else ()) for facts in await deps.fleet.survey.facts()
    )
    head = ("target", "kind", "", "CPUs", "memory free", "disk free", "GPUs", "")
    return Reply.done(Table(head, rows))


def _row(facts: TargetFacts, here: tuple[str, ...]) -> tuple[str, ...]:
    return (
        facts.target,
        facts.kind,
        "✓" if facts.reachable else "✗",
        str(facts.cpus or ""),
        size(facts.memory_free) if facts.memory_free else "",
        size(facts.disk_free) if facts.disk_free else "",
        ", ".join(gpu.name for gpu in facts.gpus) or "none",
        facts.note if facts.target in here else f"not for this room; {facts.note}",
    )


VERB = Verb(
    name="targets",
    summary="where services can run, and how these places are",
    examples=("targets",),
    request=Targets,
    handle=targets,
    role=Role.VIEWER,
)
