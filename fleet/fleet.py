"""The fleet: every service on every target, and the one way to change any of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

import structlog

from deployers.protocol import Deployer
from domain.clock import Clock
from domain.costs import Price
from domain.errors import (
    Cancelled,
    ConfigError,
    NotApproved,
    OpsError,
    RequestError,
    Unreachable,
)
from domain.made_of import MadeOf
from domain.operations import Operation
from domain.plans import StepKind
from domain.progress import Report
from domain.readiness import FirstToken
from domain.services import ServiceSpec
from domain.terms import Terms
from fleet.cancellations import Cancellations
from fleet.claims import UNTOUCHED, Claims
from fleet.course import Course
from fleet.decisions import Asking, another_plan
from fleet.planning import Decide, Planning
from fleet.resolving import resolved
from fleet.rollout import Rollout
from fleet.rollouts import Rollouts
from fleet.store.database import Store
from fleet.store.services import Wanted
from fleet.survey import Survey
from inference.endpoints import Endpoints

log = structlog.get_logger()

Measure = Callable[[str, str], Awaitable[FirstToken | None]]
"""(base URL, model name) -> how fast it answers; None when it does not."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a change came out."""

    want: ServiceSpec
    changed: bool
    """False when everything was already as wanted."""
    seconds: float
    """From when it began to be carried out until the last step held, restarts of the bot
    included."""
    first_token: FirstToken | None = None
    warnings: tuple[str, ...] = ()
    """What the targets wanted said: that there is no GPU, for example."""
    made_of: MadeOf = ()
    """What its replicas were really made of, where a target tells."""


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
        prices: Mapping[str, Price] = MappingProxyType({}),
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
        self.planning = Planning(store, deployers, self._rollouts, self.survey, clock, prices)
        """Tells what changes would do."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of all targets, as configured."""
        return tuple(self._deployers)

    async def recall(self) -> None:
        """Know what should run, so that requests for it wait until it was looked at.

        Raises ConfigError for a service whose name the gateway's configuration takes for another.
        """
        async with self._store.transaction() as tx:
            everything = await tx.services.all()
        for wanted in everything:
            if self._endpoints.taken(wanted.spec.name):
                raise ConfigError(
                    f"gateway: `{wanted.spec.name}` is a service already",
                    hint="give the backend or route another name, or remove the service first",
                )
            self._endpoints.expect(wanted.spec.name, wanted.spec.replicas)

    async def change(
        self,
        name: str,
        operation: Operation,
        decide: Decide,
        asking: Asking,
        report: Report,
        *,
        remove: bool = False,
        repair: bool = False,
        plan: Rollout | None = None,
        terms: Terms | None = None,
    ) -> Outcome:
        """Make a service what `decide` says, or leave it as it was.

        Waits for its turn if the service is being changed, plans, has `asking` settle whether that
        may be done, and carries out exactly what was planned. Given a `plan`, it is that one,
        provided `decide` agrees. While people are asked others may have their turn; if they change
        what the plan rests on, WorldChanged is raised and nothing is done. An operation resumed
        after a restart carries out what was planned then; `decide` is not asked again, unless the
        service became something else since and nobody approved that plan.

        What somebody else locked is left alone, but for a `repair`: raises Busy with whose lock it
        is. What does not fit, or would not serve for a while, is refused unless the `terms` say
        otherwise: raises DoesNotFit or Interrupts. Raises NotApproved for a no. A failure, or a
        cancellation, raises its OpsError once what ran before runs again, and `standing` says so.
        """
        terms = terms or Terms()
        if self._endpoints.taken(name):
            raise RequestError(
                f"`{name}` is a backend or a route of the gateway", hint="choose another name"
            )
        async with self._claims.on(name, operation, report):
            rollout = await self.planning.kept(name, operation)
            fresh = rollout is None and plan is None
            if rollout is None and plan is not None:
                rollout = await self.planning.taken_over(plan, operation, decide, terms)
            elif rollout is None:
                planning = self.planning.made(
                    name, operation, decide, remove=remove, repair=repair, terms=terms
                )
                rollout = await self._cancellations.guard(operation.id, planning, UNTOUCHED)
            if await asking.settled(rollout):
                return await self._make(rollout, operation, report, fresh=fresh)
        await self._cancellations.guard(operation.id, asking.answered(rollout), UNTOUCHED)
        async with self._claims.on(name, operation, report):
            return await self._make(rollout, operation, report, fresh=False)

    async def _make(
        self, rollout: Rollout, operation: Operation, report: Report, *, fresh: bool
    ) -> Outcome:
        began = await self._begin(rollout, operation, report, fresh=fresh)
        if rollout.settled:
            made_of = await self._adopt(rollout.want.name)
        else:
            made_of = await self._make_true(rollout, operation, report)
        return replace(await self._outcome(rollout, began), made_of=made_of)

    async def _begin(
        self, rollout: Rollout, operation: Operation, report: Report, *, fresh: bool
    ) -> datetime:
        """When the rollout began, which is now unless it had before a restart.

        The last gate: nothing passes for which no decision is kept that grants this very plan.
        """
        async with self._store.transaction() as tx:
            record = await tx.decisions.get(operation.id)
        decision = record.decision if record else None
        if record is None or decision is None or not decision.granted:
            raise NotApproved(f"there is no decision that lets `{operation.id}` be carried out")
        if decision.plan != rollout.id:
            refused = another_plan(record, rollout.id)
            if record.begun_at is not None:
                refused.standing = await self._rollouts.standing(rollout, report)
            raise refused
        if record.begun_at is not None:
            return record.begun_at
        if not fresh:
            await self.planning.refuse_changed(rollout)
            if record.question.approval.asks:
                await self.planning.refuse_locked(rollout, operation.sender)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            await tx.decisions.begin(operation.id, now)
            await tx.operations.goes_on(operation.id)
        return now

    async def _make_true(self, rollout: Rollout, operation: Operation, report: Report) -> MadeOf:
        """Carry it out and write it down, or put back what was and forget that it was planned.

        Returns what its replicas were made of.
        Either way whoever has the next turn finds no plan of this one half carried out.
        """
        self._endpoints.expect(rollout.want.name, rollout.want.replicas)
        async with self._claims.targets(operation, report) as take:
            course = Course()
            work = self._rollouts.carry_out(rollout, report, course, take)
            try:
                await self._cancellations.guard(operation.id, work)
            except Exception as error:  # a bug in a deployer leaves as much to put right
                await self._put_back(rollout, operation, report, course, error)
                raise
            return await self._settle(rollout, operation, course)

    async def _put_back(
        self,
        rollout: Rollout,
        operation: Operation,
        report: Report,
        course: Course,
        error: Exception,
    ) -> None:
        """Have what ran before run again, and say so in the error."""
        self._expect(rollout.want.name, rollout.before)
        hung = isinstance(error, Cancelled) and error.unanswered
        standing = await self._rollouts.restore(rollout, report, course, hung)
        if isinstance(error, Cancelled):
            error.summary = f"{error.summary} {course.told()}".strip()
        if isinstance(error, OpsError):
            error.standing = standing
        async with self._store.transaction() as tx:
            await tx.operations.keep_rollout(operation.id, None)

    async def _adopt(self, name: str) -> MadeOf:
        """Have requests reach what runs: the routing table did not outlive the restart."""
        async with self._store.transaction() as tx:
            found = await tx.services.get(name)
            history = await tx.services.history(name)
        with suppress(Unreachable):  # the keeper looks again
            if found is not None:
                await self.survey.refresh(found)
        return history[0].resolved if history else ()

    async def _settle(self, rollout: Rollout, operation: Operation, course: Course) -> MadeOf:
        made_of = await resolved(self._deployers, rollout.want, course.seen)
        async with self._store.transaction() as tx:
            settled = replace(rollout, settled=True)
            await tx.operations.keep_rollout(operation.id, settled.to_json())
            if rollout.removal:
                await tx.services.remove(rollout.want.name)
                await tx.incidents.forget(rollout.want.name)
            else:
                now = self._clock.now()
                wanted = Wanted(rollout.want, operation.room, operation.id, now)
                await tx.services.put(wanted, made_of)
        self._expect(rollout.want.name, None if rollout.removal else rollout.want)
        return made_of

    def _expect(self, name: str, spec: ServiceSpec | None) -> None:
        """Have requests for it wait while it has no ready replica, or none for what is no more."""
        if spec is None:
            self._endpoints.forget(name)
        else:
            self._endpoints.expect(name, spec.replicas)

    async def _outcome(self, rollout: Rollout, began: datetime) -> Outcome:
        moved = {StepKind.START, StepKind.STOP, StepKind.FORGET}
        changed = any(step.kind in moved for _, step in rollout.steps)
        changed = changed or rollout.want != rollout.before
        seconds = (self._clock.now() - began).total_seconds()
        speed = None
        if any(step.kind is StepKind.START for _, step in rollout.steps):
            endpoints = self._endpoints.of(rollout.want.name)
            if endpoints:
                speed = await self._measure(endpoints[-1].url, endpoints[-1].model)
        warnings = tuple(dict.fromkeys(w for plan in rollout.plans for w in plan.warnings))
        return Outcome(rollout.want, changed, seconds, speed, warnings)
