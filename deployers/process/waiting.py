"""Waiting for a replica's first token, as long as it gets anywhere."""

from __future__ import annotations

from deployers.patience import Patience
from deployers.process import logfile
from deployers.process.children import Children
from deployers.process.diagnosis import diagnose
from deployers.process.records import Folder
from domain.clock import Clock
from domain.diagnosis import gave_up
from domain.errors import Failure, Unhealthy
from domain.progress import Progress, Report
from domain.readiness import FirstToken, Probe
from domain.replicas import Phase

_SHORTEST_LOOK = 0.05
_LONGEST_LOOK = 0.25


class Waiting:
    """Waits for replicas; how, it is told once."""

    def __init__(self, children: Children, probe: Probe, clock: Clock) -> None:
        self._children, self._probe, self._clock = children, probe, clock

    async def until_ready(
        self, folder: Folder, budget: float, step: str, report: Report
    ) -> FirstToken | None:
        """Return once the replica has given a token; None if it had already.

        Raises Unhealthy as soon as it dies, or when its patience is over; it is ended then.
        """
        if folder.phase is Phase.READY:
            return None
        patience, look, told = Patience(budget, self._clock), _SHORTEST_LOOK, ""
        while folder.held:
            if first := await self._first_token(folder):
                return first
            patience.sees(_sign(folder))
            if patience.over:
                raise await self._given_up(folder, patience.spent)
            line = next(iter(folder.last_words(1)), "")
            if line != told:
                told = line
                report(Progress(step, str(folder.replica), folder.phase, text=line))
            await self._clock.sleep(look)
            look = min(look * 1.5, _LONGEST_LOOK)
        raise self.died(folder)

    def died(self, folder: Folder) -> Unhealthy:
        """What a replica that is not alive died of, noted down for those who ask later."""
        failure = folder.failure or diagnose(self._children.exit_code(folder), folder.last_words())
        return _noted(folder, failure)

    async def _first_token(self, folder: Folder) -> FirstToken | None:
        endpoint = folder.endpoint
        first = await self._probe(endpoint, folder.replica.service) if endpoint else None
        if first is None or not folder.held:
            return None
        folder.remember_ready(first)
        return first

    async def _given_up(self, folder: Folder, seconds: float) -> Unhealthy:
        failure = gave_up(seconds, folder.endpoint is not None, folder.last_words())
        unhealthy = _noted(folder, failure)
        await self._children.stop(folder)
        return unhealthy


def _noted(folder: Folder, failure: Failure) -> Unhealthy:
    if folder.exists:
        folder.remember_failure(failure)
    return Unhealthy(str(folder.replica), failure)


def _sign(folder: Folder) -> object:
    # Once it listens, the log grows by our own asking, which is no progress of its own.
    return folder.endpoint or logfile.size(folder.log)
