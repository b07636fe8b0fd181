from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Failure, OpsError, Unhealthy
from domain.operations import State, operation_id

LOOK_ALIKE = set("01loi")


def test_an_id_is_the_same_for_ever():
    """It names messages and replicas of earlier runs, even to a bot that lost its state."""
    assert operation_id("$event:example.org") == "5jsngr"


@given(st.text(), st.integers(1, 20))
def test_an_id_is_short_readable_and_grows_at_its_end(origin, length):
    name = operation_id(origin, length)
    assert len(name) == length
    assert name.isalnum()
    assert name.islower() or name.isdigit()
    assert not LOOK_ALIKE & set(name)
    assert operation_id(origin, length + 1).startswith(name)


def test_ids_differ_where_origins_do():
    assert len({operation_id(f"$event-{n}") for n in range(2000)}) == 2000


def test_an_operation_has_ended_unless_it_waits_or_runs():
    assert {state for state in State if not state.ended} == {
        State.FILED,
        State.RUNNING,
        State.WAITING,
    }


def test_an_error_stands_nowhere_until_somebody_says_so():
    error = OpsError("it broke", hint="mend it")
    assert (str(error), error.summary, error.standing, error.hint) == (
        "it broke",
        "it broke",
        "",
        "mend it",
    )


def test_an_unhealthy_replica_says_what_is_wrong_and_what_to_try():
    failure = Failure("out-of-memory", "CUDA out of memory", "try a smaller --ctx", ("line",))
    error = Unhealthy("tiny-3fa9c1-0", failure)
    assert error.summary == "tiny-3fa9c1-0: CUDA out of memory"
    assert error.hint == "try a smaller --ctx"
    assert error.failure is failure
