"""What is said of a change that ended half-way."""

from domain.plans import Step, StepKind
from domain.replicas import ReplicaId
from fleet.course import Course

NEW, OLD = ReplicaId("tiny", "bbbbbb", 0), ReplicaId("tiny", "aaaaaa", 0)
START, STOP = Step(StepKind.START, NEW), Step(StepKind.STOP, OLD)
STOP_NEW, START_OLD = Step(StepKind.STOP, NEW), Step(StepKind.START, OLD)


def course(*steps, under_way=None, undone=()):
    made = Course(count=7)
    for step in steps:
        made.begins(step, "a")
        made.ends()
    if under_way:
        made.begins(under_way, "a")
    made.undone += undone
    return made


def test_before_its_first_step_there_is_nothing_to_say():
    assert course().told() == ""


def test_steps_that_move_nothing_are_counted():
    assert course(Step(StepKind.PREFETCH)).told() == "after 1 of 7 steps"


def test_what_was_taken_back_is_said_to_be():
    told = course(START, STOP, undone=(STOP_NEW, START_OLD)).told()
    assert told == (
        "after 2 of 7 steps: tiny-bbbbbb-0 was started and stopped again, "
        "tiny-aaaaaa-0 was stopped and started again"
    )


def test_what_could_not_be_taken_back_is_not():
    assert course(START).told() == "after 1 of 7 steps: tiny-bbbbbb-0 was started"


def test_of_a_step_under_way_only_what_had_to_be_taken_back_is_known():
    assert course(under_way=START).told() == "after 0 of 7 steps"
    told = course(under_way=START, undone=(STOP_NEW,)).told()
    assert told == "after 0 of 7 steps: tiny-bbbbbb-0 was started and stopped again"
