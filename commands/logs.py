"""`logs`: the last lines replicas wrote."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from commands.access import Permit
from commands.replies import Block, Code, Reply
from commands.verb import Deps, Verb, argument, option
from commands.words import NameWord, WholeWord
from domain.people import Role
from domain.progress import Report


@dataclass(frozen=True)
class Logs:
    """So many last lines of each replica."""

    name: str
    tail: int | None = None


async def logs(request: Logs, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Read them where they are kept; failed replicas count too."""
    lines = await deps.fleet.survey.logs(request.name, request.tail or 20)
    if not lines:
        return Reply.done(f"{request.name} has written nothing that is kept.")
    blocks: list[Block] = []
    for replica, group in groupby(lines, key=lambda line: line.replica):
        blocks += [f"`{replica}`", Code("\n".join(line.text for line in group))]
    return Reply.done(*blocks)


VERB = Verb(
    name="logs",
    summary="the last lines a service wrote",
    examples=("logs tiny --tail 20", "logs tiny"),
    request=Logs,
    handle=logs,
    role=Role.OPERATOR,
    params=(
        argument("name", NameWord()),
        option("--tail", WholeWord(1, 500), "N", "lines of each replica; default 20"),
    ),
)
