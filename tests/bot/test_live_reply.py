"""How often a running operation is shown anew."""

import pytest

from bot.matrix.live_reply import SHORTEST, interval


@pytest.mark.parametrize(
    ("elapsed", "wait"), [(0, 2), (1, 2), (10, 2), (11, 2.2), (60, 12), (3600, 720)]
)
def test_edits_are_brisk_at_first_and_then_come_each_fifth_of_the_time(elapsed, wait):
    assert interval(elapsed) == pytest.approx(wait)


@pytest.mark.parametrize(("minutes", "most"), [(1, 16), (20, 32), (24 * 60, 56)])
def test_even_a_long_operation_is_edited_a_few_dozen_times(minutes, most):
    elapsed, edits = 0.0, 0
    while elapsed < minutes * 60:
        elapsed += interval(elapsed)
        edits += 1
    assert edits <= most
    assert interval(0) == SHORTEST
