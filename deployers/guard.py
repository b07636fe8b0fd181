"""Stands before a deployer, so that a target that is down or slow holds up nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Hashable,
    Mapping,
)
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import structlog

from deployers.looks import Looks
from deployers.protocol import (
    Capabilities,
    Deployer,
    Foresight,
    Foretelling,
    LogLine,
    Overview,
    Stock,
    Stocked,
    Watchful,
)
from domain.breaker import Breaker, State
from domain.clock import Clock
from domain.errors import Unreachable
from domain.expiries import moment, span
from domain.fit import Need
from domain.incidents import Incident
from domain.made_of import MadeOf
from domain.plans import Plan
from domain.progress import Report
from domain.replicas import Observed, ReplicaId, TargetFacts
from domain.services import ServiceSpec

T = TypeVar("T")

DEADLINE = 10.0
"""Seconds a target gets to answer a look, where nothing else is said."""

FORESIGHT = 300.0
"""Seconds it gets to foresee: that may take as long as reading a large file does."""

FORETELLING = 60.0
"""Seconds it gets to tell what is there already: files may have to be read for that."""

log = structlog.get_logger()


def guarded(
    name: str, kind: str, real: Deployer, clock: Clock, deadline: float = DEADLINE
) -> Deployer:
    """The same target, guarded. It offers besides what the deployer itself offers besides."""
    extras = [guard for offered, guard in _EXTRAS if isinstance(real, offered)]
    made: type[Guard] = type("Guarded", (*extras, Guard), {})
    return made(name, kind, real, clock, deadline)


class Guard:
    """A deployer whose looks end in time, a few at once, and not at all while it does not answer.

    After a few looks in a row without an answer it is left alone for a while, and looks raise
    Unreachable at once, with the reason and since when; then one goes through, and decides. Only
    silence counts: a `Refused` is an answer. A change is always let through (`apply`), and so is
    the next look after one, or after `hurry`.
    """

    def __init__(
        self, name: str, kind: str, real: Deployer, clock: Clock, deadline: float = DEADLINE
    ) -> None:
        self._name, self._kind, self._real, self._clock = name, kind, real, clock
        self._deadline = deadline
        self._looks = Looks(name)
        self._breaker = Breaker()
        self._standing: tuple[bool, datetime] | None = None
        """Whether it was reachable when that last changed, and when that was."""
        self._changes = 0
        """Changes begun or ended: a look from before one says nothing of after."""

    @property
    def capabilities(self) -> Capabilities:
        """The deployer's own."""
        return self._real.capabilities

    @property
    def breaker(self) -> Breaker:
        """How the target has answered lately."""
        return self._breaker

    def hurry(self) -> None:
        """Have the next look ask the target, whatever was seen before."""
        self._breaker = self._breaker.hurried(self._clock.monotonic())

    async def inspect(self) -> TargetFacts:
        """What the target says of itself, with since when it is reachable or not."""
        try:
            facts = await self._look("inspect", self._real.inspect, self._inspected)
        except Unreachable as error:
            note = self._without_name(error.summary)
            since = self._breaker.since or self._clock.now()
            self._stands(reachable=False, since=since)
            return TargetFacts(
                self._name, self._kind, reachable=False, note=note, advice=error.hint, since=since
            )
        return replace(facts, since=self._stands(reachable=facts.reachable))

    async def observe(self, service: str) -> Observed:
        """As the deployer observes. Raises Unreachable, too, when it takes too long."""
        key = ("observe", service)
        return await self._look(key, lambda: self._real.observe(service), self._ended)

    def plan(self, want: ServiceSpec, have: Observed, facts: TargetFacts, operation: str) -> Plan:
        """The deployer's own."""
        return self._real.plan(want, have, facts, operation)

    async def need(self, want: ServiceSpec) -> Need | None:
        """The deployer's own; None also when that takes too long."""
        with suppress(Unreachable):
            return await self._looks.at(
                object(), lambda: self._real.need(want), _unjudged, self._deadline
            )
        return None

    async def apply(self, plan: Plan, report: Report) -> None:
        """The deployer's own, with its own bounds."""
        self._changes += 1
        try:
            await self._real.apply(plan, report)
            self._answered()
        finally:
            self._changes += 1
            self.hurry()

    def logs(self, replica: ReplicaId, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        """The deployer's own. Raises Unreachable for a pause that is too long, unless the lines
        are followed."""
        if follow:
            return self._real.logs(replica, tail=tail, follow=True)
        return self._prompt_logs(replica, tail)

    async def aclose(self) -> None:
        """Let go of what is looked at, and of the deployer, for as long as a look may take."""
        await self._looks.aclose()
        try:
            async with asyncio.timeout(self._deadline):
                await self._real.aclose()
        except TimeoutError:
            log.warning("not closed", target=self._name, after=self._deadline)

    async def _look(
        self,
        what: Hashable,
        call: Callable[[], Coroutine[Any, Any, T]],
        ended: Callable[[Any, BaseException | None], None],
    ) -> T:
        if not self._breaker.lets_through(self._clock.monotonic()):
            raise Unreachable(self._away(), hint=f"`!targets {self._name}` asks it at once")
        self._breaker = self._breaker.probed()
        try:
            return await self._looks.at((what, self._changes), call, ended, self._deadline)
        except Unreachable as error:  # the others who wait for it get one of their own
            raise Unreachable(error.summary, error.hint) from error

    async def _prompt_logs(self, replica: ReplicaId, tail: int) -> AsyncIterator[LogLine]:
        lines = aiter(self._real.logs(replica, tail=tail, follow=False))
        while True:
            try:
                async with asyncio.timeout(self._deadline):
                    line = await anext(lines)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                text = f"{self._name} did not answer within {self._deadline:g} s"
                raise Unreachable(text) from error
            yield line

    def _inspected(self, facts: TargetFacts | None, error: BaseException | None) -> None:
        """That it cannot be used is an answer, too, but none that ends a silence."""
        if facts is None or facts.reachable:
            self._ended(facts, error)
        elif not self._breaker.closed:
            self._failed(facts.note)

    def _ended(self, found: Any, error: BaseException | None) -> None:
        if isinstance(error, Unreachable):
            self._failed(error.summary)
        else:
            self._answered()

    def _answered(self) -> None:
        before, self._breaker = self._breaker, self._breaker.answered()
        if not before.closed:
            self._stands(reachable=True)
            log.info("target is back", target=self._name, away_since=str(before.since))

    def _failed(self, reason: str) -> None:
        before, now = self._breaker, self._clock.now()
        self._breaker = before.failed(self._without_name(reason), now, self._clock.monotonic())
        if before.closed and not self._breaker.closed:
            self._stands(reachable=False, since=self._breaker.since)
            log.warning("target is away", target=self._name, why=reason)

    def _stands(self, *, reachable: bool, since: datetime | None = None) -> datetime:
        if self._standing is None or self._standing[0] is not reachable:
            self._standing = reachable, since or self._clock.now()
        return self._standing[1]

    def _without_name(self, text: str) -> str:
        """What is told under its name anyway. An address may begin with it: `ssh://wks`."""
        for said in (f"{self._name}: ", f"{self._name} "):
            text = text.removeprefix(said)
        return text

    def _away(self) -> str:
        breaker, now = self._breaker, self._clock.now()
        since = breaker.since or now
        left = max(1, round(breaker.retry_at - self._clock.monotonic()))
        again = f"asked again in {left} s" if breaker.state is State.OPEN else "being asked now"
        return (
            f"{self._name} has not answered since {moment(since, now)} "
            f"({span((now - since).total_seconds())}): {breaker.reason}; {again}"
        )


class _Foreseeing(Guard):
    async def foresee(self, want: ServiceSpec) -> MadeOf:
        """The deployer's own; empty when that takes minutes."""
        assert isinstance(self._real, Foresight)
        foresee = self._real.foresee
        with suppress(Unreachable):
            return await self._looks.at(object(), lambda: foresee(want), _unjudged, FORESIGHT)
        return ()


class _Stocking(Guard):
    async def stock(self, want: ServiceSpec) -> Stocked:
        """The deployer's own; trouble when that takes too long."""
        assert isinstance(self._real, Stock)
        stock = self._real.stock
        try:
            return await self._looks.at(object(), lambda: stock(want), _unjudged, self._deadline)
        except Unreachable as error:
            return Stocked(here=False, trouble=error.summary)


class _Foretelling(Guard):
    async def foretell(self, want: ServiceSpec) -> tuple[str, ...]:
        """The deployer's own. Raises Unreachable, too, when it takes too long."""
        assert isinstance(self._real, Foretelling)
        foretell = self._real.foretell
        return await self._looks.at(object(), lambda: foretell(want), _unjudged, FORETELLING)


class _Overlooking(Guard):
    async def observe_all(self, services: Collection[str]) -> Mapping[str, Observed]:
        """The deployer's own, as one look: shared with whoever asks for the very same services."""
        assert isinstance(self._real, Overview)
        observe_all, asked = self._real.observe_all, frozenset(services)
        return await self._look(("observe all", asked), lambda: observe_all(asked), self._ended)


class _Watched(Guard):
    def incidents(self, since: datetime) -> AsyncGenerator[Incident, None]:
        """The deployer's own: whoever listens waits for as long as nothing happens."""
        assert isinstance(self._real, Watchful)
        return self._real.incidents(since)


_EXTRAS: tuple[tuple[type, type[Guard]], ...] = (
    (Foresight, _Foreseeing),
    (Stock, _Stocking),
    (Foretelling, _Foretelling),
    (Overview, _Overlooking),
    (Watchful, _Watched),
)


def _unjudged(found: Any, error: BaseException | None) -> None:
    """These ask others, too: a hub of models that is away does not speak against a target."""
