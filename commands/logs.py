"""`logs`: the last lines replicas wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from commands.access import Permit
from commands.replies import Block, Code, Reply
from commands.verb import Deps, Verb, argument, option
from commands.weighing import touched
from commands.words import NameWord, WholeWord
from domain.people import Role
from domain.progress import Report
from domain.services import ServiceSpec


@dataclass(frozen=True)
class Logs:
    """So many last lines of each replica."""

    name: str
    tail: int | None = None


async def logs(request: Logs, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Read them where they are kept; failed replicas count too."""
    await _weighed(request, permit, deps)
    lines, silent = await deps.fleet.survey.logs(request.name, request.tail or 20)
    if not lines:
        return Reply.done(f"{request.name} has written nothing that is kept.")
    blocks: list[Block] = []
    for replica, group in groupby(lines, key=lambda line: line.replica):
        blocks += [f"`{replica}`", Code("\n".join(line.text for line in group))]
    return Reply.done(*blocks)


async def _weighed(
    request: Logs, permit: Permit, deps: Deps
) -> tuple[Sequence[str], ServiceSpec | None]:
    """An operator may read them all. For a role it has to be clear where they are from: what is
    remembered of a service that is no more may be on any target of the environment."""
    async with deps.store.transaction() as tx:
        found = await tx.services.get(request.name)
    spec = found.spec if found else None
    if permit.enough:
        return touched(spec), spec
    targets = touched(spec) if spec else permit.place.targets
    permit.allow(targets, spec)
    return targets, spec


VERB = Verb(
    name="logs",
    summary="the last lines a service wrote",
    examples=("logs tiny --tail 20", "logs tiny"),
    request=Logs,
    handle=logs,
    role=Role.OPERATOR,
    weigh=_weighed,
    params=(
        argument("name", NameWord()),
        option("--tail", WholeWord(1, 500), "N", "lines of each replica; default 20"),
    ),
)
