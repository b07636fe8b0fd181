"""A log that is read again goes on where it was left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.overlap import unseen


@pytest.mark.parametrize(
    ("told", "now", "fresh", "joins"),
    [
        ("", "abc", "abc", True),
        ("abc", "abc", "", True),
        ("abc", "abcde", "de", True),
        ("abc", "cde", "de", True),
        ("bc", "abcd", "d", True),
        ("abc", "xyz", "xyz", False),
        ("abc", "", "", False),
        ("aaa", "aaaaa", "", True),
        ("abab", "abababc", "c", True),
        ("abc", "xbcd", "xbcd", False),
    ],
)
def test_what_was_told_is_not_told_again(told, now, fresh, joins):
    assert ("".join(unseen(list(told), list(now))[0]), unseen(list(told), list(now))[1]) == (
        fresh,
        joins,
    )


@given(st.integers(1, 60), st.integers(0, 60), st.integers(1, 60), st.integers(1, 80))
def test_of_lines_that_differ_none_is_lost_or_told_twice(before, more, kept, tail):
    """As long as what is read again reaches back to what was told."""
    log = [f"line {number}" for number in range(before + more)]
    told, now = log[:before][-kept:], log[-tail:]
    fresh, joins = unseen(told, now)
    assert joins == (tail > more)
    if joins:
        assert list(fresh) == log[before:]
