"""The contract every kind of target keeps. docs/adding-a-deployer.md walks through one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, SecretStr

from domain.clock import Clock
from domain.fit import Need
from domain.incidents import Incident
from domain.made_of import MadeOf
from domain.plans import Plan
from domain.progress import Report
from domain.readiness import Probe
from domain.replicas import Observed, ReplicaId, TargetFacts
from domain.services import ServiceSpec


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of target can do. Each field is None for yes, or the reason for no."""

    gpus: str | None = None
    several_replicas: str | None = None
    follow_logs: str | None = None
    limits: str | None = None
    """Whether a service's `cpus` and `memory` are kept. A plan for a target that cannot warns of
    them."""
    namespaces: str | None = "its kind does not know them"
    """Whether a service's `namespace` sets its replicas apart. It is passed over where not, which
    a kind that says nothing of it does; plans tell that."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line a replica wrote."""

    replica: ReplicaId
    text: str


ReadSecret = Callable[[Path | None, str | None, str], SecretStr | None]
"""(file, environment variable, what it is for people) -> the secret; None if neither is named.

Raises ConfigError for one that cannot be read.
"""


def _no_secret(file: Path | None, variable: str | None, what: str) -> SecretStr | None:
    return None


@dataclass(frozen=True, slots=True)
class Tools:
    """What a deployer is handed by the house, since it may not reach for its neighbours."""

    probe: Probe
    clock: Clock
    state_dir: Path
    """Where a target may keep what it must remember, in a folder of its own."""
    secret: ReadSecret = _no_secret
    """Reads what settings name by reference."""


class Deployer(Protocol):
    """Brings services up and down on one target. Every verb is safe to repeat.

    What runs is remembered by the target itself (labels, locks, files), never by the deployer:
    a new one over the same target sees and adopts all of it.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this kind can do; a class attribute will do."""
        ...

    async def inspect(self) -> TargetFacts:
        """Look at the target itself. An unreachable one is a fact, not an exception."""
        ...

    async def observe(self, service: str) -> Observed:
        """Look at what runs of a service, dead remains included. Raises Unreachable.

        A kind that can tell what a replica was really made of does, by the names in
        `domain/made_of.py`, from what was noted when it started: never from what is there now.
        """
        ...

    def plan(self, want: ServiceSpec, have: Observed, facts: TargetFacts, operation: str) -> Plan:
        """Decide the steps from what is to what is wanted. Pure.

        Raises Unsupported when this target cannot run such a service, with the reason.
        """
        ...

    async def need(self, want: ServiceSpec) -> Need | None:
        """Memory one replica would take here; None while that cannot be told.

        Weights that are not here yet are asked about where they are, for seconds at most. Never
        raises for those that are not to be had: that is what None means.
        """
        ...

    async def apply(self, plan: Plan, report: Report) -> None:
        """Carry out the plan's steps in order, and return only once the last one holds.

        Safe to repeat, by the same plan or by any part of it (`plan.only(step)`): what is done
        is found on the target and skipped. `admit` and `drain` belong to the rollout and are
        passed over. Cancelling leaves nothing half made: a replica is there or it is not.

        Raises WorldChanged, having done nothing, if something else changed the target since
        the plan was made; Unhealthy, with the last log lines, if a replica never gets ready;
        Refused or Unreachable as the target answers.
        """
        ...

    def logs(self, replica: ReplicaId, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        """The last `tail` lines a replica wrote, oldest first, then new ones if `follow`.

        Works for failed replicas as long as the target remembers them. Raises UnknownName.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections. What runs goes on running."""
        ...


@runtime_checkable
class Foresight(Protocol):
    """What a deployer may offer besides."""

    async def foresee(self, want: ServiceSpec) -> MadeOf:
        """What a replica that is started now would be made of, as `observe` would tell it.

        May take as long as reading a file does. Empty where it cannot be known yet.
        """
        ...


@runtime_checkable
class Hurried(Protocol):
    """What stands before a deployer may offer: see `deployers/guard.py`."""

    def hurry(self) -> None:
        """Have the next look ask the target itself, whatever is thought of it."""
        ...


@dataclass(frozen=True, slots=True)
class Stocked:
    """What of a model's weights is on a target."""

    here: bool
    size: int | None = None
    """Bytes of all of it; None where that is not known."""
    trouble: str = ""
    """Why it is neither here nor to be had: that it is gated, missing, or out of reach."""


@runtime_checkable
class Stock(Protocol):
    """What a deployer may offer besides: whether weights would have to be fetched first."""

    async def stock(self, want: ServiceSpec) -> Stocked:
        """What is here of the service's weights. Takes seconds at most, fetches nothing, and
        tells of what is in the way instead of raising it."""


@runtime_checkable
class Overview(Protocol):
    """What a deployer may offer besides: one look for many services."""

    async def observe_all(self, services: Collection[str]) -> Mapping[str, Observed]:
        """Of each what `observe` would tell of it, names that are not there included.

        Those for which a replica itself would have to be waited for are left out, so that one
        that hangs keeps nobody from seeing the others: they are to be looked at by `observe`.
        Raises Unreachable.
        """
        ...


@runtime_checkable
class Foretelling(Protocol):
    """What a deployer may offer besides: word of what is in a service's place already."""

    async def foretell(self, want: ServiceSpec) -> tuple[str, ...]:
        """What a plan has to say of things on the target that Gantry did not start, and what is to
        become of them, a sentence each without its end. Takes seconds at most, changes nothing.

        Raises Refused where they are in the way, and Unreachable.
        """
        ...


@runtime_checkable
class Watchful(Protocol):
    """What a deployer may offer besides: word of what happens to replicas by itself."""

    def incidents(self, since: datetime) -> AsyncGenerator[Incident, None]:
        """What happened after that moment, in its order, and then whatever happens, as it does.

        What the deployer itself did is no incident. Nor is what becomes of a replica that never
        was ready: whoever started it is told. An incident that is told again, as after a restart,
        has the same id. Ends only if there will never be any; raises Unreachable when the target
        cannot be listened to.
        """
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of target: what its configuration looks like and how one is opened."""

    settings: type[BaseModel]
    """What stands under a target of this kind in the configuration, `kind` included."""
    open: Callable[[str, Any, Tools], Deployer]
    """(target name, settings, tools) -> a deployer. Connects to nothing yet."""
