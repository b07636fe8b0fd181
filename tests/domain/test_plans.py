from datetime import UTC, datetime

import pytest

from domain.plans import Fingerprint, Plan, Step, StepKind
from domain.replicas import Observed, Phase, Replica, ReplicaId
from domain.services import Placement, ServiceSpec
from domain.sources import Source

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WANT = ServiceSpec(
    name="tiny",
    source=Source("tiny", "ops"),
    placements=(Placement(target="here", replicas=2),),
)
NEW, NEW_TOO = (ReplicaId("tiny", WANT.revision, n) for n in range(2))
OLD, STRAY = ReplicaId("tiny", "aaaaaa", 0), ReplicaId("tiny", "bbbbbb", 0)


def seen(*replicas, phase=Phase.READY):
    return Observed("tiny", "here", NOON, tuple(Replica(r, "here", phase, "op") for r in replicas))


def plan(*before):
    """From what ran before to two new replicas, the old one stopped in between."""
    steps = (
        Step(StepKind.START, NEW),
        Step(StepKind.STOP, OLD),
        Step(StepKind.START, NEW_TOO),
        Step(StepKind.VERIFY),
    )
    return Plan("op", "here", WANT, steps, Fingerprint.of(seen(*before)))


@pytest.mark.parametrize(
    ("before", "now", "news"),
    [
        ([OLD], [OLD], None),
        ([OLD], [OLD, NEW], None),
        ([OLD], [NEW], None),
        ([OLD], [NEW, NEW_TOO], None),
        ([OLD], [], None),
        ([], [], None),
        ([], [STRAY], f"{STRAY} appeared"),
        ([OLD], [OLD, STRAY], f"{STRAY} appeared"),
        ([OLD, STRAY], [NEW], f"{STRAY} is gone"),
        ([STRAY], [ReplicaId("tiny", "cccccc", 1)], f"tiny-cccccc-1 appeared, {STRAY} is gone"),
    ],
)
def test_a_plan_knows_its_own_doing_from_everybody_elses(before, now, news):
    """What it starts or stops may be there or not: it may have been carried out in part."""
    assert plan(*before).changed_since(seen(*now)) == news


def test_what_failed_or_ended_is_not_part_of_the_world():
    assert plan(OLD).changed_since(seen(OLD, STRAY, phase=Phase.FAILED)) is None
    assert Fingerprint.of(seen(OLD, phase=Phase.STOPPED)) == Fingerprint(frozenset())


def test_one_step_of_a_plan_still_knows_what_the_others_stop():
    """Otherwise a rollout would take its own work for a stranger's half-way through."""
    for step in plan(OLD).steps:
        assert plan(OLD).only(step).changed_since(seen(NEW)) is None
        assert plan(OLD).only(step).changed_since(seen(STRAY)) == f"{STRAY} appeared"


def test_what_is_wanted_and_stopped_follows_from_the_plan():
    assert plan().wanted == {NEW, NEW_TOO}
    assert plan().stopped == {OLD}
    elsewhere = Plan("op", "there", WANT, (), Fingerprint(frozenset()))
    assert elsewhere.wanted == frozenset()


def test_cutting_and_ending_leave_the_rest_as_it_was():
    whole, step = plan(OLD), Step(StepKind.START, NEW)
    assert whole.only(step).steps == (step,)
    assert whole.only(step).wanted == whole.wanted
    assert whole.forgetting().steps == (*whole.steps, Step(StepKind.FORGET))


def test_steps_read_as_words():
    assert str(Step(StepKind.WAIT_READY, OLD)) == "wait-ready tiny-aaaaaa-0"
    assert str(Step(StepKind.VERIFY)) == "verify"
