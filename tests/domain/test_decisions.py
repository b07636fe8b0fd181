"""What votes come to, and whose count."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.decisions import NOBODY, Approval, Question, Verdict, Vote, decided, objection

AT = datetime(2026, 1, 1, 9, tzinfo=UTC)
ANN, BOB, CY = "@ann:x", "@bob:x", "@cy:x"
QUESTION = Question("k3x9ab", "0badcafe", ANN, "prod", Approval(), AT, AT + timedelta(hours=1))
TWO = replace(QUESTION, approval=Approval(quorum=2))


def vote(mxid, yes=True, after=1, why=""):
    return Vote(f"${mxid}{after}", "k3x9ab", mxid, yes, AT + timedelta(seconds=after), why)


def outcome(question, *votes, after=60):
    found = decided(question, votes, AT + timedelta(seconds=after))
    return found and (found.verdict, found.by)


@pytest.mark.parametrize(
    ("question", "votes", "after", "comes_to"),
    [
        (QUESTION, [], 60, None),
        (QUESTION, [vote(BOB)], 60, (Verdict.GRANTED, (BOB,))),
        (QUESTION, [vote(BOB, yes=False)], 60, (Verdict.DENIED, (BOB,))),
        (QUESTION, [], 3600, (Verdict.EXPIRED, ())),
        (TWO, [vote(BOB)], 60, None),
        (TWO, [vote(BOB), vote(BOB, after=2)], 60, None),
        (TWO, [vote(BOB), vote(CY)], 60, (Verdict.GRANTED, (BOB, CY))),
        (TWO, [vote(BOB), vote(CY, yes=False)], 60, (Verdict.DENIED, (CY,))),
        (TWO, [vote(BOB), vote(BOB, yes=False, after=2)], 60, (Verdict.DENIED, (BOB,))),
        (TWO, [vote(BOB)], 3600, (Verdict.EXPIRED, (BOB,))),
        (TWO, [vote(BOB), vote(CY)], 3601, (Verdict.EXPIRED, (BOB, CY))),
        (replace(QUESTION, approval=NOBODY), [], 0, (Verdict.NOT_NEEDED, ())),
    ],
)
def test_what_votes_come_to(question, votes, after, comes_to):
    assert outcome(question, *votes, after=after) == comes_to


def test_a_reason_is_kept():
    assert decided(QUESTION, [vote(BOB, yes=False, why="Friday")], AT).why == "Friday"


@given(
    st.lists(st.tuples(st.sampled_from([ANN, BOB, CY]), st.booleans()), max_size=8),
    st.integers(1, 4),
    st.integers(0, 7200),
)
def test_a_yes_takes_the_quorum_no_objection_and_time_left(said, quorum, after):
    question = replace(QUESTION, approval=Approval(quorum=quorum))
    votes = [vote(mxid, yes, number) for number, (mxid, yes) in enumerate(said)]
    found = decided(question, votes, AT + timedelta(seconds=after))
    last = dict(said)
    enough = len(last) >= quorum and all(last.values()) and after < 3600
    assert bool(found and found.granted) == enough


@pytest.mark.parametrize(
    ("approval", "mxid", "holds", "typed", "yes", "why"),
    [
        (Approval(), BOB, True, False, True, None),
        (Approval(), BOB, False, True, True, "the role operator"),
        (Approval(), BOB, False, True, False, "the role operator"),
        (Approval(), ANN, True, True, True, "somebody other than"),
        (Approval(), ANN, False, False, False, None),
        (Approval(requester=True), ANN, True, False, True, None),
        (Approval(requester=True), ANN, False, False, True, "the role operator"),
        (Approval(typed=True), BOB, True, False, True, "typed in an encrypted room"),
        (Approval(typed=True), BOB, True, True, True, None),
        (Approval(typed=True), BOB, True, False, False, None),
        (Approval(by="requester"), ANN, False, False, True, None),
        (Approval(by="requester"), BOB, True, True, True, "only @ann:x"),
        (Approval(by="requester"), BOB, True, True, False, "only @ann:x"),
        (Approval(by="requester", typed=True), ANN, False, False, True, "typed in an encrypted"),
    ],
)
def test_whose_vote_counts(approval, mxid, holds, typed, yes, why):
    question = replace(QUESTION, approval=approval)
    found = objection(question, mxid, holds=holds, typed=typed, yes=yes)
    assert (why in found) if why else found is None
