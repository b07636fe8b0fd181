"""How much in how long: as people type it, and when it starts anew."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.quotas import BILLION, MOST, Per, Quota, Unit, fits, read_pattern, read_quota, told
from domain.subjects import glob

MOMENTS = st.integers(946_684_800_000, 4_102_444_800_000).map(
    lambda milliseconds: datetime.fromtimestamp(milliseconds / 1000, UTC)
)
"""From 2000 to 2100."""
NOW = datetime(2026, 2, 28, 23, 59, 59, 5, tzinfo=UTC)

UNDERSTOOD = [
    ("requests=1000/day", Quota(Unit.REQUESTS, 1000, Per.DAY)),
    ("requests=1/minute", Quota(Unit.REQUESTS, 1, Per.MINUTE)),
    ("requests=2k/hour", Quota(Unit.REQUESTS, 2000, Per.HOUR)),
    ("tokens=1m/day", Quota(Unit.TOKENS, 1_000_000, Per.DAY)),
    ("tokens=1.5m/day", Quota(Unit.TOKENS, 1_500_000, Per.DAY)),
    ("tokens=1m/day@big-model", Quota(Unit.TOKENS, 1_000_000, Per.DAY, model="big-model")),
    ("money=5EUR/month", Quota(Unit.MONEY, 5 * BILLION, Per.MONTH, "EUR")),
    ("money=0.25USD/day@cl*", Quota(Unit.MONEY, BILLION // 4, Per.DAY, "USD", "cl*")),
    ("money=0.000000001EUR/day", Quota(Unit.MONEY, 1, Per.DAY, "EUR")),
]

WRONG = [
    "",
    "requests",
    "requests=1000",
    "requests=/day",
    "requests=0/day",
    "requests=-1/day",
    "requests=1.5/day",
    "requests=0.0001k/day",
    "requests=1000/week",
    "requests=1000/day@",
    "requests=1000/day@ x",
    "requests=1000EUR/day",
    "requests=1000/day\n",
    "requests=١/day",
    "tokens=1M/day",
    "tokens=1e9/day",
    "tokens=999999999999m/day",
    "money=5/month",
    "money=5k/month",
    "money=5eur/month",
    "money=0EUR/month",
    "money=0.0000000001EUR/month",
    "words=5/day",
]


@pytest.mark.parametrize(("text", "meant"), UNDERSTOOD)
def test_what_people_type_is_understood(text, meant):
    assert read_quota(text) == meant


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_quota_is_refused_with_what_is_right(text):
    with pytest.raises(ValueError, match="is no quota"):
        read_quota(text)


@given(
    st.sampled_from(Unit),
    st.integers(1, 10**12),
    st.sampled_from(Per),
    st.sampled_from(["*", "big-*", "hf/a.b:c"]),
)
def test_what_is_kept_of_a_quota_is_the_same_quota(unit, amount, per, model):
    quota = Quota(unit, amount, per, "EUR" if unit is Unit.MONEY else "", model)
    assert read_quota(str(quota)) == quota


def test_no_quota_is_more_than_a_database_can_add_up():
    assert MOST * 64 < 2**63


@pytest.mark.parametrize(
    ("per", "begin", "end"),
    [
        (Per.MINUTE, (2026, 2, 28, 23, 59), (2026, 3, 1, 0, 0)),
        (Per.HOUR, (2026, 2, 28, 23), (2026, 3, 1, 0)),
        (Per.DAY, (2026, 2, 28), (2026, 3, 1)),
        (Per.MONTH, (2026, 2, 1), (2026, 3, 1)),
    ],
)
def test_windows_begin_by_utc_wherever_the_clock_is(per, begin, end):
    for zone in (UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-9))):
        moment = NOW.astimezone(zone)
        assert per.begin(moment) == datetime(*begin, tzinfo=UTC)
        assert per.end(moment) == datetime(*end, tzinfo=UTC)


@given(MOMENTS, st.sampled_from(Per))
def test_every_moment_lies_in_one_window_and_the_next_begins_where_it_ends(moment, per):
    begin, end = per.begin(moment), per.end(moment)
    assert begin <= moment < end
    assert per.begin(end) == end
    assert per.begin(end - timedelta(microseconds=1)) == begin


@pytest.mark.parametrize(
    ("pattern", "model", "yes"),
    [
        ("*", "anything", True),
        ("*", "", True),
        ("qwen", "qwen", True),
        ("qwen", "qwen2", False),
        ("big-*", "big-qwen", True),
        ("big-*", "not-big-qwen", False),
        ("a.b", "axb", False),
        ("q*n", "q\nn", True),
    ],
)
def test_in_a_pattern_only_the_star_means_something_else(pattern, model, yes):
    assert fits(pattern, model) is yes


@given(st.text("ab*", max_size=8), st.text("ab\n", max_size=12))
def test_a_pattern_fits_what_a_regular_expression_of_it_does(pattern, model):
    assert fits(pattern, model) is (re.fullmatch(glob(pattern), model, re.DOTALL) is not None)


def test_no_pattern_takes_long_whatever_it_is_held_against():
    assert not fits("a*" * 50 + "b", "a" * 100_000)  # as a regular expression: for ever


@pytest.mark.parametrize("text", ["", "-x", "a b", "a\n", "a,b", "x" * 101, "[a]", "é"])
def test_what_names_no_model_is_no_pattern(text):
    with pytest.raises(ValueError, match="is no name of a model"):
        read_pattern(text)


@pytest.mark.parametrize(
    ("money", "words"), [(5 * BILLION, "5"), (0, "0"), (BILLION // 4, "0.25"), (1500, "0.0000015")]
)
def test_money_is_told_in_plain_decimals(money, words):
    assert told(money) == words
