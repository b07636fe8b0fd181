"""`Retry-After` as it is read, and for how long it is heeded."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.replicas import ReplicaId
from inference.cooling import LONGEST, Cooling
from inference.endpoints import Endpoint
from inference.retry_after import later, saying, seconds
from tests.fleet.world import Time

NOW = datetime(1994, 11, 6, 8, 49, 7, tzinfo=UTC)


def endpoint(number=0):
    return Endpoint("tiny", ReplicaId("tiny", "3fa9c1", number), "", "http://x", 4, 0, True)


@pytest.fixture
def clock():
    return Time()


@pytest.fixture
def cooling(clock):
    return Cooling(clock)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("30", 30),
        (" 0 ", 0),
        ("9" * 5000, 10**9),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 30),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 30),
        ("Sun Nov  6 08:49:37 1994", 30),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
    ],
)
def test_both_forms_of_it_are_read_and_all_ways_to_write_a_date(text, wait):
    assert seconds(later({"retry-after": text}), NOW) == wait


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5", "٣٠", "Sun, 99 Nov 1994 08:49:37 GMT"])
def test_what_cannot_be_read_says_nothing(text):
    assert later({"Retry-After": text}) is None
    assert later({}) is None


@given(st.one_of(st.text(), st.from_regex(r"[A-Z][a-z]{2}, [0-9A-Za-z :,.+-]{0,40}")))
def test_whatever_is_said_is_read_as_a_time_from_now_on_or_not_at_all(text):
    said = later({"Retry-After": text})
    assert said is None or seconds(said, NOW) >= 0


def test_a_wait_is_said_once_and_rounded_up():
    headers = {"retry-after": "99", "Retry-After-Ms": "99000", "X-Other": "kept"}
    told = saying(headers, 4.2)
    assert told == {"X-Other": "kept", "Retry-After": "5"}


def test_it_is_left_alone_for_as_long_as_it_said(cooling, clock):
    asked, other = endpoint(0), endpoint(1)
    cooling.begin(asked, 30)
    assert cooling.places([asked, other]) == {asked.place}
    clock.passes(29)
    assert cooling.left(asked) == 1
    clock.passes(1)
    assert cooling.places([asked, other]) == frozenset()


def test_a_date_counts_from_now(cooling, clock):
    cooling.begin(endpoint(), clock.now() + timedelta(seconds=5))
    assert cooling.left(endpoint()) == 5
    cooling.begin(endpoint(), clock.now() - timedelta(days=1))
    assert cooling.left(endpoint()) == 0


def test_nobody_is_left_alone_for_long_whatever_he_said(cooling, clock):
    cooling.begin(endpoint(), 86400)
    assert cooling.left(endpoint()) == LONGEST
    assert cooling.soonest([endpoint()]) == 86400
    clock.passes(LONGEST)
    assert cooling.left(endpoint()) == 0
    assert cooling.soonest([endpoint()]) is None


def test_the_first_that_wants_to_be_asked_again_decides_unless_one_does_not_mind(cooling):
    cooling.begin(endpoint(0), 30)
    cooling.begin(endpoint(1), 7)
    assert cooling.soonest([endpoint(0), endpoint(1)]) == 7
    assert cooling.soonest([endpoint(0), endpoint(1), endpoint(2)]) is None
    assert cooling.soonest([]) is None


def test_what_is_over_is_not_kept(cooling, clock):
    for number in range(100):
        cooling.begin(endpoint(number), 1)
        clock.passes(1)
    assert len(cooling._until) == 1
