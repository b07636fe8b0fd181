"""`logs`: the last lines replicas wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from commands.access import Permit
from commands.log_window import FOLLOWING, KEPT, SHOWN, SHOWN_WIDTH, Window, picked
from commands.replies import Block, Code, Reply, duration
from commands.verb import Deps, Verb, argument, option
from commands.weighing import touched
from commands.words import NameWord, PartWord, PeriodWord, WholeWord
from domain.clock import Clock
from domain.operations import Operation
from domain.people import Role
from domain.progress import Progress, Report
from domain.services import ServiceSpec
from fleet.following import Following

SHOW_EVERY = 1.0
"""Seconds between two looks whether there is something new to show."""

LET_GO = 2.0
"""Seconds that streams get to end once nobody reads them any more."""

SEARCHED = 1000
"""Lines of each replica that are looked through for what `--grep` names."""

LONGEST = 600.0
"""Seconds a log is followed at most."""


@dataclass(frozen=True)
class Logs:
    """So many last lines of each replica, and new ones for so many seconds."""

    name: str
    tail: int | None = None
    grep: str | None = None
    follow: float | None = None


async def logs(request: Logs, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Read them where they are kept; failed replicas count too."""
    await _weighed(request, permit, deps)
    if request.follow is None:
        return await _kept(request, deps)
    left = _left(request.follow, permit.operation, deps)
    if left > 0:
        return await _followed(request, left, deps, report)
    over = "The time to follow it was over before the bot came back; these are its last lines."
    return (await _kept(request, deps)).adding(over)


async def _kept(request: Logs, deps: Deps) -> Reply:
    tail = request.tail or 20
    looked_through = SEARCHED if request.grep else tail
    lines, silent = await deps.fleet.survey.logs(request.name, looked_through)
    if request.grep:
        lines = picked(lines, request.grep, tail, deps.masked)
    blocks: list[Block] = []
    for replica, group in groupby(lines, key=lambda line: line.replica):
        blocks += [f"`{replica}`", Code("\n".join(line.text for line in group))]
    if not lines and request.grep:
        blocks.append(f"{request.name} has no line with that in its last {SEARCHED}.")
    elif not lines:
        blocks.append(f"{request.name} has written nothing that is kept.")
    return Reply.done(*blocks, *silent)


async def _followed(request: Logs, seconds: float, deps: Deps, report: Report) -> Reply:
    """Show the newest lines until the time is over or nothing is left that writes."""
    window = Window(request.grep, deps.masked)
    tail = request.tail or 20
    following = Following(deps.fleet.survey, deps.clock, request.name, tail, window)
    await following.find()
    task = asyncio.create_task(following.run(), name=f"follow {request.name}")
    begun, shown = deps.clock.monotonic(), -1
    try:
        while not task.done() and deps.clock.monotonic() < begun + seconds:
            if shown != window.news:
                shown = window.news
                report(Progress(FOLLOWING, text=window.text(SHOWN, SHOWN_WIDTH)))
            await _pause(task, deps.clock)
    finally:
        if not task.done():
            await deps.cancellations.left.end(task, LET_GO)
    if task.done() and not task.cancelled():
        task.result()
    return Reply.done(*_told(request, window, deps.clock.monotonic() - begun))


async def _pause(task: asyncio.Task[None], clock: Clock) -> None:
    """A second, or less if the task ends."""
    nap = asyncio.create_task(clock.sleep(SHOW_EVERY))
    try:
        await asyncio.wait({task, nap}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        nap.cancel()


def _told(request: Logs, window: Window, seconds: float) -> list[Block]:
    text = window.text()
    count = f"{window.lines} lines"
    if request.grep:
        count = f"{window.found} of {count} with that in them"
    if window.found > KEPT:
        count += f", of which these are the newest {KEPT}"
    how = f"Followed {request.name} for {duration(seconds)}: {count}."
    return [Code(text), how] if text else [how]


def _left(seconds: float, operation: Operation, deps: Deps) -> float:
    """Of what was asked before the bot was started, what is left of its time."""
    if operation.said_at >= deps.started_at:
        return seconds
    return seconds - (deps.clock.now() - operation.said_at).total_seconds()


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
    examples=("logs tiny --tail 20", "logs tiny", 'logs tiny --grep "out of memory" --follow 2m'),
    request=Logs,
    handle=logs,
    role=Role.OPERATOR,
    weigh=_weighed,
    params=(
        argument("name", NameWord()),
        option("--tail", WholeWord(1, 500), "N", "lines of each replica; default 20"),
        option("--grep", PartWord(), "TEXT", "lines with this in them; case does not matter"),
        option("--follow", PeriodWord(LONGEST), "PERIOD", "new lines for so long, at most 10m"),
    ),
    notes=(
        "What is followed is one message that is edited, each line with its replica if there are "
        "several. A replica that ends is told with how; a connection that dies is made again; a "
        "target that is silent is told while the others are followed.",
    ),
)
