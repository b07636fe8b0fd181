"""`status`: what should run and what does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from commands.access import Permit
from commands.measured import busy, engine, traffic
from commands.replies import Block, Reply, Table, duration
from commands.verb import Deps, Verb, argument
from commands.words import NameWord
from domain.expiries import until
from domain.people import Role
from domain.progress import Report
from domain.replicas import Replica
from domain.services import NO_NAMESPACE, ServiceSpec
from fleet.survey import ServiceStatus
from inference.endpoints import Place
from inference.engine_metrics import EngineMetrics

A_GLANCE = 20
"""Services one looks through without being told where to look."""

KINDS = {"✗": "not as wanted", "✓": "as wanted", "⏹": "stopped"}
"""Mark -> what it means, what needs a person first."""


@dataclass(frozen=True)
class Status:
    """One service, or all."""

    name: str | None = None


async def status(request: Status, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Look at every target now."""
    found = await deps.fleet.survey.status(request.name)
    if request.name:
        now = deps.clock.now()
        async with deps.store.transaction() as tx:
            expiry = await tx.expiries.get(request.name)
            latest = await tx.incidents.latest(request.name)
        end = [f"It stays {until(expiry.at, now)}."] if expiry and expiry.at else []
        if latest:
            ago = duration((now - latest[0]).total_seconds())
            end.append(f"Last incident, {ago} ago: {latest[1]}.")
        figures = await deps.measured(request.name)
        if figures.traffic:
            end.append(traffic(figures.traffic))
        return Reply.done(*_one(found[0], now, end, figures.engines))
    if not found:
        return Reply.done("Nothing is deployed. Try `!deploy tiny tiny://ops`")
    return Reply.done(*_all(found))


def _all(found: Sequence[ServiceStatus]) -> list[Block]:
    """A row each. Of more than one looks through: how many there are of each kind, then first those
    that somebody should look at."""
    head = ("service", "ready", "on", "model", "revision", "")
    marked = [(_mark(each), each) for each in found]
    if len(found) <= A_GLANCE:
        return [Table(head, tuple(_row(*each) for each in marked))]
    counts = Counter(mark for mark, _ in marked)
    kinds = [f"{counts[mark]} {kind}" for mark, kind in KINDS.items() if counts[mark]]
    urgency = {mark: number for number, mark in enumerate(KINDS)}
    order = sorted(marked, key=lambda each: urgency[each[0]])
    summary = f"{len(found)} services: {', '.join(kinds)}. `!status NAME` tells more of one"
    return [summary, Table(head, tuple(_row(*each) for each in order))]


def _row(mark: str, each: ServiceStatus) -> tuple[str, ...]:
    spec = each.wanted.spec
    note = f"`{each.busy_with}` is changing it" if each.busy_with else each.trouble
    ready = f"{mark} {each.ready}/{spec.replicas}"
    return (spec.name, ready, spec.where, str(spec.source), spec.revision, note)


def _mark(each: ServiceStatus) -> str:
    if not each.wanted.spec.replicas:
        return "⏹"
    return "✓" if each.ready >= each.wanted.spec.replicas else "✗"


def _one(
    each: ServiceStatus,
    now: datetime,
    end: Sequence[str],
    engines: Mapping[Place, EngineMetrics],
) -> list[Block]:
    spec = each.wanted.spec
    blocks: list[Block] = [
        f"{_mark(each)} {spec.name}: {each.ready} of {spec.replicas} ready on {spec.where} · "
        f"{spec.source} · {spec.engine} · revision `{spec.revision}`{_apart(spec)}"
    ]
    blocks += end
    if each.busy_with:
        blocks.append(f"Operation `{each.busy_with}` is changing it.")
    if each.trouble:
        blocks.append(each.trouble)
    if each.replicas:
        apart = any(replica.namespace for replica in each.replicas)
        rows = tuple(_replica(each, replica, now, apart) for replica in each.replicas)
        where = ("namespace",) if apart else ()
        head = ("replica", "target", *where, "phase", "for", "answering", "endpoint", "")
        blocks.append(Table(head, rows))
    blocks += _engines(engines)
    return blocks


def _engines(engines: Mapping[Place, EngineMetrics]) -> list[Block]:
    """What engines say of themselves, if any of them has anything to do."""
    if not any(map(busy, engines.values())):
        return []
    said = {place: told for place, each in engines.items() if (told := engine(each))}
    lines = (f"{replica} on {target}: {told}" for (target, replica), told in said.items())
    return [f"The engines say: {'; '.join(lines)}"]


def _apart(spec: ServiceSpec) -> str:
    return f" · namespace `{spec.namespace}`" if spec.namespace else ""


def _replica(each: ServiceStatus, replica: Replica, now: datetime, apart: bool) -> tuple[str, ...]:
    """`apart` has the namespace told that it was found in."""
    since = duration((now - replica.since).total_seconds()) if replica.since else ""
    where = (replica.namespace or NO_NAMESPACE,) if apart else ()
    return (
        str(replica.id),
        replica.target,
        *where,
        str(replica.phase),
        since,
        str(each.in_flight.get((replica.target, replica.id), 0)),
        replica.endpoint or "",
        replica.reason or "",
    )


VERB = Verb(
    name="status",
    summary="what runs, or how one service stands",
    examples=("status", "status tiny"),
    request=Status,
    handle=status,
    role=Role.VIEWER,
    params=(argument("name", NameWord(), required=False),),
)
