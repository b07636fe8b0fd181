"""How much of what there is a batch may take: people who wait come first."""

from __future__ import annotations

from collections import Counter

from inference.endpoints import Endpoint, Incarnation
from inference.goals import Goal
from inference.router import Router


class Share:
    """What all batches together have under way. One for the process."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._ours: Counter[Incarnation] = Counter()

    def following(self, goal: Goal) -> Endpoint | None:
        """Who would be asked now, room or not; None when there is nobody."""
        return self._router.choose(goal, ())

    def take(self, goal: Goal) -> Endpoint | None:
        """Somebody who has room for one more request of a batch, that one counted from now on
        until it is given back; None when nobody has room now.

        On a route it is the one that a request would go to anyhow: that others have room is no
        reason to ask somebody who costs more, or who is to be left alone now.
        """
        tried: set[Incarnation] = set()
        first = found = self._router.choose(goal, tried)
        while first is not None and found is not None and self._alike(first, found):
            if has_room(found, self._ours[found.incarnation]):
                self._ours[found.incarnation] += 1
                return found
            tried.add(found.incarnation)
            found = self._router.choose(goal, tried)
        return None

    def give_back(self, endpoint: Endpoint) -> None:
        """One request less is under way there."""
        self._ours[endpoint.incarnation] -= 1
        if not self._ours[endpoint.incarnation]:
            del self._ours[endpoint.incarnation]

    def _alike(self, first: Endpoint, found: Endpoint) -> bool:
        return found.service == first.service and self._shunned(found) == self._shunned(first)

    def _shunned(self, endpoint: Endpoint) -> tuple[bool, bool]:
        health = self._router.health
        return bool(health.sick((endpoint,))), bool(health.cooling.left(endpoint))


def has_room(endpoint: Endpoint, ours: int) -> bool:
    """Whether one more request of a batch may go there: batches have at most half of what it
    answers at once, at least one, and nothing while people take all of it. Pure."""
    share = max(1, endpoint.capacity // 2)
    return ours < share and max(endpoint.in_flight, ours) < endpoint.capacity
