"""How long a replica that starts is waited for, and how often it is asked."""

from __future__ import annotations

from deployers.patience import Patience
from tests.fleet.world import Time


def asked_until(seconds: float) -> tuple[int, float]:
    """(times, how late the last one is) of something that is ready after so many seconds."""
    clock, times = Time(), 1
    patience = Patience(1000.0, clock)
    while clock.seconds < seconds:
        clock.seconds += patience.pause
        times += 1
    return times, clock.seconds - seconds


def test_it_is_seen_within_a_fiftieth_of_what_it_took():
    for seconds in (0.5, 1.0, 3.7, 9.0, 24.0):
        assert asked_until(seconds)[1] <= seconds / 50


def test_what_takes_long_is_asked_twice_a_second():
    assert asked_until(600)[0] - asked_until(500)[0] == 200
