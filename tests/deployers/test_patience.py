"""How long a replica that starts is waited for, and how often it is looked at."""

from __future__ import annotations

from deployers.patience import Patience
from tests.fleet.world import Time


def looks_until(seconds: float) -> tuple[int, float]:
    """(looks, how late the last one is) at something that is ready after so many seconds."""
    clock, looks = Time(), 1
    patience = Patience(1000.0, clock)
    while clock.seconds < seconds:
        clock.seconds += patience.pause
        looks += 1
    return looks, clock.seconds - seconds


def test_it_is_seen_within_a_twentieth_of_what_it_took():
    for seconds in (0.4, 1.0, 3.7, 9.0):
        assert looks_until(seconds)[1] <= seconds / 20


def test_what_takes_long_is_looked_at_twice_a_second():
    assert looks_until(600)[0] - looks_until(500)[0] == 200
