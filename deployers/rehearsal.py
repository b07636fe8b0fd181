"""Plays a script instead of running anything: for trying commands out, and for tests.

What it pretends to run stands in one file a service, written whole after every change, so that it
outlives the bot as real replicas would.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from deployers import rehearsal_scripts as scripts
from deployers import steps
from deployers.protocol import Capabilities, Kind, LogLine, Stocked, Tools
from deployers.rehearsal_memory import NOBODY, Memory, Role, Roles
from deployers.rehearsal_scripts import Scene
from domain import made_of
from domain.clock import Clock
from domain.errors import Refused, Unhealthy, UnknownName, Unsupported, WorldChanged
from domain.fit import Need
from domain.made_of import MadeOf
from domain.plans import Plan, Step, StepKind
from domain.progress import Progress, Report
from domain.replicas import Observed, Phase, Replica, ReplicaId, TargetFacts
from domain.services import ServiceSpec
from domain.targets import RehearsalTarget


class RehearsalDeployer:
    """Behaves like a target where every replica does what the script says."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        gpus="a rehearsal has no graphics cards", namespaces=None
    )

    def __init__(self, name: str, settings: RehearsalTarget, home: Path, clock: Clock) -> None:
        self._name, self._settings, self._clock = name, settings, clock
        self._memory = Memory(home)
        self._seen: dict[str, tuple[Roles, tuple[Replica, ...]]] = {}

    async def inspect(self) -> TargetFacts:
        """Always reachable."""
        note = f"plays `{self._settings.script}`"
        return TargetFacts(self._name, "rehearsal", reachable=True, note=note)

    async def observe(self, service: str) -> Observed:
        """Look into the memory. Roles that are as they were look as they did."""
        roles = self._memory.recall(service)
        known, replicas = self._seen.get(service, (NOBODY, ()))
        if known is not roles:
            replicas = tuple(self._replica(replica, role) for replica, role in roles.items())
            self._seen[service] = roles, replicas
        return Observed(service, self._name, self._clock.now(), replicas)

    async def observe_all(self, services: Collection[str]) -> dict[str, Observed]:
        """Look into the memory for each."""
        return {service: await self.observe(service) for service in services}

    def plan(self, want: ServiceSpec, have: Observed, facts: TargetFacts, operation: str) -> Plan:
        """A rolling replacement of anything that needs no graphics card by number."""
        if isinstance(want.gpu, int) and want.replicas_on(self._name):
            raise Unsupported(f"{self._name} cannot: {self.capabilities.gpus}", hint="--gpu auto")
        return steps.rolling(want, have, operation)

    async def need(self, want: ServiceSpec) -> Need | None:
        """A rehearsal takes nothing."""
        return None

    async def apply(self, plan: Plan, report: Report) -> None:
        """Walk the plan's steps; each looks first whether it is done already."""
        if news := plan.changed_since(await self.observe(plan.want.name)):
            raise WorldChanged(f"{self._name} changed since this was planned: {news}", "plan again")
        for step in plan.steps:
            report(Progress(str(step), str(step.replica) if step.replica else None))
            await self._carry_out(step, plan, report)

    async def logs(self, replica: ReplicaId, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        """The lines played so far, and the ones still to come while the replica is alive."""
        if replica not in self._memory.recall(replica.service):
            raise UnknownName(f"{self._name} remembers no {replica}", hint="see !status")
        told = max(0, len(self._lines(replica)[0]) - tail)
        while True:
            lines, alive = self._lines(replica)
            for line in lines[told:]:
                yield LogLine(replica, line)
            told = max(told, len(lines))
            if not (follow and alive):
                return
            await self._clock.sleep(self._settings.pace)

    async def foresee(self, want: ServiceSpec) -> MadeOf:
        """What the script would be played with now."""
        return _made_of(want)

    async def stock(self, want: ServiceSpec) -> Stocked:
        """The script's 2 GB, to be downloaded where a real model would be."""
        return Stocked(want.source.scheme in ("tiny", "path"), 2_000_000_000)

    async def aclose(self) -> None:
        """Nothing is open."""

    async def _carry_out(self, step: Step, plan: Plan, report: Report) -> None:
        match step:
            case Step(StepKind.START, ReplicaId() as replica):
                self._start(replica, plan)
                report(Progress(str(step), str(replica), Phase.STARTING, 1.0))
            case Step(StepKind.WAIT_READY, ReplicaId() as replica):
                await self._play(replica, plan.want, str(step), report)
            case Step(StepKind.STOP, ReplicaId() as replica):
                self._stop(replica)
                report(Progress(str(step), str(replica), Phase.STOPPED, 1.0))
            case Step(StepKind.VERIFY):
                self._verify(plan)
            case Step(StepKind.FORGET):
                self._memory.forget(plan.want.name)

    def _start(self, replica: ReplicaId, plan: Plan) -> None:
        known = self._memory.recall(replica.service).get(replica)
        if known is None or not known.phase.alive:
            log, made = known.log if known else (), _made_of(plan.want)
            now = self._clock.now()
            where = plan.want.namespace
            role = Role(Phase.STARTING, plan.operation, now, None, log, made, where)
            self._note(replica, role)

    async def _play(self, replica: ReplicaId, want: ServiceSpec, step: str, report: Report) -> None:
        for scene in scripts.scenes(scripts.choose(self._settings.script, want.source)):
            role = self._memory.recall(replica.service).get(replica)
            if role is None or not role.phase.alive:
                raise Refused(f"{replica} was stopped while it started", hint="apply again")
            if role.phase is Phase.READY:
                break
            await self._clock.sleep(self._settings.pace)
            self._show(replica, role, scene)
            report(Progress(step, str(replica), scene.phase, scene.fraction, scene.line))
            if scene.failure:
                evidence = (*role.log, scene.line)[-8:]
                raise Unhealthy(str(replica), replace(scene.failure, evidence=evidence))

    def _show(self, replica: ReplicaId, role: Role, scene: Scene) -> None:
        reason = scene.failure.what if scene.failure else None
        log = (*role.log, scene.line)
        self._note(replica, replace(role, phase=scene.phase, reason=reason, log=log))

    def _stop(self, replica: ReplicaId) -> None:
        role = self._memory.recall(replica.service).get(replica)
        if role and role.phase.alive:
            self._note(replica, None)

    def _verify(self, plan: Plan) -> None:
        roles = self._memory.recall(plan.want.name)
        for replica in sorted(plan.wanted):
            if replica not in roles or roles[replica].phase is not Phase.READY:
                raise Refused(f"{replica} is not ready", hint="apply again")
        unwanted = [replica for replica in roles if replica not in plan.wanted]
        if alive := [str(r) for r in unwanted if roles[r].phase.alive]:
            raise Refused(f"{', '.join(alive)} runs and should not", hint="plan again")
        for replica in unwanted:
            self._note(replica, None)

    def _note(self, replica: ReplicaId, role: Role | None) -> None:
        now = self._clock.now()
        self._memory.note(replica, replace(role, since=now) if role else None)

    def _lines(self, replica: ReplicaId) -> tuple[tuple[str, ...], bool]:
        role = self._memory.recall(replica.service).get(replica)
        return (role.log, role.phase.alive) if role else ((), False)

    def _replica(self, replica: ReplicaId, role: Role) -> Replica:
        ready = role.phase is Phase.READY
        place = f"{role.namespace}/{replica}" if role.namespace else str(replica)
        endpoint = f"http://rehearsal.invalid/{place}" if ready else None
        return Replica(
            replica,
            self._name,
            role.phase,
            role.operation,
            endpoint,
            role.since,
            role.reason,
            role.made_of,
            role.namespace,
        )


def _made_of(want: ServiceSpec) -> MadeOf:
    """A file that is there is read, so that one can rehearse what happens when it is replaced."""
    path = Path(want.source.location)
    there = want.source.scheme == "path" and path.is_file()
    content = path.read_bytes() if there else str(want.source).encode()
    found = [(made_of.FILE, str(want.source)), (made_of.SIZE, str(len(content)))]
    found.append((made_of.SHA256, hashlib.sha256(content).hexdigest()))
    return (*found, (made_of.ENGINE, "rehearsal"))


def _open(name: str, settings: RehearsalTarget, tools: Tools) -> RehearsalDeployer:
    home = settings.home or tools.state_dir / "targets" / name
    return RehearsalDeployer(name, settings, home, tools.clock)


KIND = Kind(RehearsalTarget, _open)
