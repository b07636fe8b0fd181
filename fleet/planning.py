"""Plans of changes: made from what runs, kept with the operation, held against the world later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from deployers.protocol import Deployer
from domain.clock import Clock
from domain.costs import Price
from domain.errors import Busy, UnknownName, WorldChanged
from domain.locks import in_the_way
from domain.operations import Operation
from domain.plans import Fingerprint
from domain.services import ServiceSpec
from domain.terms import Terms
from fleet.fitting import Interrupts, refuse_unfit, surprises
from fleet.looking import hurry, observe
from fleet.rollout import Rollout
from fleet.rollouts import Rollouts
from fleet.store.database import Store
from fleet.store.services import Wanted
from fleet.survey import Survey

log = structlog.get_logger()

Decide = Callable[[ServiceSpec | None], ServiceSpec]
"""What runs now (None for nothing) -> what should. Raises OpsError to refuse."""

_USUAL = Terms()
_REPAIR = Terms(force=True, told=True)
"""A repair brings back what fitted before. Refusing it would leave less."""


class Planning:
    """What changes would do. Changes nothing."""

    def __init__(
        self,
        store: Store,
        deployers: Mapping[str, Deployer],
        rollouts: Rollouts,
        survey: Survey,
        clock: Clock,
        prices: Mapping[str, Price],
    ) -> None:
        self._store = store
        self._deployers = deployers
        self._rollouts = rollouts
        self._survey = survey
        self._clock = clock
        self._prices = prices

    async def kept(self, name: str, operation: Operation) -> Rollout | None:
        """What was planned for an operation before.

        None if nothing was, and if the service became something else since: then it is planned
        anew, unless people were asked about the plan there was.
        """
        async with self._store.transaction() as tx:
            text = await tx.operations.rollout(operation.id)
            record = await tx.decisions.get(operation.id)
            now = await tx.services.get(name)
        if text is None:
            return None
        rollout = Rollout.from_json(text)
        asked = record is not None and record.question.approval.asks
        if rollout.settled or asked or rollout.before == (now.spec if now else None):
            return rollout
        log.info("planned anew", operation=operation.id, service=name)
        return None

    async def made(
        self,
        name: str,
        operation: Operation,
        decide: Decide,
        *,
        remove: bool,
        repair: bool,
        terms: Terms = _USUAL,
    ) -> Rollout:
        """Plan a change and keep the plan. Raises Busy for what somebody else locked, DoesNotFit
        and Interrupts for what the terms do not let through, unless it is a repair, and whatever
        `decide` and the targets raise."""
        before = await self._now(name)
        want = decide(before.spec if before else None)
        terms = _REPAIR if repair else terms
        rollout = await self._planned(want, before, operation, remove=remove, terms=terms)
        if not repair:
            await self.refuse_locked(rollout, operation.sender)
            await self._refuse(rollout, terms)
        await self.keep(rollout, operation)
        return rollout

    async def keep(self, rollout: Rollout, operation: Operation) -> None:
        """Keep what an operation is to do, or could."""
        async with self._store.transaction() as tx:
            await tx.operations.keep_rollout(operation.id, rollout.to_json())

    async def preview(
        self,
        name: str,
        operation: Operation,
        decide: Decide,
        *,
        remove: bool = False,
        terms: Terms = _USUAL,
    ) -> Rollout:
        """What a change would do as things are now, also where it would be refused for its size.
        Nothing is kept, nobody is kept waiting."""
        before = await self._now(name)
        want = decide(before.spec if before else None)
        return await self._planned(want, before, operation, remove=remove, terms=terms)

    async def taken_over(
        self, plan: Rollout, operation: Operation, decide: Decide, terms: Terms = _USUAL
    ) -> Rollout:
        """Make a plan that was made before this operation's own, and keep it.

        Raises WorldChanged if `decide` would have it otherwise by now, and Busy and DoesNotFit as
        `made` does, going by what was free when it was planned. Who has it applied was told when
        it does not serve.
        """
        before = await self._now(plan.want.name)
        if decide(before.spec if before else None) != plan.want:
            news = "; ".join(await self._news(plan)) or "it would come to something else"
            raise WorldChanged(f"since this was planned, {news}", hint=_AGAIN)
        rollout = plan.by(operation.id)
        await self.refuse_locked(rollout, operation.sender)
        refuse_unfit(rollout, terms)
        await self.keep(rollout, operation)
        return rollout

    async def lately(self, name: str) -> float | None:
        """Seconds the latest change of a service took; None where none is remembered."""
        async with self._store.transaction() as tx:
            return await tx.decisions.lately(name)

    async def refuse_locked(self, rollout: Rollout, asker: str) -> None:
        """Raise Busy if a rollout touches what somebody else locked."""
        async with self._store.transaction() as tx:
            locks = await tx.locks.active(self._clock.now())
        specs = (rollout.want, rollout.before) if rollout.before else (rollout.want,)
        targets = {placement.target for spec in specs for placement in spec.placements}
        lock = in_the_way(locks, rollout.want.name, targets, asker)
        if lock is not None:
            raise Busy(str(lock), hint="ask them, or an operator may `!unlock` it")

    async def refuse_changed(self, rollout: Rollout) -> None:
        """Raise WorldChanged, naming what, unless everything is as it was when this was planned.

        For a rollout of which nothing was carried out yet.
        """
        news = await self._news(rollout)
        if news:
            raise WorldChanged(f"since this was planned, {'; '.join(news)}", hint=_AGAIN)

    async def _refuse(self, rollout: Rollout, terms: Terms) -> None:
        refuse_unfit(rollout, terms)
        if surprises(rollout, terms):
            raise Interrupts(rollout, await self.lately(rollout.want.name))

    async def _news(self, rollout: Rollout) -> list[str]:
        name, before = rollout.want.name, rollout.before
        now = await self._now(name)
        if (now.spec if now else None) != before:
            return [_other_wish(name, now, before)]
        news = []
        for plan in rollout.plans:
            seen = await observe(self._deployers, plan.target, name)
            alive, then = Fingerprint.of(seen).alive, plan.fingerprint.alive
            news += [f"{each} appeared on {plan.target}" for each in sorted(alive - then)]
            news += [f"{each} went away from {plan.target}" for each in sorted(then - alive)]
        return news

    async def _now(self, name: str) -> Wanted | None:
        async with self._store.transaction() as tx:
            return await tx.services.get(name)

    async def _planned(
        self,
        want: ServiceSpec,
        now: Wanted | None,
        operation: Operation,
        *,
        remove: bool,
        terms: Terms,
    ) -> Rollout:
        before = now.spec if now else None
        targets = [placement.target for placement in want.placements]
        targets += [p.target for p in before.placements] if before else []
        targets += await self._survey.remains(want.name) if remove else []
        plans = []
        for target in dict.fromkeys(targets):
            if target not in self._deployers and want.replicas_on(target):
                raise UnknownName(
                    f"there is no target `{target}`",
                    hint=f"there is {', '.join(self._deployers)}",
                )
            if target not in self._deployers:
                log.warning("left alone", service=want.name, target=target, why="not configured")
                continue
            hurry(self._deployers[target])
            plan = await self._rollouts.plan(want, target, operation.id, before, terms)
            apart = self._survey.no_namespaces(target) if _is_set_apart(want, target) else None
            plan = replace(plan, cost=self._prices.get(target), no_namespace=apart or "")
            plans.append(plan.forgetting() if remove else plan)
        return Rollout(want, before, tuple(plans), remove)


_AGAIN = "nothing was done; say it again, and it is planned from what is now"


def _is_set_apart(want: ServiceSpec, target: str) -> bool:
    return want.namespace is not None and want.replicas_on(target) > 0


def _other_wish(name: str, now: Wanted | None, before: ServiceSpec | None) -> str:
    if now is None:
        return f"{name} was removed"
    then = f"from {before.revision} on {before.where}, {before.replicas} in all, " if before else ""
    spec = now.spec
    return (
        f"operation `{now.operation}` changed {name} {then}"
        f"to {spec.revision} on {spec.where}, {spec.replicas} in all"
    )
