"""What is kept of what happened."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain.audit import LONGEST, Kind, Outcome, Record, excerpt, stamp
from domain.operations import Operation

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
TOKEN = "hf_" + "a1B2c3D4e5" * 4


def operation(**more):
    base = {"id": "abcdef", "origin": "$1", "room": "!r:x", "sender": "@ann:x", "text": "ping"}
    return Operation(**{**base, "said_at": AT, "changes": False, **more})


def of(asked, seconds=0.0, outcome=Outcome.SUCCEEDED, acts=False, **more):
    at = AT + timedelta(seconds=seconds)
    return Record.of_operation(asked, at, outcome, acts=acts, verb="ping", **more)


def test_an_operation_is_kept_with_who_asked_where_and_by_which_event():
    record = of(operation(), 1.23456)
    assert (record.kind, record.mxid, record.room) == (Kind.OPERATION, "@ann:x", "!r:x")
    assert (record.operation, record.event, record.device) == ("abcdef", "$1", None)
    assert record.seconds == 1.235


def test_what_the_bot_asked_for_itself_came_from_no_event():
    assert of(operation(origin="keeper:tiny:1", sender="keeper")).event is None


def test_it_took_as_long_as_it_worked_and_never_less_than_nothing():
    assert of(operation(started_at=AT + timedelta(seconds=3)), 5).seconds == 2
    assert of(operation(), -5).seconds == 0, "somebody's clock is ahead"


@pytest.mark.parametrize(
    ("outcome", "acts", "notable"),
    [
        (Outcome.SUCCEEDED, True, True),
        (Outcome.FAILED, True, True),
        (Outcome.SUCCEEDED, False, False),
        (Outcome.NOT_UNDERSTOOD, False, False),
        (Outcome.DENIED, False, True),
        (Outcome.DECLINED, False, True),
    ],
)
def test_notable_is_what_acts_and_whatever_was_refused(outcome, acts, notable):
    assert of(operation(), outcome=outcome, acts=acts).notable is notable


def test_a_decision_is_by_who_decided_on_somebody_elses_operation():
    record = Record.of_decision(
        operation(), AT, "@root:x", "approved", verb="approve", event="$2", plan="p1"
    )
    assert (record.kind, record.mxid, record.operation) == (Kind.DECISION, "@root:x", "abcdef")
    assert (record.event, record.plan, record.notable) == ("$2", "p1", True)
    assert Record.of_decision(operation(), AT, "x", "timed-out", verb="deploy").event is None


def test_a_record_reads_back_from_what_it_says():
    record = of(operation(), 2, targets=("a", "b"), approvers=("@root:x",), why="so")
    assert "device" not in record.values, "what says nothing is left out"
    assert Record.of_values(record.values) == record
    assert Record.of_values(record.values | {"of a later release": 1}) == record


def test_moments_are_told_in_utc_to_the_microsecond():
    zone = timezone(timedelta(hours=2))
    assert stamp(datetime(2026, 1, 31, 9, tzinfo=zone)) == "2026-01-31T07:00:00.000000Z"


def test_an_excerpt_is_one_line_without_secrets():
    assert excerpt(f"a  b\nHF_TOKEN={TOKEN} c") == "a b HF_TOKEN=••• c"
    assert len(excerpt("x" * 5000)) == LONGEST + 1
    assert TOKEN[:10] not in excerpt("x" * (LONGEST - 20) + " " + TOKEN)
