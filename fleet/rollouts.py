"""The steps of a change, in order, over every target it concerns; and the way back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

import structlog

from deployers.protocol import Deployer, Foretelling
from deployers.steps import stop_first
from domain.errors import OpsError, Refused, Unreachable, WorldChanged
from domain.fit import Need, outgrown
from domain.moments import measured, taken
from domain.plans import Plan, Step, StepKind, Strategy
from domain.progress import Progress, Report
from domain.replicas import Observed, ReplicaId, TargetFacts
from domain.services import ServiceSpec
from domain.terms import Terms
from fleet.claims import Take
from fleet.course import Course
from fleet.deadlines import PATIENCE, Hearing, LeftAlone, unanswered
from fleet.manners import manner
from fleet.rollout import Rollout
from fleet.strategies import chosen, same_port, too_few_cards
from inference.endpoints import Endpoints

log = structlog.get_logger()


class Rollouts:
    """Carries out rollouts. Holds no state: all of it is on the targets."""

    def __init__(
        self,
        deployers: Mapping[str, Deployer],
        endpoints: Endpoints,
        left: LeftAlone,
        patience: float = PATIENCE,
    ) -> None:
        self._deployers = deployers
        self._endpoints = endpoints
        self._patience = patience
        self._left, self._hearing = left, Hearing(left, patience)

    async def plan(
        self,
        want: ServiceSpec,
        target: str,
        operation: str,
        before: ServiceSpec | None = None,
        terms: Terms | None = None,
    ) -> Plan:
        """Ask one target how it would get there, from what it was `before`, in the order that its
        memory and ports allow. Raises Unreachable or Unsupported, and Refused for what is in the
        way there."""
        deployer = self._deployer(target)
        needing = None
        if _brings_up(want, before, target):  # what it takes is looked up while the host is asked
            needing = asyncio.create_task(deployer.need(want), name=f"need on {target}")
        try:
            plan, facts = await self._asked(want, target, operation)
            if not plan.started:
                return plan
            if isinstance(deployer, Foretelling):
                plan = replace(plan, warnings=(*plan.warnings, *await deployer.foretell(want)))
            need = await (needing or deployer.need(want))
        finally:
            if needing is not None:
                await self._left.end(needing, self._patience)
        old = await deployer.need(before) if before and plan.stopped else None
        gives = _given_back(plan, before, old, facts)
        clash = same_port(want, before)
        if clash is None and need is None:
            clash = too_few_cards(want, before, facts)
        return chosen(
            plan, terms or Terms(), clash, lambda each: measured(each, need, facts, gives)
        )

    async def _asked(
        self, want: ServiceSpec, target: str, operation: str
    ) -> tuple[Plan, TargetFacts]:
        deployer = self._deployer(target)
        facts = await deployer.inspect()
        if not facts.reachable:
            raise Unreachable(f"{target} cannot be used: {facts.note}", hint=facts.advice)
        return deployer.plan(want, await deployer.observe(want.name), facts, operation), facts

    async def carry_out(self, rollout: Rollout, report: Report, course: Course, take: Take) -> None:
        """Do every step in order; steps done before a restart are found done.

        Takes its turn with the contended targets once everything is fetched, and before anything
        is touched. Raises WorldChanged if by then what fitted when it was planned does not any
        more. A step that fails raises its error and leaves the rest undone: `restore` is next.
        """
        course.count = len(rollout.steps)
        await self._walk(rollout.fetching, report, course)
        _heed()
        await take(rollout.contended)
        await self._refuse_outgrown(rollout)
        await self._walk(rollout.moving, report, course)

    async def _walk(
        self, steps: Iterable[tuple[Plan, Step]], report: Report, course: Course
    ) -> None:
        for plan, step in steps:
            _heed()
            log.info("step", operation=plan.operation, step=str(step), target=plan.target)
            report_here = _at((len(course.done), course.count), report)
            report_here(Progress(str(step), replica=_name(step)))
            course.begins(step, plan.target)
            await self._carry_out(plan, step, report_here, course)
            course.ends()

    async def _refuse_outgrown(self, rollout: Rollout) -> None:
        """Others started things while this was decided, fetched or waited for its turn."""
        for plan in rollout.plans:
            if plan.fit is not None and plan.fit.fits:
                same = Terms(force=True, strategy=plan.strategy)
                now = await self.plan(
                    rollout.want, plan.target, plan.operation, rollout.before, same
                )
                if news := outgrown(plan.fit, now.fit):
                    raise WorldChanged(f"since this was planned, {news} on {plan.target}", _ROOM)

    async def restore(
        self, rollout: Rollout, report: Report, course: Course, hung: bool = False
    ) -> str:
        """Put back what ran before a change that failed, and say how things stand.

        Never raises for a target that will not cooperate: it says so instead, also of one that
        says nothing for as long as a starting replica may. A target that `hung` in the step under
        way is left alone: nobody knows what it is still doing.
        """
        told = [f"{unanswered(course.target, self._patience)}."] if hung else []
        if rollout.before != rollout.want:
            for target in dict.fromkeys(plan.target for plan in rollout.plans):
                if not hung or target != course.target:
                    told += await self._restore(rollout, target, report, course)
        return " ".join(told) or await self.standing(rollout, report)

    async def standing(self, rollout: Rollout, report: Report) -> str:
        """How things stand while a rollout is not carried out, in a sentence. Never raises."""
        name = rollout.want.name
        if rollout.before is None:
            return await self._nothing(rollout, report)
        if not rollout.before.replicas:
            return f"{name} is stopped, as before."
        ready = 0
        for target in (placement.target for placement in rollout.before.placements):
            if target in self._deployers:
                try:
                    ready += len((await self._heard(target, name, report)).ready)
                except OpsError as error:
                    return f"How {name} stands is not known: {error.summary}."
        count = f"{ready} of {rollout.before.replicas}"
        if rollout.before == rollout.want:
            return f"{count} replicas serve."
        return f"The version before ({rollout.before.revision}) serves, {count}."

    async def _nothing(self, rollout: Rollout, report: Report) -> str:
        """That nothing came of a new service, and whether anything was left to be looked at."""
        name, remains = rollout.want.name, False
        for target in dict.fromkeys(plan.target for plan in rollout.plans):
            with suppress(OpsError):
                remains |= bool((await self._heard(target, name, report)).replicas)
        return f"Nothing of {name} runs{'; its log is kept' if remains else ''}."

    async def _heard(self, target: str, name: str, report: Report) -> Observed:
        """What a target holds of a service, waited for with patience. Raises Unreachable."""
        look = partial(_look, self._deployer(target), name)
        return await self._hearing.of(target, look, report, self._patience)

    async def _restore(
        self, rollout: Rollout, target: str, report: Report, course: Course
    ) -> list[str]:
        """Put one target back. Returns what kept it from that, if something did."""
        goal = rollout.before or rollout.want.scaled(0)
        operation = rollout.plans[0].operation

        async def put_back(report: Report) -> None:
            plan = await self._way_back(rollout, goal, target, operation)
            for step in plan.steps:
                if step.kind is not StepKind.VERIFY:
                    report(Progress(f"put back: {step}", replica=_name(step)))
                    await self._carry_out(plan, step, report, course)
                    course.undone.append(step)

        silence = self._patience + max(goal.startup_budget, goal.drain_timeout)
        try:
            await self._hearing.of(target, put_back, report, silence)
        except OpsError as error:
            return [f"{target} could not be put back: {error.summary}."]
        return []

    async def _way_back(
        self, rollout: Rollout, goal: ServiceSpec, target: str, operation: str
    ) -> Plan:
        """Where old and new had no room side by side on the way there, they have none on the way
        back. Nothing else is measured: what ran before did fit."""
        plan, _ = await self._asked(goal, target, operation)
        first = any(p.target == target and p.strategy is Strategy.RECREATE for p in rollout.plans)
        return stop_first(plan, "as on the way there", every=True) if first else plan

    async def _carry_out(self, plan: Plan, step: Step, report: Report, course: Course) -> None:
        deployer = self._deployer(plan.target)
        if step.kind is StepKind.ADMIT and step.replica:
            course.seen[plan.target] = seen = await deployer.observe(plan.want.name)
            self._admit(step, plan.want, seen)
        elif step.kind is StepKind.DRAIN and step.replica:
            timeout = plan.want.drain_timeout
            await self._endpoints.drain(step.replica, timeout, target=plan.target)
        else:
            await deployer.apply(plan.only(step), report)

    def _deployer(self, target: str) -> Deployer:
        """Raises Unreachable for one that was there when this was planned, and is not any more."""
        if target not in self._deployers:
            raise Unreachable(f"{target} is no longer configured", hint="put the target back")
        return self._deployers[target]

    def _admit(self, step: Step, want: ServiceSpec, seen: Observed) -> None:
        replica = seen.find(step.replica) if step.replica else None
        if replica is None or replica.endpoint is None:
            raise Refused(f"{step.replica} went away before requests could reach it")
        how = manner(want.engine, replica)
        self._endpoints.admit(replica.id, replica.endpoint, target=seen.target, manner=how)


_ROOM = "stop something there, or choose another target"


def _brings_up(want: ServiceSpec, before: ServiceSpec | None, target: str) -> bool:
    """Whether more is wanted there than before, or something else."""
    same = before is not None and before.revision == want.revision
    return want.replicas_on(target) > (before.replicas_on(target) if before and same else 0)


def _given_back(
    plan: Plan, before: ServiceSpec | None, old: Need | None, facts: TargetFacts
) -> dict[ReplicaId, int]:
    """What each stopped replica of the version before gives back; others are not counted on."""
    if before is None or old is None:
        return {}
    back = taken(old, before, facts.gpus)
    return {each: back for each in plan.stopped if each.revision == before.revision}


def _heed() -> None:
    """Go no further in a task that was told to end, even if a target swallowed that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _look(deployer: Deployer, name: str, _: Report) -> Observed:
    return await deployer.observe(name)


def _at(position: tuple[int, int], report: Report) -> Report:
    return lambda news: report(replace(news, position=position))


def _name(step: Step) -> str | None:
    return str(step.replica) if step.replica else None
