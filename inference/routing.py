"""Whom to ask first, and whom next. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence

from inference.endpoints import Endpoint, Place


def order(
    candidates: Sequence[Endpoint], *, exclude: frozenset[Place], rng: random.Random
) -> list[Endpoint]:
    """The endpoints that may be asked, best first; empty when there is none.

    The first is the less loaded of two taken at random: as good as knowing the least loaded
    one, without every caller running to it at once. The others follow by load. Excluded and
    draining endpoints are never among them, not even as a last resort.
    """
    fit = [e for e in candidates if e.admitted and e.place not in exclude]
    if not fit:
        return []
    first = min(rng.sample(fit, min(2, len(fit))), key=_load)
    rest = [endpoint for endpoint in fit if endpoint is not first]
    rng.shuffle(rest)
    return [first, *sorted(rest, key=_load)]


def _load(endpoint: Endpoint) -> float:
    return endpoint.load
