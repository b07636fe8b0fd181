"""The last minute, as `!status` tells it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.usage import Fault
from inference.traffic import TIMED_IN_A_SECOND, WINDOW, Traffic, Window, percentile
from tests.inference.served import served


class Time:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def window(time):
    return Window(time)


def test_of_what_nobody_asked_nothing_is_told(window):
    window.note(served())
    assert window.lately("other") is None


def test_a_minute_is_summed_up(window, time):
    window.note(served(first_token=0.1, seconds=1.1, completion_tokens=11))
    time.now += 30
    window.note(served(first_token=0.3, seconds=1.3, completion_tokens=31))
    assert window.lately("tiny") == Traffic(
        requests=2, first_token=(0.1, 0.3), completion_tokens=42, tokens_per_second=20
    )


def test_what_is_older_than_a_minute_is_forgotten_second_by_second(window, time):
    window.note(served())
    time.now += WINDOW - 1
    window.note(served())
    assert window.lately("tiny").requests == 2
    time.now += 1
    assert window.lately("tiny").requests == 1
    time.now += WINDOW
    assert window.lately("tiny") is None


def test_faults_are_told_by_kind_the_most_frequent_first(window):
    bad = {"first_token": None, "completion_tokens": None, "prompt_tokens": None, "status": 502}
    for fault in (Fault.SILENT, Fault.UNREACHABLE, Fault.SILENT):
        window.note(served(fault=fault, **bad))
    assert window.lately("tiny") == Traffic(
        requests=3, faults=((Fault.SILENT, 2), (Fault.UNREACHABLE, 1))
    )


def test_requests_count_for_whoever_answered_and_else_for_what_was_asked(window):
    window.note(served(model="chat", backend="tiny"))
    window.note(served(model="chat", backend=""))
    assert window.lately("tiny").requests == window.lately("chat").requests == 1


def test_an_answer_of_one_token_has_no_speed(window):
    window.note(served(completion_tokens=1))
    window.note(served(first_token=2.5, seconds=2.5))
    assert window.lately("tiny").tokens_per_second is None


def test_a_rush_is_counted_whole_and_kept_in_part(window):
    for _ in range(3 * TIMED_IN_A_SECOND):
        window.note(served())
    assert window.lately("tiny").requests == 3 * TIMED_IN_A_SECOND
    assert len(window._seconds["tiny"][-1].first_tokens) == TIMED_IN_A_SECOND


def test_names_without_end_do_not_fill_the_memory(window, time, monkeypatch):
    monkeypatch.setattr("inference.traffic._MOST_SERVICES", 3)
    for name in "abcd":
        window.note(served(backend=name))
    assert window.lately("d") is None
    time.now += WINDOW
    window.note(served(backend="d"))
    assert window.lately("d").requests == 1
    assert list(window._seconds) == ["d"]


def test_percentiles_are_values_that_were_there():
    values = [float(each) for each in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 95)) == (50, 95)
    assert percentile([7.0], 95) == 7


@given(st.lists(st.floats(0, 100), min_size=1).map(sorted), st.integers(0, 100))
def test_so_many_of_a_hundred_stay_within_a_percentile(values, percent):
    found = percentile(values, percent)
    within = sum(each <= found for each in values)
    assert found in values
    assert within * 100 >= percent * len(values)
