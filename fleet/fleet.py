"""The fleet: every service on every target, and the one way to change any of it."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from deployers.protocol import Deployer, LogLine
from domain.clock import Clock
from domain.errors import OpsError, UnknownName, Unreachable
from domain.operations import Operation
from domain.plans import StepKind
from domain.progress import Progress, Report
from domain.readiness import FirstToken
from domain.replicas import Observed, Phase, Replica, TargetFacts
from domain.services import ServiceSpec
from fleet.cancellations import Cancellations
from fleet.rollouts import Rollout, Rollouts
from fleet.store.database import Store
from fleet.store.services import Wanted
from inference.endpoints import Endpoints, Place

log = structlog.get_logger()

Decide = Callable[[ServiceSpec | None], ServiceSpec]
"""What runs now (None for nothing) -> what should. Raises OpsError to refuse."""

Measure = Callable[[str, str], Awaitable[FirstToken | None]]
"""(base URL, model name) -> how fast it answers; None when it does not."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a change came out."""

    want: ServiceSpec
    changed: bool
    """False when everything was already as wanted."""
    seconds: float
    """From the start of the operation until the last step held, restarts of the bot included."""
    first_token: FirstToken | None = None
    warnings: tuple[str, ...] = ()
    """What the targets wanted said: that there is no GPU, for example."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service as it stands."""

    wanted: Wanted
    seen: tuple[Observed, ...]
    in_flight: Mapping[Place, int]
    busy_with: str | None
    """The operation that is changing it."""
    trouble: str = ""
    """Why some target could not be looked at."""

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """Replicas that run or failed, on all targets."""
        return tuple(sorted((r for o in self.seen for r in o.replicas), key=lambda r: r.id))

    @property
    def ready(self) -> int:
        """How many serve."""
        return sum(len(seen.ready) for seen in self.seen)


class Fleet:
    """Services on targets. Two changes to one service never overlap."""

    def __init__(
        self,
        store: Store,
        deployers: Mapping[str, Deployer],
        endpoints: Endpoints,
        cancellations: Cancellations,
        measure: Measure,
        clock: Clock,
    ) -> None:
        self._store = store
        self._deployers = deployers
        self._endpoints = endpoints
        self._cancellations = cancellations
        self._measure = measure
        self._clock = clock
        self._rollouts = Rollouts(deployers, endpoints)
        self._claims: dict[str, asyncio.Lock] = {}
        self._holders: dict[str, str] = {}

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of all targets, as configured."""
        return tuple(self._deployers)

    async def change(
        self,
        name: str,
        operation: Operation,
        decide: Decide,
        report: Report,
        *,
        remove: bool = False,
    ) -> Outcome:
        """Make a service what `decide` says, or leave it as it was.

        Waits for its turn if the service is being changed. An operation resumed after a restart
        carries out what was planned then; `decide` is not asked again. A failure, or a
        cancellation, raises its OpsError once what ran before runs again, and `standing` says so.
        """
        async with self._claim(name, operation, report):
            rollout = await self._rollout(name, operation, decide, remove=remove)
            try:
                await self._cancellations.guard(
                    operation.id, self._rollouts.carry_out(rollout, report)
                )
            except Exception as error:  # a bug in a deployer leaves as much to put right
                standing = await self._rollouts.restore(rollout, report)
                if isinstance(error, OpsError):
                    error.standing = standing
                raise
            await self._settle(rollout, operation)
            return await self._outcome(rollout, operation)

    async def wanted(self, name: str) -> Wanted:
        """What should run under that name. Raises UnknownName, with the names there are."""
        async with self._store.transaction() as tx:
            found = await tx.services.get(name)
            known = [] if found else [w.spec.name for w in await tx.services.all()]
        if found is None:
            raise unknown_service(name, known)
        return found

    async def status(self, name: str | None = None) -> list[ServiceStatus]:
        """How one service stands, or all. Raises UnknownName for a name that is not there."""
        if name is not None:
            return [await self._status(await self.wanted(name))]
        async with self._store.transaction() as tx:
            everything = await tx.services.all()
        return list(await asyncio.gather(*(self._status(wanted) for wanted in everything)))

    async def facts(self) -> list[TargetFacts]:
        """What every target says of itself, all asked at once."""
        return list(await asyncio.gather(*(d.inspect() for d in self._deployers.values())))

    async def logs(self, name: str, tail: int) -> list[LogLine]:
        """The last `tail` lines of each replica, failed ones included.

        Raises UnknownName when no target remembers anything of that name.
        """
        lines: list[LogLine] = []
        remains = await self._remains(name, whoever_answers=True)
        for target, seen in remains.items():
            for replica in seen.replicas:
                logs = self._deployers[target].logs(replica.id, tail=tail, follow=False)
                lines += [line async for line in logs]
        if not remains:
            await self.wanted(name)
        return lines

    def holder(self, name: str) -> str | None:
        """The operation that is changing a service right now."""
        return self._holders.get(name)

    async def refresh(self, wanted: Wanted) -> tuple[list[Replica], int]:
        """Bring the routing table in line with what runs.

        Returns the replicas that failed, and how many wanted ones are not there at all.
        Raises Unreachable when a target cannot be looked at; nothing is withdrawn then.
        """
        name = wanted.spec.name
        failed: list[Replica] = []
        missing = 0
        alive: set[Place] = set()
        for placement in wanted.spec.placements:
            seen = await self._observe(placement.target, name)
            alive |= {(seen.target, replica.id) for replica in seen.alive}
            for replica in seen.ready:
                if replica.endpoint and replica.id.revision == wanted.spec.revision:
                    self._endpoints.admit(replica.id, replica.endpoint, target=seen.target)
            failed += [replica for replica in seen.replicas if replica.phase is Phase.FAILED]
            missing += max(0, placement.replicas - len(seen.alive))
        for endpoint in self._endpoints.of(name):
            if endpoint.place not in alive:
                self._endpoints.withdraw(endpoint.replica, target=endpoint.target)
        return failed, missing

    @asynccontextmanager
    async def _claim(self, name: str, operation: Operation, report: Report) -> AsyncIterator[None]:
        claim = self._claims.setdefault(name, asyncio.Lock())
        if claim.locked():
            report(Progress(f"wait for {self._holders.get(name)} to finish with {name}"))
        await self._cancellations.guard(operation.id, claim.acquire())
        self._holders[name] = operation.id
        try:
            yield
        finally:
            self._holders.pop(name, None)
            claim.release()

    async def _rollout(
        self, name: str, operation: Operation, decide: Decide, *, remove: bool
    ) -> Rollout:
        async with self._store.transaction() as tx:
            kept = await tx.operations.rollout(operation.id)
            found = await tx.services.get(name)
        if kept is not None:
            return Rollout.from_json(kept)
        before = found.spec if found else None
        want = decide(before)
        rollout = await self._plan(want, before, operation, remove=remove)
        async with self._store.transaction() as tx:
            await tx.operations.keep_rollout(operation.id, rollout.to_json())
        return rollout

    async def _plan(
        self, want: ServiceSpec, before: ServiceSpec | None, operation: Operation, *, remove: bool
    ) -> Rollout:
        targets = [placement.target for placement in want.placements]
        targets += [p.target for p in before.placements] if before else []
        targets += await self._remains(want.name) if remove else []
        plans = []
        for target in dict.fromkeys(targets):
            if target not in self._deployers and want.replicas_on(target):
                raise UnknownName(
                    f"there is no target `{target}`", hint=f"there is {', '.join(self.targets)}"
                )
            if target not in self._deployers:
                log.warning("left alone", service=want.name, target=target, why="not configured")
                continue
            plan = await self._rollouts.plan(want, target, operation.id)
            plans.append(plan.forgetting() if remove else plan)
        return Rollout(want, before, tuple(plans), remove)

    async def _settle(self, rollout: Rollout, operation: Operation) -> None:
        async with self._store.transaction() as tx:
            if rollout.removal:
                await tx.services.remove(rollout.want.name)
            else:
                now = self._clock.now()
                await tx.services.put(Wanted(rollout.want, operation.room, operation.id, now))

    async def _outcome(self, rollout: Rollout, operation: Operation) -> Outcome:
        moved = {StepKind.START, StepKind.STOP, StepKind.FORGET}
        changed = any(step.kind in moved for _, step in rollout.steps)
        changed = changed or rollout.want != rollout.before
        started = operation.started_at or self._clock.now()
        seconds = (self._clock.now() - started).total_seconds()
        speed = None
        if any(step.kind is StepKind.START for _, step in rollout.steps):
            endpoints = self._endpoints.of(rollout.want.name)
            if endpoints:
                speed = await self._measure(endpoints[-1].url, rollout.want.name)
        warnings = tuple(dict.fromkeys(w for plan in rollout.plans for w in plan.warnings))
        return Outcome(rollout.want, changed, seconds, speed, warnings)

    async def _status(self, wanted: Wanted) -> ServiceStatus:
        name = wanted.spec.name
        seen, troubles = [], []
        for placement in wanted.spec.placements:
            try:
                seen.append(await self._observe(placement.target, name))
            except OpsError as error:
                troubles.append(error.summary)
        in_flight = {e.place: e.in_flight for e in self._endpoints.of(name)}
        return ServiceStatus(wanted, tuple(seen), in_flight, self.holder(name), "; ".join(troubles))

    async def _observe(self, target: str, name: str) -> Observed:
        deployer = self._deployers.get(target)
        if deployer is None:
            raise Unreachable(
                f"{name} is placed on `{target}`, which is no longer configured",
                hint=f"put the target back, or move it with `!deploy {name} --target ...`",
            )
        return await deployer.observe(name)

    async def _remains(self, name: str, *, whoever_answers: bool = False) -> dict[str, Observed]:
        """The targets that remember anything of a service. Raises Unreachable for one that does
        not answer, unless it is enough to hear `whoever_answers`."""
        found: dict[str, Observed] = {}
        for target, deployer in self._deployers.items():
            try:
                found[target] = await deployer.observe(name)
            except Unreachable:
                if not whoever_answers:
                    raise
        return {target: seen for target, seen in found.items() if seen.replicas}


def unknown_service(name: str, known: list[str]) -> UnknownName:
    """Say that there is no such service, and which there are."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return UnknownName(f"there is no service `{name}`", hint=f"did you mean `{close[0]}`?")
    if known:
        return UnknownName(f"there is no service `{name}`", hint=f"there is {', '.join(known)}")
    return UnknownName(
        f"there is no service `{name}`", hint=f"deploy one: `!deploy {name} tiny://ops`"
    )
