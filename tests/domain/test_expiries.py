"""When a service that was meant for a while is asked about and removed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.expiries import Due, Expiry, moment, span, until

NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)
HOUR = 3600.0


def expiry(ttl=8 * HOUR, **more):
    return Expiry("tiny", "@ann:example.org", ttl, NOW + timedelta(seconds=ttl), **more)


def asked(made, when):
    return made.asking("key", made.end_if_asked(when))


@pytest.mark.parametrize(
    ("ttl", "minutes"), [(60, 1), (600, 1), (HOUR, 6), (8 * HOUR, 30), (86400 * 30, 30)]
)
def test_the_notice_is_a_tenth_within_bounds(ttl, minutes):
    assert expiry(ttl).notice == timedelta(minutes=minutes)


def test_it_is_asked_about_before_and_removed_at_its_end():
    made = expiry()
    assert made.due(made.at - made.notice - timedelta(seconds=1)) is Due.NOTHING
    assert made.due(made.at - made.notice) is Due.ASK
    question = asked(made, made.at - made.notice)
    assert question.at == made.at
    assert question.due(made.at - timedelta(seconds=1)) is Due.NOTHING
    assert question.due(made.at) is Due.REMOVE


def test_what_was_not_asked_about_is_never_removed_however_late_it_is():
    made = expiry()
    late = made.at + timedelta(days=3)
    assert made.due(late) is Due.ASK
    question = asked(made, late)
    assert question.at == late + made.notice
    assert question.due(late) is Due.NOTHING
    assert question.due(late + made.notice) is Due.REMOVE


def test_a_question_a_little_late_names_the_end_there_was():
    made = expiry()
    assert made.end_if_asked(made.at - made.notice / 2) == made.at
    later = made.at - made.notice / 2 + timedelta(seconds=1)
    assert made.end_if_asked(later) == later + made.notice


def test_keeping_puts_the_end_off_and_answers_the_question():
    question = asked(expiry(), expiry().at)
    kept = question.kept(question.at, 2 * HOUR)
    assert kept.at == question.at + timedelta(hours=2)
    assert kept.due(question.at) is Due.ANSWERED
    assert kept.settled().due(question.at) is Due.NOTHING
    assert kept.settled().due(kept.at - kept.notice) is Due.ASK


def test_keeping_it_twice_is_keeping_it_once():
    once = expiry().kept(NOW + timedelta(hours=7))
    assert once.at == NOW + timedelta(hours=15)
    assert once.kept(NOW + timedelta(hours=7)) == once


def test_keeping_never_ends_it_sooner():
    assert expiry().kept(NOW, 60) == expiry()


def test_kept_for_good_it_has_no_end():
    question = asked(expiry(), expiry().at)
    assert question.for_good().due(question.at + timedelta(days=99)) is Due.ANSWERED
    assert question.for_good().settled().due(question.at + timedelta(days=99)) is Due.NOTHING


def test_what_could_not_be_removed_is_asked_about_again():
    question = asked(expiry(), expiry().at)
    again = question.postponed(question.at)
    assert again.due(question.at) is Due.NOTHING
    assert again.due(question.at + again.notice) is Due.ASK


def test_another_end_makes_the_question_an_answered_one():
    question = asked(expiry(), expiry().at)
    assert replace(question, at=question.at + timedelta(hours=1)).due(question.at) is Due.ANSWERED


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (1, "1 min"),
        (45 * 60, "45 min"),
        (8 * HOUR, "8 h"),
        (1.5 * HOUR, "1 h 30 min"),
        (3 * 86400, "3 d"),
        (86400 + HOUR, "1 d 1 h"),
        (8 * HOUR - 2, "8 h"),
    ],
)
def test_a_span_is_told_as_people_say_it(seconds, told):
    assert span(seconds) == told


def test_the_day_is_told_when_it_is_another():
    assert moment(NOW + timedelta(hours=8), NOW) == "17:00 UTC"
    assert moment(NOW + timedelta(days=1), NOW) == "02 Jan 09:00 UTC"
    assert until(NOW + timedelta(hours=8), NOW) == "until 17:00 UTC, in 8 h"
    assert until(NOW, NOW) == "until 09:00 UTC, which is now"
