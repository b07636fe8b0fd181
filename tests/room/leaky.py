"""A kind of target that tells every secret it can get at, in every way there is."""

from __future__ import annotations

import base64
import json
import logging
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import BaseModel

from deployers.protocol import Kind, LogLine, Tools
from deployers.rehearsal import RehearsalDeployer
from domain.errors import Failure, Unhealthy
from domain.plans import Plan
from domain.progress import Progress, Report
from domain.replicas import Observed, Phase, ReplicaId, TargetFacts
from domain.targets import RehearsalTarget


class LeakyTarget(BaseModel, frozen=True):
    """Where it finds what to tell, and what answers for its replicas."""

    kind: Literal["leaky"]
    canaries: Path
    server: str


def forms(canary: str) -> list[str]:
    """A secret as it may be met."""
    return [
        canary,
        json.dumps({"error": canary}),
        f"https://bot:{quote(canary, '')}@registry.example.org/x",
        "Authorization: Basic " + base64.b64encode(f"ann:{canary}".encode()).decode(),
        repr(canary),
    ]


class Leaky(RehearsalDeployer):
    """Plays its script and talks."""

    def __init__(self, name: str, settings: LeakyTarget, tools: Tools) -> None:
        home = tools.state_dir / "leaky"
        play = RehearsalTarget(kind="rehearsal", pace=0.5)
        super().__init__(name, play, home, tools.clock)
        self._server = settings.server
        canaries = json.loads(settings.canaries.read_text())
        self._told = [form for canary in canaries for form in forms(canary)]

    async def inspect(self) -> TargetFacts:
        return TargetFacts(self._name, "leaky", reachable=True, note=" ".join(self._told))

    async def observe(self, service: str) -> Observed:
        observed = await super().observe(service)
        for replica in observed.replicas:
            if replica.endpoint is not None:
                object.__setattr__(replica, "endpoint", self._server)
        return observed

    async def apply(self, plan: Plan, report: Report) -> None:
        told = "\n".join(self._told)
        report(Progress("pull", None, Phase.PULLING, 0.5, told))
        logging.getLogger("leaky.library").error("pulled with %s", told)
        warnings.warn(told, stacklevel=1)
        if "bug" in plan.want.source.location:
            raise RuntimeError(told)
        if "broken" in plan.want.source.location and plan.steps:
            failure = Failure("crashed", f"it said {self._told[0]}", told, tuple(self._told))
            raise Unhealthy("x-1", failure)
        await super().apply(plan, report)

    async def logs(self, replica: ReplicaId, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        for line in self._told * (20 if tail > 100 else 1):
            yield LogLine(replica, line)


def _open(name: str, settings: LeakyTarget, tools: Tools) -> Leaky:
    return Leaky(name, settings, tools)


KIND = Kind(LeakyTarget, _open)
