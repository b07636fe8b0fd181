"""`status`: what should run and what does, and how those stand who can be asked besides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from commands import standing
from commands.access import Permit
from commands.measured import busy, engine, traffic
from commands.model_words import StandingWord
from commands.replies import Block, Reply, Table, duration
from commands.verb import Deps, Verb, argument
from domain.errors import UnknownName
from domain.expiries import until
from domain.people import Role
from domain.progress import Report
from domain.replicas import Replica
from domain.services import NO_NAMESPACE, ServiceSpec
from fleet.survey import ServiceStatus
from inference.endpoints import Place
from inference.engine_metrics import EngineMetrics
from inference.goals import unknown_model
from inference.outlook import Condition

A_GLANCE = 20
"""Services one looks through without being told where to look."""

KINDS = {"✗": "not as wanted", "✓": "as wanted", "⏹": "stopped"}
"""Mark -> what it means, what needs a person first."""


@dataclass(frozen=True)
class Status:
    """A service, a backend or a route; or all."""

    name: str | None = None


async def status(request: Status, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Look at every target now. What is not ours to run is told of as the gateway knows it."""
    outlook, now, name = deps.models.outlook, deps.clock.now(), request.name
    if name is None:
        found = await deps.fleet.survey.status()
        backends = standing.all_backends(outlook.backends(), deps.lately, now)
        return Reply.done(*_all(found), *backends, *standing.all_routes(outlook.routes))
    if route := outlook.route(name):
        return Reply.done(*standing.one_route(route, deps.lately, now))
    if backend := outlook.backend(name):
        return Reply.done(*standing.one_backend(backend, deps.lately(name), now))
    return Reply.done(*await _service(name, deps, now))


async def _service(name: str, deps: Deps, now: datetime) -> list[Block]:
    try:
        (found,) = await deps.fleet.survey.status(name)
    except UnknownName:
        outlook = deps.models.outlook
        if not outlook.routes and not outlook.backends():
            raise
        known = [each for each in deps.models.names if each != name]  # it may drain still
        raise unknown_model(name, known, what="service, backend or route") from None
    async with deps.store.transaction() as tx:
        expiry = await tx.expiries.get(name)
        latest = await tx.incidents.latest(name)
    end = [f"It stays {until(expiry.at, now)}."] if expiry and expiry.at else []
    if latest:
        ago = duration((now - latest[0]).total_seconds())
        end.append(f"Last incident, {ago} ago: {latest[1]}.")
    figures = await deps.measured(name)
    if figures.traffic:
        end.append(traffic(figures.traffic))
    return _one(found, now, end, figures.engines, deps.models.outlook.unwell(name))


def _all(found: Sequence[ServiceStatus]) -> list[Block]:
    """A row each. Of more than one looks through: how many there are of each kind, then first those
    that somebody should look at."""
    if not found:
        return ["Nothing is deployed. Try `!deploy tiny tiny://ops`"]
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
    unwell: Mapping[Place, Condition],
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
        rows = tuple(_replica(each, replica, now, unwell, apart) for replica in each.replicas)
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


def _replica(
    each: ServiceStatus,
    replica: Replica,
    now: datetime,
    unwell: Mapping[Place, Condition],
    apart: bool,
) -> tuple[str, ...]:
    """`apart` has the namespace told that it was found in."""
    place = (replica.target, replica.id)
    answers = standing.condition(unwell[place], now) if place in unwell else ""
    since = duration(max(0.0, (now - replica.since).total_seconds())) if replica.since else ""
    where = (replica.namespace or NO_NAMESPACE,) if apart else ()
    return (
        str(replica.id),
        replica.target,
        *where,
        str(replica.phase),
        since,
        str(each.in_flight.get(place, 0)),
        replica.endpoint or "",
        "; ".join(why for why in (replica.reason, answers) if why),
    )


VERB = Verb(
    name="status",
    summary="what runs, or how one service, backend or route stands",
    examples=("status", "status tiny", "status @chat"),
    request=Status,
    handle=status,
    role=Role.VIEWER,
    params=(argument("name", StandingWord(), required=False),),
    notes=(
        "Of backends, which Gantry does not run, it tells what kind they are, whether they answer, "
        "and what became of the last minute's requests; of a route who would be asked now, and "
        "then who. `@chat` says the same as `chat`.",
    ),
)
