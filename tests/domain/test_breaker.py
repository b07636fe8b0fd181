"""When a target is asked, and when it is left alone for a while."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.breaker import FAILURES, FIRST_WAIT, LONGEST_WAIT, Breaker, State

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def failing(times, breaker=None, now=0.0):
    breaker = breaker or Breaker()
    for number in range(times):
        breaker = breaker.failed(f"no {number}", NOON + timedelta(seconds=number), now)
    return breaker


def test_it_opens_at_the_last_of_several_failures_in_a_row():
    almost = failing(FAILURES - 1)
    assert (almost.state, almost.lets_through(0)) == (State.CLOSED, True)
    opened = failing(FAILURES)
    assert (opened.state, opened.lets_through(FIRST_WAIT - 0.1)) == (State.OPEN, False)
    assert (opened.since, opened.reason) == (NOON, f"no {FAILURES - 1}")


def test_an_answer_between_them_makes_it_count_from_the_start():
    assert failing(FAILURES - 1, failing(FAILURES - 1).answered()).closed


def test_after_the_wait_one_look_goes_through_and_no_other():
    opened = failing(FAILURES)
    assert opened.lets_through(FIRST_WAIT)
    probed = opened.probed()
    assert (probed.state, probed.lets_through(10**6)) == (State.HALF_OPEN, False)
    assert probed.answered() == Breaker()


def test_a_probe_that_fails_waits_twice_as_long_up_to_a_bound():
    breaker, waits = failing(FAILURES), []
    for _ in range(6):
        waits.append(breaker.wait)
        breaker = breaker.probed().failed("still no", NOON, breaker.retry_at)
        assert breaker.retry_at > waits[-1]
    assert waits == [5, 10, 20, 40, LONGEST_WAIT, LONGEST_WAIT]
    assert (breaker.since, breaker.reason) == (NOON, "still no")


def test_failures_that_come_in_late_do_not_make_it_wait_longer():
    opened = failing(FAILURES)
    assert failing(5, opened, now=100.0) == opened


@pytest.mark.parametrize("state", [State.OPEN, State.HALF_OPEN])
def test_whoever_is_in_a_hurry_gets_a_look_at_once(state):
    breaker = failing(FAILURES)
    breaker = breaker.probed() if state is State.HALF_OPEN else breaker
    hurried = breaker.hurried(1.0)
    assert hurried.lets_through(1.0)
    assert hurried.since == NOON
    assert not hurried.probed().lets_through(1.0)
    assert Breaker().hurried(1.0) == Breaker()
