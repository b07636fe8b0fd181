"""Waiting for a container's first token, as long as it gets anywhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from deployers.docker import failures, listing
from deployers.docker.api import Api, Gone
from deployers.docker.container import REPLICA
from deployers.docker.diagnosis import diagnose
from deployers.docker.images import Tell
from deployers.docker.looking import Seen, seen
from deployers.docker.ways.connection import Connection
from deployers.engines.loading import moves, stage
from deployers.patience import Patience
from domain import made_of
from domain.clock import Clock
from domain.diagnosis import gave_up
from domain.errors import Failure, Refused, Unhealthy
from domain.progress import Progress, Report
from domain.readiness import FirstToken, Probe
from domain.replicas import Phase, ReplicaId

Greeting = Callable[[str, Tell], Awaitable[bool]]
"""(base URL, tell) -> whether a server has heard what it had to. False while it does not listen.

Raises Refused where it will not have it."""

_AT_ONCE = 2

_LOOK_EVERY = 0.1
"""Seconds between two looks at a container that starts. The engine has better to do just then; the
server in it is asked more often, and says by itself that it is ready."""


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
        first = await self._probe(endpoint, model(found)) if endpoint else None
        if first is not None:
            self._known[found.id] = found.started
        return first

    def forget(self, container: str) -> None:
        """It is gone."""
        self._known.pop(container, None)


def model(found: Seen) -> str:
    """What the replica's server calls its model: like the service, unless something else was
    said of it."""
    return dict(found.made_of).get(made_of.MODEL, found.replica.service)


class Waiting:
    """Waits for replicas; how, it is told once."""

    def __init__(self, api: Api, readiness: Readiness, clock: Clock) -> None:
        self._api, self._readiness, self._clock = api, readiness, clock

    async def until_ready(
        self,
        replica: ReplicaId,
        budget: float,
        step: str,
        report: Report,
        greet: Greeting | None = None,
    ) -> FirstToken | None:
        """Return once the replica has given a token; None if it had already.

        `greet` is what its engine has to hear once it listens. Raises Unhealthy as soon as it
        dies, will not have what it hears, or its patience is over; it is ended then, unless it was
        taken over: that one goes on as it is.
        """
        patience, told = Patience(budget, self._clock), ""
        while (found := await self._look(replica)).runs:
            if found.served and self._readiness.knows(found):
                return None
            if greet is not None and await self._greeted(found, greet, step, report):
                greet = None
            look_again = 0.0 if greet else patience.spent + _LOOK_EVERY
            if first := await self._first_token(found, patience, look_again):
                if not found.taken_over:
                    await self._api.keep_up(found.id)
                return first
            words = await self._api.last_words(found.id, 1)
            line = words[-1] if words else ""
            if line != told and moves(line):
                told, at = line, stage(line)
                report(Progress(step, str(replica), at.phase, at.fraction, line))
            patience.sees(told)
            if patience.over:
                raise await self._given_up(found, patience.spent)
            await self._clock.sleep(patience.pause)
        raise await self.died(found)

    async def _first_token(
        self, found: Seen, patience: Patience, until: float
    ) -> FirstToken | None:
        """Its first token, asked for at least once; None when it is time to look at it again.

        One that ends meanwhile refuses, and one that begins anew is another run: what is got of it
        counts for the one that was seen, which nobody takes for ready any more.
        """
        while (first := await self._readiness.ask(found)) is None and patience.spent < until:
            await self._clock.sleep(patience.pause)
        return first

    async def _greeted(self, found: Seen, greet: Greeting, step: str, report: Report) -> bool:
        def tell(fraction: float | None, text: str) -> None:
            report(Progress(step, str(found.replica), Phase.DOWNLOADING, fraction, text))

        endpoint = await self._readiness.endpoint(found)
        try:
            return await greet(endpoint, tell) if endpoint else False
        except Refused as no:
            failure = diagnose(None, (), error=no.summary)
            if failure.kind == "refused":
                failure = Failure("model-missing", no.summary, no.hint)
            raise await self._ended(found, failure) from no

    async def died(self, found: Seen) -> Unhealthy:
        """What a replica that does not run died of."""
        return Unhealthy(str(found.replica), await failures.failure(self._api, found))

    async def _look(self, replica: ReplicaId) -> Seen:
        try:
            found = seen(await self._api.container(str(replica)))
        except Gone:  # a project that was adopted has names of its own
            there = await self._api.containers(**{REPLICA: str(replica)})
            found = next((each for each in map(seen, there) if each), None)
        if found is None:
            raise Refused(f"{replica} went away while it started", hint="deploy again")
        return found

    async def _given_up(self, found: Seen, seconds: float) -> Unhealthy:
        log = await self._api.last_words(found.id, failures.LINES)
        endpoint, wanted = await self._readiness.endpoint(found), model(found)
        there = await listing.names(endpoint) if endpoint else None
        called = {wanted, f"{wanted}:latest"}  # the second as Ollama writes it
        others = there if there and not called & set(there) else ()
        loaded = found.healthy is True or there is not None
        return await self._ended(found, gave_up(seconds, loaded, log, wanted, others))

    async def _ended(self, found: Seen, failure: Failure) -> Unhealthy:
        if not found.taken_over:
            await failures.remember(self._api, found.id, failure)
            await self._api.stop(found.id, _AT_ONCE)
        return Unhealthy(str(found.replica), failure)
