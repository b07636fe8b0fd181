"""Serves GGUF files with llama.cpp in processes of their own, on the bot's machine."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import ClassVar

from deployers import steps
from deployers.engines import llamacpp
from deployers.models.checksums import identity
from deployers.models.hub import Hub
from deployers.models.parts import disk_errors
from deployers.process import launch, logfile, machine, provenance, weights
from deployers.process.children import Children
from deployers.process.diagnosis import diagnose
from deployers.process.records import Folder, Record, Taken, folders
from deployers.process.waiting import Waiting
from deployers.process.weights import Models
from deployers.protocol import Capabilities, Kind, LogLine, Stocked, Tools
from domain.errors import OpsError, Refused, UnknownName, Unsupported, WorldChanged
from domain.fit import Need
from domain.made_of import MadeOf
from domain.plans import Plan, Step, StepKind
from domain.progress import Progress, Report
from domain.replicas import Observed, Phase, Replica, ReplicaId, TargetFacts
from domain.services import ServiceSpec
from domain.targets import ProcessTarget

_ENGINES = frozenset({"llamacpp"})
_PHASES = {
    StepKind.PREFETCH: Phase.DOWNLOADING,
    StepKind.START: Phase.STARTING,
    StepKind.WAIT_READY: Phase.LOADING,
    StepKind.DRAIN: Phase.DRAINING,
    StepKind.STOP: Phase.DRAINING,
}


class ProcessDeployer:
    """A process a replica, each with a folder whose lock tells whether it lives.

    The processes outlive the bot; the next one finds them by their locks.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        limits="processes there take what they need of the machine",
        namespaces="all processes of a machine are in one place",
    )

    def __init__(self, name: str, home: Path, models: Models, threads: int, tools: Tools) -> None:
        self._name, self._home, self._models, self._threads = name, home, models, threads
        self._clock = tools.clock
        self._children = Children(tools.clock)
        self._waiting = Waiting(self._children, tools.probe, tools.clock)

    async def inspect(self) -> TargetFacts:
        """Look at this machine: processors, memory, disk, graphics cards, the engine."""
        return await machine.facts(self._name, self._models.directory)

    async def observe(self, service: str) -> Observed:
        """Look at the folders and locks of a service."""
        return (await self.observe_all((service,)))[service]

    async def observe_all(self, services: Collection[str]) -> dict[str, Observed]:
        """Look at the folders and locks of each, after one look at what ended."""
        self._children.reap()
        return {service: self._observed(service) for service in services}

    def plan(self, want: ServiceSpec, have: Observed, facts: TargetFacts, operation: str) -> Plan:
        """A rolling replacement. What is only taken down needs nothing checked."""
        if not want.replicas_on(self._name):
            return steps.rolling(want, have, operation)
        self._check(want, facts)
        no_card = want.gpu == "auto" and not facts.gpus
        no_gpu = ("no graphics card here: it runs on the processor",) if no_card else ()
        warnings = (*no_gpu, *steps.unkept(want, self._name))
        return steps.rolling(want, have, operation, warnings)

    async def need(self, want: ServiceSpec) -> Need | None:
        """What the model's header comes to, be the file here or at its hub."""
        model = await self._models.foreseen(want.source)
        return launch.need(want, model) if model else None

    async def apply(self, plan: Plan, report: Report) -> None:
        """Walk the plan's steps; each looks first whether it is done already."""
        if news := plan.changed_since(await self.observe(plan.want.name)):
            raise WorldChanged(f"{self._name} changed since this was planned: {news}", "plan again")
        for step in plan.steps:
            replica = str(step.replica) if step.replica else None
            report(Progress(str(step), replica, _PHASES.get(step.kind)))
            await self._carry_out(step, plan, report)

    async def logs(self, replica: ReplicaId, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        """What the replica's process wrote, over all its lives."""
        folder = self._folder(replica)
        if not folder.exists:
            raise UnknownName(f"{self._name} remembers no {replica}", hint="see !status")
        if not follow:
            for line in logfile.last_lines(folder.log, tail):
                yield LogLine(replica, line)
            return
        async for line in logfile.following(folder.log, tail, self._clock, lambda: folder.held):
            yield LogLine(replica, line)

    async def foresee(self, want: ServiceSpec) -> MadeOf:
        """What a replica would be made of now; nothing for a file that is still to be fetched."""
        try:
            path = self._models.find(want.source).path
            known = await self._models.checksums.find_out(path, lambda _: None)
            return provenance.of_file(path, known)
        except (OpsError, OSError):
            return ()

    async def stock(self, want: ServiceSpec) -> Stocked:
        """Whether the model file is on this machine."""
        return await self._models.stock(want.source)

    async def aclose(self) -> None:
        """Let go of the processes; they go on serving."""
        self._children.let_go()

    async def _carry_out(self, step: Step, plan: Plan, report: Report) -> None:
        match step:
            case Step(StepKind.PREFETCH):
                await self._prefetch(step, plan.want, report)
            case Step(StepKind.START, ReplicaId() as replica):
                await self._start(replica, plan, step, report)
            case Step(StepKind.WAIT_READY, ReplicaId() as replica):
                await self._wait_ready(replica, plan.want, step, report)
            case Step(StepKind.STOP, ReplicaId() as replica):
                await self._stop(replica, step, report)
            case Step(StepKind.VERIFY):
                await self._verify(plan, report)
            case Step(StepKind.FORGET):
                self._forget(plan.want.name)

    async def _prefetch(self, step: Step, want: ServiceSpec, report: Report) -> None:
        def tell(fraction: float | None, text: str) -> None:
            report(Progress(str(step), None, Phase.DOWNLOADING, fraction, text))

        await self._models.fetch(want.source, tell)

    async def _start(self, replica: ReplicaId, plan: Plan, step: Step, report: Report) -> None:
        folder = self._folder(replica)
        if folder.phase is Phase.DRAINING:  # somebody's stop was cut short
            await self._children.stop(folder)
        host = launch.Host(sys.executable, machine.cpus(), self._threads)
        model = self._models.find(plan.want.source)
        command = launch.command(plan.want, model, host, folder.path)
        record = Record(
            plan.operation,
            plan.want.model_dump(mode="json"),
            command,
            self._clock.now().isoformat(timespec="seconds"),
            machine.engine(),
            str(model.path),
            identity(model.path),
        )
        with disk_errors(self._home):
            pid = self._children.start(folder, record)
        text = f"process {pid}" if pid else "runs already"
        report(Progress(str(step), str(replica), folder.phase, 1.0, text))

    async def _wait_ready(
        self, replica: ReplicaId, want: ServiceSpec, step: Step, report: Report
    ) -> None:
        folder = self._folder(replica)
        first = await self._waiting.until_ready(folder, want.startup_budget, str(step), report)
        text = str(first) if first else "ready before"
        report(Progress(str(step), str(replica), Phase.READY, 1.0, text))

    async def _stop(self, replica: ReplicaId, step: Step, report: Report) -> None:
        folder = self._folder(replica)
        if folder.exists:
            await self._children.stop(folder)
            if folder.failure is None:
                self._remove(folder)
        report(Progress(str(step), str(replica), Phase.STOPPED, 1.0))

    async def _verify(self, plan: Plan, report: Report) -> None:
        for replica in sorted(plan.wanted):
            folder = self._folder(replica)
            if not folder.held:
                raise self._waiting.died(folder)
            if folder.phase is not Phase.READY:
                raise Refused(f"{replica} is {folder.phase}, not ready", hint="apply again")
        unwanted = [f for f in folders(self._home, plan.want.name) if f.replica not in plan.wanted]
        if alive := [str(folder.replica) for folder in unwanted if folder.held]:
            raise Refused(f"{', '.join(alive)} runs and should not", hint="plan again")
        for folder in unwanted:
            self._remove(folder)
        for replica in sorted(plan.wanted):
            await provenance.prove(self._folder(replica), self._models.checksums, _reading(report))
        report(Progress("verify", None, None, 1.0))

    def _forget(self, service: str) -> None:
        for folder in folders(self._home, service):
            self._remove(folder)
        place = self._home / service
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()

    def _remove(self, folder: Folder) -> None:
        try:
            folder.remove()
        except Taken as error:
            raise Refused(f"{folder.replica} runs again", hint="plan again") from error

    def _observed(self, service: str) -> Observed:
        replicas = (self._replica(folder) for folder in folders(self._home, service))
        return Observed(service, self._name, self._clock.now(), tuple(r for r in replicas if r))

    def _replica(self, folder: Folder) -> Replica | None:
        phase, record = folder.phase, folder.record
        if record is None:
            return None
        reason = None
        if phase is Phase.FAILED:
            exit_code = self._children.exit_code(folder)
            reason = (folder.failure or diagnose(exit_code, folder.last_words())).what
        endpoint = folder.endpoint if phase.alive else None
        made_of = provenance.of_replica(folder)
        return Replica(
            folder.replica,
            self._name,
            phase,
            record.operation,
            endpoint,
            folder.since,
            reason,
            made_of,
        )

    def _check(self, want: ServiceSpec, facts: TargetFacts) -> None:
        if not facts.reachable:
            raise Unsupported(f"{self._name} cannot serve: {facts.note}", hint=machine.INSTALL)
        if want.engine not in _ENGINES:
            raise Unsupported(f"a process target does not run {want.engine}", hint="use llamacpp")
        weights.check(want.source)
        if llamacpp.tuning(want).port and want.replicas_on(self._name) > 1:
            raise Unsupported("one port serves one replica", hint="leave `port` out")
        if isinstance(want.gpu, int) and want.gpu > len(facts.gpus):
            raise Unsupported(
                f"{self._name} has {len(facts.gpus)} graphics cards, not {want.gpu}",
                hint="--gpu auto takes what there is",
            )

    def _folder(self, replica: ReplicaId) -> Folder:
        return Folder(self._home, replica)


def _reading(report: Report) -> Callable[[float], None]:
    text = "working out the checksum of the model file"
    return lambda fraction: report(Progress("verify", None, None, fraction, text))


def _open(name: str, settings: ProcessTarget, tools: Tools) -> ProcessDeployer:
    home = (settings.home or tools.state_dir / "targets" / name).expanduser().absolute()
    directory = (settings.models_dir or tools.state_dir / "models").expanduser().absolute()
    hub = Hub(
        os.environ.get("HF_ENDPOINT", "https://huggingface.co"),
        os.environ.get("HF_TOKEN"),
        tools.clock,
    )
    return ProcessDeployer(name, home, Models(directory, hub), settings.threads, tools)


KIND = Kind(ProcessTarget, _open)
