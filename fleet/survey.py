"""Looking at the fleet: what should run, what runs, what it says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from deployers.protocol import Deployer, LogLine
from domain.errors import OpsError, UnknownName, unknown_name
from domain.made_of import MadeOf
from domain.replicas import Observed, Phase, Replica, ReplicaId, TargetFacts
from domain.services import ServiceSpec
from fleet.aligning import Standing, align
from fleet.candidates import Candidate, candidates
from fleet.claims import Claim, Claims
from fleet.looking import Outcome, at_once, hurry, observe, outcome, parted, targets_of
from fleet.overviews import overview, together
from fleet.resolving import foreseen
from fleet.store.database import Store
from fleet.store.services import Wanted
from inference.endpoints import Endpoints, Place

GLANCE = 2.0
"""Seconds each target gets to answer whoever looks at all of them."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service as it stands."""

    wanted: Wanted
    seen: tuple[Observed, ...]
    in_flight: Mapping[Place, int]
    busy_with: str | None
    """The operation that is changing it."""
    trouble: str = ""
    """Why some target could not be looked at."""

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """Replicas that run or failed, on all targets."""
        return tuple(sorted((r for o in self.seen for r in o.replicas), key=lambda r: r.id))

    @property
    def ready(self) -> int:
        """How many serve."""
        return sum(r.phase is Phase.READY for seen in self.seen for r in seen.replicas)


class Survey:
    """Looks at every target anew each time it is asked, and changes nothing there."""

    def __init__(
        self,
        store: Store,
        deployers: Mapping[str, Deployer],
        endpoints: Endpoints,
        claims: Claims,
    ) -> None:
        self._store = store
        self._deployers = deployers
        self._endpoints = endpoints
        self._claims = claims

    async def wanted(self, name: str) -> Wanted:
        """What should run under that name. Raises UnknownName, with the names there are."""
        async with self._store.transaction() as tx:
            found = await tx.services.get(name)
            known = [] if found else await tx.services.names()
        if found is None:
            raise unknown_service(name, known)
        return found

    async def names(self) -> list[str]:
        """The services that should run, by name. Nobody is asked."""
        async with self._store.transaction() as tx:
            return await tx.services.names()

    async def status(self, name: str | None = None) -> list[ServiceStatus]:
        """How one service stands, or all: then no target is waited for longer than a glance takes.

        Raises UnknownName for a name that is not there.
        """
        if name is not None:
            return await self._stand([await self.wanted(name)], None)
        async with self._store.transaction() as tx:
            everything = await tx.services.all()
        return await self._stand(everything, GLANCE)

    async def facts(self) -> list[TargetFacts]:
        """What every target says of itself, all asked at once; of one that does not answer at a
        glance, that."""
        return list(await asyncio.gather(*(self._glance(name) for name in self._deployers)))

    async def facts_of(self, target: str) -> TargetFacts:
        """What one target says of itself, asked now whatever was seen of it before.

        Raises UnknownName, with the names there are.
        """
        if target not in self._deployers:
            raise unknown_name("target", target, self._deployers)
        hurry(self._deployers[target])
        return await self._deployers[target].inspect()

    async def on(self, target: str) -> list[ServiceStatus]:
        """The services that are placed on a target, and how they stand there."""
        async with self._store.transaction() as tx:
            everything = await tx.services.all()
        here = [each for each in everything if target in targets_of(each.spec)]
        return await self._stand(here, GLANCE, only=target)

    async def logs(self, name: str, tail: int) -> tuple[list[LogLine], list[str]]:
        """The last `tail` lines of each replica, failed ones included, and why some are not heard.

        Raises UnknownName when no target remembers anything of that name.
        """
        seen, silent = await self.everywhere(name)
        remains = [each for each in seen.values() if each.replicas]
        told = await asyncio.gather(
            *(self._kept(each, tail) for each in remains), return_exceptions=True
        )
        lines: list[LogLine] = []
        for place, each in zip(remains, told, strict=True):
            if isinstance(each, OpsError):
                silent[place.target] = each.summary
            elif isinstance(each, BaseException):
                raise each
            else:
                lines += each
        if not remains:
            await self.wanted(name)
        return lines, list(silent.values())

    def lines(
        self, target: str, replica: ReplicaId, *, tail: int, follow: bool
    ) -> AsyncIterator[LogLine]:
        """What one replica writes, as its target tells it."""
        return self._deployers[target].logs(replica, tail=tail, follow=follow)

    def follows(self, target: str) -> bool:
        """Whether a target can tell lines as they are written."""
        return self._deployers[target].capabilities.follow_logs is None

    async def remains(self, name: str) -> dict[str, Observed]:
        """The targets that remember anything of a service. Raises Unreachable for one that does
        not answer."""
        looks = (deployer.observe(name) for deployer in self._deployers.values())
        seen = await asyncio.gather(*looks)
        return {each.target: each for each in seen if each.replicas}

    async def everywhere(
        self, name: str, among: Collection[str] | None = None
    ) -> tuple[dict[str, Observed], dict[str, str]]:
        """What the targets hold of a service, and why others cannot tell.

        Where it is placed is waited for; elsewhere (or `among` those alone) a glance has to do, and
        who is silent there is passed over, unless the service is placed nowhere.
        """
        async with self._store.transaction() as tx:
            found = await tx.services.get(name)
        placed = targets_of(found.spec) if found else ()
        others = self._deployers if among is None else among
        targets = dict.fromkeys((*placed, *others))
        patience = {target: None if target in placed else GLANCE for target in targets}
        looks = [outcome(observe(self._deployers, each, name, patience[each])) for each in targets]
        answers = dict(zip(targets, await at_once(looks), strict=True))
        seen = {t: each for t, each in answers.items() if isinstance(each, Observed)}
        silent = {t: each.summary for t, each in answers.items() if isinstance(each, OpsError)}
        return seen, {t: why for t, why in silent.items() if t in placed or not placed}

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What is being changed right now, and by which operation, oldest first."""
        return self._claims.held

    def limits_nothing(self, target: str) -> str | None:
        """Why a target cannot keep a replica within so many cores and bytes; None if it can, or if
        there is no such target."""
        deployer = self._deployers.get(target)
        return deployer.capabilities.limits if deployer else None

    def no_namespaces(self, target: str) -> str | None:
        """Why a target cannot set replicas apart by namespace; None if it can, or if there is no
        such target."""
        deployer = self._deployers.get(target)
        return deployer.capabilities.namespaces if deployer else None

    async def foreseen(self, want: ServiceSpec) -> MadeOf:
        """What a service would be made of if it were started now; empty where nobody can tell."""
        return await foreseen(self._deployers, want)

    async def candidates(self, want: ServiceSpec, targets: Iterable[str]) -> list[Candidate]:
        """What a service would come to on each of the targets. Raises nothing: a target that
        cannot, or does not answer in time, says why."""
        return await candidates(self._deployers, want, targets)

    async def neighbours(self, name: str, target: str) -> list[tuple[str, int]]:
        """The other services on a target, with the bytes that stopping each would give back there,
        where that can be told."""
        async with self._store.transaction() as tx:
            others = [w.spec for w in await tx.services.all() if w.spec.name != name]
        found = []
        for spec in others:
            count = spec.replicas_on(target)
            need = await self._deployers[target].need(spec) if count else None
            if need is not None:
                found.append((spec.name, need.total * count))
        return found

    def holder(self, name: str) -> str | None:
        """The operation that is changing a service right now."""
        return self._claims.holder(name)

    async def refresh(self, wanted: Wanted) -> Standing:
        """Bring the routing table in line with what runs of a service.

        Raises Unreachable when a target cannot be looked at: by then the others were, and nothing
        of that one is withdrawn.
        """
        targets = targets_of(wanted.spec)
        looks = [outcome(observe(self._deployers, each, wanted.spec.name)) for each in targets]
        answers = dict(zip(targets, await at_once(looks), strict=True))
        return align(self._endpoints, wanted, answers)

    async def refresh_together(self, services: Sequence[Wanted]) -> dict[str, Standing]:
        """The same for those of the services that nobody is changing and that can be told of at a
        glance, by one look for many. What of the rest is to be known, `refresh` finds out."""
        free = [each for each in services if self.holder(each.spec.name) is None]
        spots = ((t, each.spec.name) for each in free for t in targets_of(each.spec))
        found = await together(self._deployers, spots, GLANCE)
        told: dict[str, Standing] = {}
        for each in free:
            name, targets = each.spec.name, targets_of(each.spec)
            answers = {t: found[(t, name)] for t in targets if (t, name) in found}
            if len(answers) == len(targets) and self.holder(name) is None:
                told[name] = align(self._endpoints, each, answers)
        return told

    async def _glance(self, target: str) -> TargetFacts:
        try:
            async with asyncio.timeout(GLANCE):
                return await self._deployers[target].inspect()
        except TimeoutError:
            note = f"has not answered within {GLANCE:g} s; `!targets {target}` waits longer"
        except OpsError as error:
            note = error.summary
        return TargetFacts(target, "", reachable=False, note=note)

    async def _stand(
        self, services: Sequence[Wanted], patience: float | None, only: str | None = None
    ) -> list[ServiceStatus]:
        """How these services stand on their targets, or on one of those."""
        spots = {
            each.spec.name: [
                (t, each.spec.name) for t in targets_of(each.spec) if only in (None, t)
            ]
            for each in services
        }
        found = await overview(self._deployers, chain.from_iterable(spots.values()), patience)
        return [
            self._status(each, [found[spot] for spot in spots[each.spec.name]]) for each in services
        ]

    def _status(self, wanted: Wanted, answers: Sequence[Outcome]) -> ServiceStatus:
        name = wanted.spec.name
        seen, errors = parted(answers)
        trouble = "; ".join(error.summary for error in errors)
        in_flight = self._endpoints.in_flight(name)
        return ServiceStatus(wanted, tuple(seen), in_flight, self.holder(name), trouble)

    async def _kept(self, seen: Observed, tail: int) -> list[LogLine]:
        lines: list[LogLine] = []
        for replica in seen.replicas:
            kept = self.lines(seen.target, replica.id, tail=tail, follow=False)
            lines += [line async for line in kept]
        return lines


def unknown_service(name: str, known: Iterable[str]) -> UnknownName:
    """Say that there is no such service, and which others there are (or were a moment ago)."""
    first = f"deploy one: `!deploy {name} tiny://ops`"
    return unknown_name("service", name, [each for each in known if each != name], first)
