"""What an engine holds of services, and whether it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from deployers.docker import container as labels
from deployers.docker import failures
from deployers.docker.api import Api, Gone, Listed
from deployers.docker.liveness import Liveness
from deployers.docker.looking import Seen, seen
from deployers.docker.waiting import Readiness
from domain.clock import Clock
from domain.replicas import Observed, Phase, Replica


class Observing:
    """Looks at the containers of services: of one, or of many by one list."""

    def __init__(
        self, name: str, api: Api, readiness: Readiness, liveness: Liveness, clock: Clock
    ) -> None:
        self._name, self._api, self._clock = name, api, clock
        self._readiness, self._liveness = readiness, liveness

    async def observe(self, service: str) -> Observed:
        """Look at every container of a service, and ask those that run and are not known here for
        a token."""
        return await self._observed(service, await self.containers(service))

    async def observe_all(self, services: Collection[str]) -> dict[str, Observed]:
        """The same of many, but for those of which a container would have to be asked."""
        found = await self._api.containers_by(labels.SERVICE, services)
        ours = {service: _replicas(found[service]) for service in services}
        known = {k: each for k, each in ours.items() if not any(map(self._unproven, each))}
        told = await asyncio.gather(*(self._observed(*each) for each in known.items()))
        return {each.service: each for each in told}

    async def containers(self, service: str, listed: Listed | None = None) -> list[Seen]:
        """The replicas of a service, whatever became of them; of those that were `listed` just now
        if they were."""
        if listed is None:
            listed = await self._api.listed(**{labels.SERVICE: service})
        return _replicas(await self._api.whole(listed))

    async def _observed(self, service: str, found: Sequence[Seen]) -> Observed:
        replicas = await asyncio.gather(*(self._replica(each) for each in found))
        there = tuple(sorted((r for r in replicas if r), key=lambda replica: replica.id))
        return Observed(service, self._name, self._clock.now(), there)

    def _unproven(self, found: Seen) -> bool:
        """Whether it served once, and nothing is known here of this run of it."""
        return found.runs and found.served and not self._readiness.knows(found)

    async def _replica(self, found: Seen) -> Replica | None:
        ready = found.runs and found.served
        if self._unproven(found):
            ready = await self._readiness.ask(found) is not None
        phase, reason = found.phase(ready=ready), found.reason
        dead = self._liveness.failure(found.id) if phase.alive else None
        if dead is not None:  # it may go on answering for a while, and is to be made anew
            phase, reason = Phase.FAILED, dead.what
        elif phase is Phase.FAILED:
            try:
                reason = (await failures.failure(self._api, found)).what
            except Gone:
                return None
        return Replica(
            found.replica,
            self._name,
            phase,
            found.operation,
            await self._readiness.endpoint(found) if phase.alive else None,
            found.started if found.runs else found.ended,
            reason,
            found.made_of,
        )


def _replicas(containers: Iterable[Mapping[str, Any]]) -> list[Seen]:
    return [each for each in map(seen, containers) if each is not None]
