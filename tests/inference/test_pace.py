import pytest

from inference.pace import Pace


class HandClock:
    def __init__(self):
        self.time = 0.0

    def monotonic(self):
        return self.time


@pytest.fixture
def clock():
    return HandClock()


def test_speed_is_that_of_the_tokens_after_the_first(clock):
    pace = Pace(clock)
    for clock.time in (2.0, 2.5, 3.0):
        pace.heard()
    assert (pace.first_token, pace.pieces) == (2.0, 3)
    assert pace.tokens_per_second(11) == 10.0


def test_nothing_heard_has_waited_until_now_and_no_speed(clock):
    pace = Pace(clock)
    clock.time = 4.0
    assert pace.first_token == 4.0
    assert pace.tokens_per_second(5) is None


@pytest.mark.parametrize("tokens", [0, 1])
def test_one_token_has_no_speed(clock, tokens):
    pace = Pace(clock)
    pace.heard()
    clock.time = 1.0
    assert pace.tokens_per_second(tokens) is None
