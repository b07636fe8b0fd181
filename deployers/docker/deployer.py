"""Serves models in containers of one Docker engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from deployers import steps
from deployers.docker import container as labels
from deployers.docker import facts, hardware, listing, ollama
from deployers.docker.api import Api, Gone, Listed
from deployers.docker.cards import CardMemory
from deployers.docker.compose import adopted
from deployers.docker.following import following
from deployers.docker.liveness import Liveness
from deployers.docker.looking import Glimpse, Seen, glimpse, seen
from deployers.docker.observing import Observing
from deployers.docker.starting import Starting
from deployers.docker.waiting import Greeting, Readiness, Waiting
from deployers.docker.watching import Watching
from deployers.engines.presets import presets
from deployers.protocol import Capabilities, LogLine, Stocked
from domain import made_of
from domain.clock import Clock
from domain.errors import Refused, TargetError, Unhealthy, UnknownName, Unsupported, WorldChanged
from domain.fit import Need
from domain.incidents import Incident
from domain.made_of import MadeOf
from domain.plans import Fingerprint, Plan, Step, StepKind
from domain.progress import Progress, Report
from domain.replicas import Observed, Phase, ReplicaId, TargetFacts
from domain.services import ServiceSpec

_POLITE = 10
"""Seconds a replica gets to end by itself."""

_PHASES = {
    StepKind.PREFETCH: Phase.PULLING,
    StepKind.START: Phase.STARTING,
    StepKind.WAIT_READY: Phase.LOADING,
    StepKind.DRAIN: Phase.DRAINING,
    StepKind.STOP: Phase.DRAINING,
}


class DockerDeployer:
    """A container a replica, named like it and labelled with all that is known of it.

    A replica that was ready once carries the restart policy `unless-stopped`: from then on the
    engine keeps it up, also while the bot is away, and that is how the next bot knows it.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        namespaces="all containers of a Docker engine are in one place"
    )

    def __init__(
        self, name: str, api: Api, starting: Starting, readiness: Readiness, clock: Clock
    ) -> None:
        self._name, self._api, self._clock = name, api, clock
        self._starting, self._readiness = starting, readiness
        self._taking_over = starting.adoption.taking_over
        self._waiting = Waiting(api, readiness, clock)
        self._liveness, self._cards = Liveness(api, clock), CardMemory(api, clock)
        self._observing = Observing(name, api, readiness, self._liveness, clock)
        self._watching = Watching(name, api, readiness, self._liveness, clock)

    async def inspect(self) -> TargetFacts:
        """Ask the engine. One that does not answer is a fact."""
        told = await facts.ask(self._name, self._api, self._starting.offered)
        return replace(told, no_compose=self._starting.compose.missing())

    async def observe(self, service: str) -> Observed:
        """Look at every container of a service, and ask those that run and are not known here for
        a token."""
        return await self._observing.observe(service)

    async def observe_all(self, services: Collection[str]) -> dict[str, Observed]:
        """The same of many by one list, but for those of which a container would be asked."""
        return await self._observing.observe_all(services)

    def plan(self, want: ServiceSpec, have: Observed, facts: TargetFacts, operation: str) -> Plan:
        """A rolling replacement. What is only taken down needs nothing checked."""
        if not want.replicas_on(self._name):
            return steps.rolling(want, have, operation)
        if not facts.reachable:
            raise Unsupported(f"{self._name} cannot serve: {facts.note}", hint=facts.advice)
        presets()[want.engine].check(want)
        if adopted.is_adopted(want):
            self._starting.adoption.check(want, self._name, facts.no_compose)
            return adopted.planned(want, have, operation)
        if dict(want.settings).get("port") and want.replicas_on(self._name) > 1:
            raise Unsupported("one port serves one replica", hint="leave `port` out")
        choice = self._starting.choose(want, facts.no_cards)
        self._starting.check(want, choice.hardware)
        self._starting.check_project(want, facts.no_compose)
        hardware.refuse_too_much(want, facts)
        told = hardware.warnings(choice, facts.cards_at_risk)
        plan = steps.rolling(want, have, operation, told)
        return replace(plan, runs_on="" if choice.why else str(choice))

    async def need(self, want: ServiceSpec) -> Need | None:
        """What the model's header comes to, be the file on that host or at its hub."""
        return await self._starting.need(want)

    async def apply(self, plan: Plan, report: Report) -> None:
        """Walk the plan's steps; each looks first whether it is done already, the first one at
        what the plan was held against."""
        listed = await self._listed(plan.want.name)
        if news := plan.differs(self._alive_in(listed)):
            raise WorldChanged(f"{self._name} changed since this was planned: {news}", "plan again")
        for number, step in enumerate(plan.steps):
            replica = str(step.replica) if step.replica else None
            report(Progress(str(step), replica, _PHASES.get(step.kind)))
            await self._carry_out(step, plan, report, None if number else listed)

    async def logs(self, replica: ReplicaId, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        """What the container wrote, over all its runs."""
        try:
            found = await self._find(replica)
            name = found.id if found else str(replica)
            if not follow:
                for text in await self._api.last_words(name, tail):
                    yield LogLine(replica, text)
                return
            async for text in following(self._api, name, tail):
                yield LogLine(replica, text)
        except Gone as error:
            raise UnknownName(f"{self._name} remembers no {replica}", hint="see !status") from error

    async def foresee(self, want: ServiceSpec) -> MadeOf:
        """What a replica would be made of now; nothing for an image that is still to be pulled."""
        try:
            return await self._starting.foresee(want)
        except (TargetError, Unsupported):
            return ()

    async def foretell(self, want: ServiceSpec) -> tuple[str, ...]:
        """What runs already of a project that is to be adopted. Raises Refused, for a repository
        without a whole model, too."""
        return await self._starting.foretell(want)

    async def stock(self, want: ServiceSpec) -> Stocked:
        """Whether the model file is on that host. Of what an engine fetches nothing is known."""
        if adopted.is_adopted(want):
            return Stocked(here=False)
        return await self._starting.models.stock(want.source)

    def incidents(self, since: datetime) -> AsyncGenerator[Incident, None]:
        """What the engine tells of its containers, and what `nvidia-smi` in them does."""
        return self._watching.incidents(since)

    async def aclose(self) -> None:
        """Let go of the engine; the containers go on serving."""
        await self._starting.models.aclose()
        await self._api.aclose()

    async def _carry_out(
        self, step: Step, plan: Plan, report: Report, listed: Listed | None
    ) -> None:
        match step:
            case Step(StepKind.PREFETCH):
                await self._starting.prefetch(plan.want, str(step), report)
            case Step(StepKind.START, ReplicaId() as replica):
                await self._start(replica, plan, step, report, listed)
            case Step(StepKind.WAIT_READY, ReplicaId() as replica):
                await self._wait_ready(replica, plan, step, report)
            case Step(StepKind.STOP, ReplicaId() as replica):
                await self._stop(replica, plan.operation, step, report)
            case Step(StepKind.VERIFY):
                await self._verify(plan, report, listed)
            case Step(StepKind.FORGET):
                for each in await self._observing.containers(plan.want.name):
                    await self._remove(each)
                await self._starting.adoption.end_all(plan.want.name)
                await self._taking_over.sweep(plan.want.name, ())

    async def _start(
        self, replica: ReplicaId, plan: Plan, step: Step, report: Report, listed: Listed | None
    ) -> None:
        if listed is None:
            listed = await self._listed(plan.want.name)
        there = {each.replica: each.id for each in _glimpses(listed)}
        lost = [each for each, container in there.items() if self._liveness.failure(container)]
        for each in lost:  # its card may be free again once it is gone
            if (dead := await self._find(each)) is not None:
                await self._end(dead)
        found = await self._find(replica) if replica in there else None
        if found is not None and (found.runs or found.status == "restarting"):
            report(Progress(str(step), str(replica), Phase.LOADING, 1.0, "runs already"))
            return
        if found is not None and found.taken_over:
            await self._taking_over.start_again(found)
            report(Progress(str(step), str(replica), Phase.LOADING, 1.0, "it is started again"))
            return
        if found is not None:
            await self._remove(found)
        if plan.want.gpu != "none":
            await self._cards.settled(str(step), str(replica), report)
        await self._starting.start(replica, plan, str(step), report)

    async def _wait_ready(self, replica: ReplicaId, plan: Plan, step: Step, report: Report) -> None:
        want = plan.want
        try:
            first = await self._waiting.until_ready(
                replica, want.startup_budget, str(step), report, self._greeting(want)
            )
        except Unhealthy:
            if adopted.is_adopted(want):
                await self._starting.adoption.halt(want.name)
            await self._let_go(await self._find(replica), plan.operation)
            raise
        text = str(first) if first else "ready before"
        report(Progress(str(step), str(replica), Phase.READY, 1.0, text))

    def _greeting(self, want: ServiceSpec) -> Greeting | None:
        """What an engine has to hear once it listens; None for one that is told as it starts."""
        if adopted.is_adopted(want):
            called = dict(want.settings).get("model", want.name)
            return lambda url, _: listing.listed(url, called)
        if want.engine != "ollama":
            return None
        tag = want.source.location
        return lambda url, tell: ollama.introduce(url, tag, want.name, self._clock, tell)

    async def _stop(self, replica: ReplicaId, operation: str, step: Step, report: Report) -> None:
        found = await self._find(replica)
        if await self._let_go(found, operation):
            report(Progress(str(step), str(replica), Phase.STOPPED, 1.0, "runs on by itself"))
            return
        if found is not None and found.phase(ready=True) is not Phase.FAILED:
            await self._end(found)
        report(Progress(str(step), str(replica), Phase.STOPPED, 1.0))

    async def _verify(self, plan: Plan, report: Report, listed: Listed | None) -> None:
        there = await self._observing.containers(plan.want.name, listed)
        found = {each.replica: each for each in there}
        for replica in sorted(plan.wanted):
            if replica not in found:
                raise Refused(f"{replica} went away", hint="deploy again")
            if not found[replica].runs:
                raise await self._waiting.died(found[replica])
            if not self._readiness.knows(found[replica]):
                await self._waiting.until_ready(replica, plan.want.startup_budget, "verify", report)
        unwanted = [each for replica, each in found.items() if replica not in plan.wanted]
        if alive := [str(each.replica) for each in unwanted if self._alive(each)]:
            raise Refused(f"{', '.join(alive)} runs and should not", hint="plan again")
        stopped = self._name in {placement.target for placement in plan.want.placements}
        for each in unwanted:  # what is only stopped here is to be started again
            if plan.wanted or not (stopped and each.taken_over):
                await self._remove(each)
        await self._taking_over.sweep(plan.want.name, [each.id for each in found.values()])
        report(Progress("verify", None, None, 1.0))

    async def _end(self, found: Seen) -> None:
        """Stop it, if it runs, and take it away, unless it was taken over."""
        self._watching.ended(found.id)
        if found.runs and found.hardware == "cuda":
            await self._cards.note()
        if found.runs or found.status == "restarting":
            await self._api.stop(found.id, _POLITE)
        if found.taken_over:
            self._liveness.forget(found.id)
        else:
            await self._remove(found)

    async def _let_go(self, found: Seen | None, operation: str) -> bool:
        """Whether it was taken over by this very change, which then comes to nothing: it is its
        owner's again, as it was."""
        if found is None or not found.taken_over or found.operation != operation:
            return False
        await self._taking_over.let_go(found)
        self._readiness.forget(found.id)
        return True

    async def _remove(self, found: Seen) -> None:
        self._watching.ended(found.id)
        if found.taken_over:
            await self._taking_over.let_go(found)
        elif found.project is not None:
            await self._starting.adoption.end(found.project)
        else:
            theirs = made_of.PROJECT in dict(found.made_of)  # and so is what it keeps
            await self._api.remove(found.id, volumes=not theirs)
        self._readiness.forget(found.id)
        self._liveness.forget(found.id)

    def _alive(self, found: Seen) -> bool:
        return found.phase(ready=True).alive and self._liveness.failure(found.id) is None

    def _alive_in(self, listed: Listed) -> Fingerprint:
        """Without a look at each: a step of a service of fifty replicas would take fifty."""
        there = _glimpses(listed)
        alive = (each for each in there if each.alive and not self._liveness.failure(each.id))
        return Fingerprint(frozenset(str(each.replica) for each in alive))

    async def _listed(self, service: str) -> Listed:
        return await self._api.listed(**{labels.SERVICE: service})

    async def _find(self, replica: ReplicaId) -> Seen | None:
        there = await self._api.containers(**{labels.REPLICA: str(replica)})
        return next((each for each in map(seen, there) if each is not None), None)


def _glimpses(listed: Listed) -> list[Glimpse]:
    return [each for each in map(glimpse, listed) if each is not None]
