"""Looking at the fleet: what should run, what runs, what it says of itself."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from deployers.protocol import Deployer, LogLine
from domain.errors import OpsError, UnknownName, Unreachable
from domain.made_of import MadeOf
from domain.replicas import Observed, Phase, Replica, TargetFacts
from domain.services import ServiceSpec
from fleet.claims import Claim, Claims
from fleet.resolving import foreseen
from fleet.store.database import Store
from fleet.store.services import Wanted
from inference.endpoints import Endpoints, Place


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
        """How one service stands, or all. Raises UnknownName for a name that is not there."""
        if name is not None:
            return [await self._status(await self.wanted(name))]
        async with self._store.transaction() as tx:
            everything = await tx.services.all()
        return list(await asyncio.gather(*(self._status(wanted) for wanted in everything)))

    async def facts(self) -> list[TargetFacts]:
        """What every target says of itself, all asked at once."""
        return list(await asyncio.gather(*(d.inspect() for d in self._deployers.values())))

    async def logs(self, name: str, tail: int) -> list[LogLine]:
        """The last `tail` lines of each replica, failed ones included.

        Raises UnknownName when no target remembers anything of that name.
        """
        lines: list[LogLine] = []
        remains = await self.remains(name, whoever_answers=True)
        for target, seen in remains.items():
            for replica in seen.replicas:
                logs = self._deployers[target].logs(replica.id, tail=tail, follow=False)
                lines += [line async for line in logs]
        if not remains:
            await self.wanted(name)
        return lines

    async def remains(self, name: str, *, whoever_answers: bool = False) -> dict[str, Observed]:
        """The targets that remember anything of a service. Raises Unreachable for one that does
        not answer, unless it is enough to hear `whoever_answers`."""
        found: dict[str, Observed] = {}
        for target, deployer in self._deployers.items():
            try:
                found[target] = await deployer.observe(name)
            except Unreachable:
                if not whoever_answers:
                    raise
        return {target: seen for target, seen in found.items() if seen.replicas}

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What is being changed right now, and by which operation, oldest first."""
        return self._claims.held

    def limits_nothing(self, target: str) -> str | None:
        """Why a target cannot keep a replica within so many cores and bytes; None if it can, or if
        there is no such target."""
        deployer = self._deployers.get(target)
        return deployer.capabilities.limits if deployer else None

    async def foreseen(self, want: ServiceSpec) -> MadeOf:
        """What a service would be made of if it were started now; empty where nobody can tell."""
        return await foreseen(self._deployers, want)

    def holder(self, name: str) -> str | None:
        """The operation that is changing a service right now."""
        return self._claims.holder(name)

    async def refresh(self, wanted: Wanted) -> tuple[list[Replica], int]:
        """Bring the routing table in line with what runs.

        Returns the replicas that failed, and how many wanted ones are not there at all.
        Raises Unreachable when a target cannot be looked at; nothing is withdrawn then.
        """
        name, revision = wanted.spec.name, wanted.spec.revision
        failed: list[Replica] = []
        missing = 0
        alive: set[Place] = set()
        for placement in wanted.spec.placements:
            seen = await self._observe(placement.target, name)
            alive |= {(seen.target, replica.id) for replica in seen.alive}
            for replica in seen.ready:
                if replica.endpoint and replica.id.revision == revision:
                    self._endpoints.admit(replica.id, replica.endpoint, target=seen.target)
            failed += [replica for replica in seen.replicas if replica.phase is Phase.FAILED]
            missing += max(0, placement.replicas - len(seen.alive))
        for endpoint in self._endpoints.of(name):
            if endpoint.place not in alive:
                self._endpoints.withdraw(endpoint.replica, target=endpoint.target)
        return failed, missing

    async def _status(self, wanted: Wanted) -> ServiceStatus:
        name = wanted.spec.name
        seen, troubles = [], []
        for placement in wanted.spec.placements:
            try:
                seen.append(await self._observe(placement.target, name))
            except OpsError as error:
                troubles.append(error.summary)
        in_flight = self._endpoints.in_flight(name)
        return ServiceStatus(wanted, tuple(seen), in_flight, self.holder(name), "; ".join(troubles))

    async def _observe(self, target: str, name: str) -> Observed:
        deployer = self._deployers.get(target)
        if deployer is None:
            raise Unreachable(
                f"{name} is placed on `{target}`, which is no longer configured",
                hint=f"put the target back, or move it with `!deploy {name} --target ...`",
            )
        return await deployer.observe(name)


def unknown_service(name: str, known: list[str]) -> UnknownName:
    """Say that there is no such service, and which others there are (or were a moment ago)."""
    known = [each for each in known if each != name]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return UnknownName(f"there is no service `{name}`", hint=f"did you mean `{close[0]}`?")
    if known:
        return UnknownName(f"there is no service `{name}`", hint=f"there is {', '.join(known)}")
    return UnknownName(
        f"there is no service `{name}`", hint=f"deploy one: `!deploy {name} tiny://ops`"
    )
