"""Waiting for a container's first token, as long as it gets anywhere."""

from __future__ import annotations

from datetime import datetime

from deployers.docker import failures
from deployers.docker.api import Api, Gone
from deployers.docker.connection import Connection
from deployers.docker.looking import Seen, seen
from deployers.patience import Patience
from domain.clock import Clock
from domain.diagnosis import gave_up
from domain.errors import Refused, Unhealthy
from domain.progress import Progress, Report
from domain.readiness import FirstToken, Probe
from domain.replicas import Phase, ReplicaId

_SHORTEST_LOOK = 0.05
_LONGEST_LOOK = 0.5
_AT_ONCE = 2


class Readiness:
    """Which runs of which containers gave a token. What is not known here is asked again."""

    def __init__(self, connection: Connection, probe: Probe) -> None:
        self._connection, self._probe = connection, probe
        self._known: dict[str, datetime | None] = {}

    def knows(self, found: Seen) -> bool:
        """Whether this run of it was ready."""
        return found.id in self._known and self._known[found.id] == found.started

    async def endpoint(self, found: Seen) -> str | None:
        """Its base URL from here; None while it has no port."""
        return await self._connection.reach(found.port) if found.runs and found.port else None

    async def ask(self, found: Seen) -> FirstToken | None:
        """Its first token, got now. None while it gives none."""
        endpoint = await self.endpoint(found)
        first = await self._probe(endpoint, found.replica.service) if endpoint else None
        if first is not None:
            self._known[found.id] = found.started
        return first

    def forget(self, container: str) -> None:
        """It is gone."""
        self._known.pop(container, None)


class Waiting:
    """Waits for replicas; how, it is told once."""

    def __init__(self, api: Api, readiness: Readiness, clock: Clock) -> None:
        self._api, self._readiness, self._clock = api, readiness, clock

    async def until_ready(
        self, replica: ReplicaId, budget: float, step: str, report: Report
    ) -> FirstToken | None:
        """Return once the replica has given a token; None if it had already.

        Raises Unhealthy as soon as it dies, or when its patience is over; it is ended then.
        """
        patience, look, told = Patience(budget, self._clock), _SHORTEST_LOOK, ""
        while (found := await self._look(replica)).runs:
            if found.served and self._readiness.knows(found):
                return None
            if first := await self._readiness.ask(found):
                await self._api.keep_up(found.id)
                return first
            words = await self._api.last_words(found.id, 1)
            patience.sees(words)
            if patience.over:
                raise await self._given_up(found, patience.spent)
            line = next(iter(words), "")
            if line != told:
                told = line
                report(Progress(step, str(replica), Phase.LOADING, text=line))
            await self._clock.sleep(look)
            look = min(look * 1.5, _LONGEST_LOOK)
        raise await self.died(found)

    async def died(self, found: Seen) -> Unhealthy:
        """What a replica that does not run died of."""
        return Unhealthy(str(found.replica), await failures.failure(self._api, found))

    async def _look(self, replica: ReplicaId) -> Seen:
        try:
            found = seen(await self._api.container(str(replica)))
        except Gone:
            found = None
        if found is None:
            raise Refused(f"{replica} went away while it started", hint="deploy again")
        return found

    async def _given_up(self, found: Seen, seconds: float) -> Unhealthy:
        log = await self._api.last_words(found.id, failures.LINES)
        failure = gave_up(seconds, found.healthy is True, log)
        await failures.remember(self._api, found.id, failure)
        await self._api.stop(found.id, _AT_ONCE)
        return Unhealthy(str(found.replica), failure)
