"""The fleet: every service on every target, and the one way to change any of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from deployers.protocol import Deployer
from domain.clock import Clock
from domain.errors import Busy, Cancelled, OpsError, UnknownName
from domain.locks import in_the_way
from domain.operations import Operation
from domain.plans import StepKind
from domain.progress import Report
from domain.readiness import FirstToken
from domain.services import ServiceSpec
from fleet.cancellations import Cancellations
from fleet.claims import UNTOUCHED, Claims
from fleet.course import Course
from fleet.resolving import resolved
from fleet.rollouts import Rollout, Rollouts
from fleet.store.database import Store
from fleet.store.services import Wanted
from fleet.survey import Survey
from inference.endpoints import Endpoints

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
        self._rollouts = Rollouts(deployers, endpoints, cancellations.left, cancellations.patience)
        self._claims = Claims(cancellations, clock)
        self.survey = Survey(store, deployers, endpoints, self._claims)
        """Looks at what this changes."""

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
        repair: bool = False,
    ) -> Outcome:
        """Make a service what `decide` says, or leave it as it was.

        Waits for its turn if the service is being changed. An operation resumed after a restart
        carries out what was planned then; `decide` is not asked again. What somebody else locked
        is left alone, but for a `repair`: raises Busy with whose lock it is. A failure, or a
        cancellation, raises its OpsError once what ran before runs again, and `standing` says so.
        """
        async with self._claims.on(name, operation, report):
            rollout = await self._rollout(name, operation, decide, remove=remove, repair=repair)
            course = Course()
            try:
                await self._cancellations.guard(
                    operation.id, self._rollouts.carry_out(rollout, report, course)
                )
            except Exception as error:  # a bug in a deployer leaves as much to put right
                hung = isinstance(error, Cancelled) and error.unanswered
                standing = await self._rollouts.restore(rollout, report, course, hung)
                if isinstance(error, Cancelled):
                    error.summary = f"{error.summary} {course.told()}".strip()
                if isinstance(error, OpsError):
                    error.standing = standing
                raise
            await self._settle(rollout, operation)
            return await self._outcome(rollout, operation)

    async def preview(
        self, name: str, operation: Operation, decide: Decide, *, remove: bool = False
    ) -> Rollout:
        """What `change` would do as things are now. Nothing is kept, nobody is kept waiting."""
        async with self._store.transaction() as tx:
            found = await tx.services.get(name)
        before = found.spec if found else None
        return await self._plan(decide(before), before, operation, remove=remove)

    async def _rollout(
        self, name: str, operation: Operation, decide: Decide, *, remove: bool, repair: bool
    ) -> Rollout:
        async with self._store.transaction() as tx:
            kept = await tx.operations.rollout(operation.id)
            found = await tx.services.get(name)
        if kept is not None:
            return Rollout.from_json(kept)
        before = found.spec if found else None
        want = decide(before)
        if not repair:
            await self._refuse_locked(want, before, operation.sender)
        planning = self._plan(want, before, operation, remove=remove)
        rollout = await self._cancellations.guard(operation.id, planning, UNTOUCHED)
        async with self._store.transaction() as tx:
            await tx.operations.keep_rollout(operation.id, rollout.to_json())
        return rollout

    async def _refuse_locked(
        self, want: ServiceSpec, before: ServiceSpec | None, asker: str
    ) -> None:
        async with self._store.transaction() as tx:
            locks = await tx.locks.active(self._clock.now())
        specs = (want, before) if before else (want,)
        targets = {placement.target for spec in specs for placement in spec.placements}
        lock = in_the_way(locks, want.name, targets, asker)
        if lock is not None:
            raise Busy(str(lock), hint="ask them, or an operator may `!unlock` it")

    async def _plan(
        self, want: ServiceSpec, before: ServiceSpec | None, operation: Operation, *, remove: bool
    ) -> Rollout:
        targets = [placement.target for placement in want.placements]
        targets += [p.target for p in before.placements] if before else []
        targets += await self.survey.remains(want.name) if remove else []
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
        made_of = await resolved(self._deployers, rollout.want)
        async with self._store.transaction() as tx:
            if rollout.removal:
                await tx.services.remove(rollout.want.name)
            else:
                now = self._clock.now()
                wanted = Wanted(rollout.want, operation.room, operation.id, now)
                await tx.services.put(wanted, made_of)

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
