"""Whom to ask first, and whom next. Pure."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Collection, Sequence

from domain.backends import Tier
from domain.routes import Route
from inference.endpoints import Endpoint, Place

Rank = tuple[float, ...]

BALANCE = 1.25
"""How far above its share of what is in flight a full replica may be pushed by affinity. While it
has room nobody is sent away: being read anew elsewhere costs a conversation more than company."""


def order(
    candidates: Sequence[Endpoint],
    *,
    exclude: Collection[Place],
    rng: random.Random,
    rank: Callable[[Endpoint], Rank] = lambda endpoint: (),
    affinity: str | None = None,
) -> list[Endpoint]:
    """The endpoints that may be asked, best first; empty when there is none.

    Of those that rank lowest, the first is the less loaded of two taken at random: as good as
    knowing the least loaded one, without every caller running to it at once (M. Mitzenmacher, The
    Power of Two Choices, 2001). With an affinity it is the one that this text has always led to,
    unless that has more than its share to do. The others follow by rank and load. Excluded and
    draining endpoints are never among them, not even as a last resort.
    """
    fit = [e for e in candidates if e.admitted and e.place not in exclude]
    if len(fit) < 2:
        return fit
    rng.shuffle(fit)
    ranks = {endpoint.place: rank(endpoint) for endpoint in fit}
    fit.sort(key=lambda e: (ranks[e.place], e.load))
    best = [e for e in fit if ranks[e.place] == ranks[fit[0].place]]
    first = _drawn_to(affinity, best) if affinity else _less_loaded(best, rng)
    return [first, *(endpoint for endpoint in fit if endpoint is not first)]


def ranking(
    *,
    sick: Collection[Place] = (),
    cooling: Collection[Place] = (),
    near: Collection[str] = (),
    route: Route | None = None,
    first: str | None = None,
) -> Callable[[Endpoint], Rank]:
    """What goes before how busy an endpoint is: the lower ranks are asked first.

    Those that do not answer just now come last, whatever else is to be said of them, and before
    them those that asked to be left alone for a while. Whoever the lot fell on is `first`; members
    of a route that have a weight are otherwise left for last. A route that is as listed is followed
    in that order. Otherwise those with room go before those that are full, targets that are `near`
    before others, and cards before processors before what is not ours. What is paid for by the
    token is not asked because others are full, only when they do not answer, or not now.
    """
    names = route.names if route else ()
    places = {name: number for number, name in enumerate(names)}
    weighted = {member.name for member in route.members if member.weight} if route else ()
    as_listed = route is not None and route.as_listed

    def rank(endpoint: Endpoint) -> Rank:
        name, tier = endpoint.service, endpoint.manner.tier
        place = places.get(name, 0)
        return (
            endpoint.place in sick,
            endpoint.place in cooling,
            first is not None and name != first,
            name in weighted,
            place if as_listed else tier is Tier.CLOUD,
            endpoint.load >= 1,
            bool(near) and endpoint.target not in near,
            tier,
            place,
        )

    return rank


def _less_loaded(fit: Sequence[Endpoint], rng: random.Random) -> Endpoint:
    return min(rng.sample(fit, min(2, len(fit))), key=_load)


def _drawn_to(text: str, fit: Sequence[Endpoint]) -> Endpoint:
    """By rendezvous hashing (Thaler and Ravishankar, 1998), so that one more or one less moves few;
    with a bound on the load (Mirrokni, Thorup and Zadimoghaddam, 2016)."""
    total, room = sum(e.in_flight for e in fit) + 1, sum(e.capacity for e in fit)
    by_hash = sorted(fit, key=lambda e: _hash(text, e.place))
    for endpoint in by_hash:
        share = math.ceil(BALANCE * total * endpoint.capacity / room)
        if endpoint.in_flight < max(share, endpoint.capacity):
            return endpoint
    return min(by_hash, key=_load)


def _hash(text: str, place: Place) -> bytes:
    target, replica = place
    told = f"{text}\0{target}\0{replica}".encode(errors="surrogatepass")
    return hashlib.blake2b(told, digest_size=8).digest()


def _load(endpoint: Endpoint) -> float:
    return endpoint.load
