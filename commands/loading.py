"""Waiting for a model that is not ready yet: for how long, and what is said meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from commands.replies import duration
from commands.verb import Deps
from domain.services import ServiceSpec
from domain.starts import Start, expected

LONGEST = 600.0
"""Seconds that are waited at most."""


async def usual(names: Sequence[str], deps: Deps) -> float | None:
    """Seconds until the first of these usually serves; None where nothing is known of any."""
    async with deps.store.transaction() as tx:
        found = [await tx.services.get(name) for name in names]
        starts = await tx.starts.lately()
    return soonest([each.spec for each in found if each], starts)


def soonest(specs: Sequence[ServiceSpec], starts: Sequence[Start]) -> float | None:
    """The shortest of what earlier starts of the same models on the same targets took. Pure.

    `starts` come newest first. Those of other models say too little.
    """
    places = [(spec.source, place.target) for spec in specs for place in spec.placements]
    times = [expected(starts, *place) for place in places]
    return min((time.seconds for time in times if time and time.same), default=None)


def patience(seconds: float | None) -> float:
    """Seconds to wait for what usually takes so many: twice that. Pure."""
    return min(2 * seconds, LONGEST) if seconds else 0.0


def told(seconds: float | None) -> str:
    """`loading, usually about 40 s`. Pure."""
    return f"loading, usually about {duration(seconds)}" if seconds else "loading"
