"""What an operation will do to one target, step by step, before it does it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from domain.costs import Price
from domain.fit import Fit
from domain.replicas import Observed, ReplicaId
from domain.services import ServiceSpec


class StepKind(StrEnum):
    """One kind of step. `admit` and `drain` are the rollout's own; a target does the others."""

    PREFETCH = "prefetch"
    """Have the weights on the target before anything is stopped."""
    START = "start"
    WAIT_READY = "wait-ready"
    """Ready means the model is listed and a one-token completion came back."""
    ADMIT = "admit"
    """Let requests reach the replica."""
    DRAIN = "drain"
    """Send it nothing new and let running answers finish."""
    STOP = "stop"
    VERIFY = "verify"
    """Look once more; clear away what failed earlier attempts left behind."""
    FORGET = "forget"
    """Clear away everything the target remembers of the service, logs included."""


class Strategy(StrEnum):
    """In which order old replicas make way for new ones."""

    ROLLING = "rolling"
    """Each new one serves before an old one is stopped."""
    RECREATE = "recreate"
    """Old ones are stopped first: for where both do not fit at once."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step, on one replica where it concerns one."""

    kind: StepKind
    replica: ReplicaId | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.replica}" if self.replica else str(self.kind)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The world a plan was made from: which replicas were alive on its target."""

    alive: frozenset[str]

    @classmethod
    def of(cls, observed: Observed) -> Fingerprint:
        """What a plan made from this observation rests on."""
        return cls(frozenset(str(replica.id) for replica in observed.alive))


@dataclass(frozen=True, slots=True)
class Plan:
    """How one target gets from what it holds to what is wanted."""

    operation: str
    target: str
    want: ServiceSpec
    steps: tuple[Step, ...]
    fingerprint: Fingerprint
    warnings: tuple[str, ...] = ()
    fit: Fit | None = None
    """Whether what it starts fits, where that can be told."""
    cost: Price | None = None
    """What each replica costs there; None where nobody said."""
    whole: tuple[Step, ...] | None = None
    """All steps of the plan this one was cut from; None for a plan that was not cut."""
    strategy: Strategy = Strategy.ROLLING
    why: str = ""
    """Why the strategy is not the usual one, for a sentence."""
    runs_on: str = ""
    """What its replicas are to compute on, where that is known and no warning says it: `processor`,
    `graphics card`."""
    no_namespace: str = ""
    """Why the target passes over the service's namespace, if it has one; "" where it does not."""

    @property
    def wanted(self) -> frozenset[ReplicaId]:
        """The replicas that run when the plan is done, and no others."""
        spec = self.want
        count = spec.replicas_on(self.target)
        return frozenset(ReplicaId(spec.name, spec.revision, n) for n in range(count))

    @property
    def stopped(self) -> frozenset[ReplicaId]:
        """The replicas the plan stops, by whichever of its steps."""
        steps = self.whole or self.steps
        return frozenset(s.replica for s in steps if s.kind is StepKind.STOP and s.replica)

    @property
    def started(self) -> frozenset[ReplicaId]:
        """The replicas the plan starts, by whichever of its steps."""
        steps = self.whole or self.steps
        return frozenset(s.replica for s in steps if s.kind is StepKind.START and s.replica)

    def only(self, step: Step) -> Plan:
        """The same plan cut down to one of its steps, for carrying out step by step."""
        return replace(self, steps=(step,), whole=self.whole or self.steps)

    def forgetting(self) -> Plan:
        """The same plan, ending with the target forgetting the service altogether."""
        return replace(self, steps=(*self.steps, Step(StepKind.FORGET)))

    def changed_since(self, now: Observed) -> str | None:
        """What happened on the target since the plan was made that the plan did not do itself.

        Replicas the plan starts or stops may be there or not: it may have been carried out in
        part before. Anything else that came or went is named in a sentence; None when nothing.
        """
        return self.differs(Fingerprint.of(now))

    def differs(self, now: Fingerprint) -> str | None:
        """As `changed_since`, for a target that tells what is alive at less cost than how it is."""
        ours = {str(r) for r in self.wanted | self.stopped}
        alive = now.alive
        came = sorted(alive - self.fingerprint.alive - ours)
        went = sorted(self.fingerprint.alive - alive - ours)
        news = [f"{name} appeared" for name in came] + [f"{name} is gone" for name in went]
        return ", ".join(news) or None
