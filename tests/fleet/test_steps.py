"""The rolling replacement every host carries out, as a pure function."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from deployers.steps import rolling, stop_first
from domain.plans import Fingerprint, Plan, Step, StepKind, Strategy
from domain.replicas import Observed, Phase, Replica, ReplicaId
from domain.services import Placement, ServiceSpec
from domain.sources import Source

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PREFETCH, START, WAIT, ADMIT, DRAIN, STOP, VERIFY = (
    StepKind.PREFETCH,
    StepKind.START,
    StepKind.WAIT_READY,
    StepKind.ADMIT,
    StepKind.DRAIN,
    StepKind.STOP,
    StepKind.VERIFY,
)


def want(replicas):
    placements = (Placement(target="here", replicas=replicas),)
    return ServiceSpec(name="tiny", source=Source("tiny", "ops"), placements=placements)


REVISION = want(1).revision
A, B, C = (ReplicaId("tiny", REVISION, n) for n in range(3))
OLD, OLDER = ReplicaId("tiny", "bbbbbb", 0), ReplicaId("tiny", "aaaaaa", 0)


def holding(phases):
    replicas = (Replica(replica, "here", phase, "before") for replica, phase in phases.items())
    return Observed("tiny", "here", NOON, tuple(replicas))


def planned(replicas, phases):
    return [
        (step.kind, step.replica) if step.replica else (step.kind,)
        for step in rolling(want(replicas), holding(phases), "op").steps
    ]


def test_a_first_deploy_starts_proves_and_admits():
    assert rolling(want(1), holding({}), "op", ("it is slow",)) == Plan(
        operation="op",
        target="here",
        want=want(1),
        steps=(
            Step(PREFETCH),
            Step(START, A),
            Step(WAIT, A),
            Step(ADMIT, A),
            Step(VERIFY),
        ),
        fingerprint=Fingerprint(frozenset()),
        warnings=("it is slow",),
    )


def test_a_new_revision_takes_over_one_replica_at_a_time():
    assert planned(2, {OLDER: Phase.READY, OLD: Phase.READY}) == [
        (PREFETCH,),
        (START, A),
        (WAIT, A),
        (ADMIT, A),
        (DRAIN, OLDER),
        (STOP, OLDER),
        (START, B),
        (WAIT, B),
        (ADMIT, B),
        (DRAIN, OLD),
        (STOP, OLD),
        (VERIFY,),
    ]


def test_what_runs_as_wanted_is_only_admitted_again():
    """A restarted bot has an empty routing table."""
    assert planned(1, {A: Phase.READY}) == [(WAIT, A), (ADMIT, A), (VERIFY,)]


def test_fewer_replicas_drain_the_highest():
    assert planned(1, {A: Phase.READY, B: Phase.READY, C: Phase.READY}) == [
        (WAIT, A),
        (ADMIT, A),
        (DRAIN, B),
        (STOP, B),
        (DRAIN, C),
        (STOP, C),
        (VERIFY,),
    ]


def test_with_nothing_wanted_everything_alive_is_drained_and_stopped():
    stopped = planned(0, {A: Phase.READY, OLD: Phase.LOADING, OLDER: Phase.FAILED})
    first, second = sorted([A, OLD])
    assert stopped == [(DRAIN, first), (STOP, first), (DRAIN, second), (STOP, second), (VERIFY,)]


def test_a_replica_that_failed_is_started_anew():
    assert planned(1, {A: Phase.FAILED}) == [
        (PREFETCH,),
        (START, A),
        (WAIT, A),
        (ADMIT, A),
        (VERIFY,),
    ]


replicas = st.builds(
    ReplicaId, st.just("tiny"), st.sampled_from([REVISION, "aaaaaa", "bbbbbb"]), st.integers(0, 4)
)
worlds = st.dictionaries(replicas, st.sampled_from(list(Phase)), max_size=8)


@given(st.integers(0, 4), worlds)
def test_a_plan_ends_with_exactly_what_is_wanted(count, world):
    plan = rolling(want(count), holding(world), "op")
    running = {replica for replica, phase in world.items() if phase.alive}
    for step in plan.steps:
        if step.kind is START:
            running.add(step.replica)
        if step.kind is STOP:
            running.remove(step.replica)
    assert running == plan.wanted
    assert plan.steps[-1] == Step(VERIFY)


@given(st.integers(1, 4), worlds)
def test_nothing_old_stops_before_something_new_was_admitted(count, world):
    """Whatever the world looks like, requests keep finding a replica."""
    plan = rolling(want(count), holding(world), "op")
    admitted = 0
    for step in plan.steps:
        admitted += step.kind is ADMIT
        assert step.kind not in (DRAIN, STOP) or admitted


@given(st.integers(0, 4), worlds)
def test_each_replica_goes_through_its_steps_in_order(count, world):
    plan = rolling(want(count), holding(world), "op")
    ready = {replica for replica, phase in world.items() if phase is Phase.READY}
    for replica in plan.wanted:
        kinds = [step.kind for step in plan.steps if step.replica == replica]
        assert kinds == ([] if replica in ready else [START]) + [WAIT, ADMIT]
    for replica in plan.stopped:
        assert [s.kind for s in plan.steps if s.replica == replica] == [DRAIN, STOP]


@given(st.integers(0, 4), worlds)
def test_never_fewer_serve_than_did_or_than_are_wanted(count, world):
    plan = rolling(want(count), holding(world), "op")
    serving = {replica for replica, phase in world.items() if phase is Phase.READY}
    least = min(len(serving), count)
    for step in plan.steps:
        if step.kind is ADMIT:
            serving.add(step.replica)
        if step.kind is DRAIN:
            serving.discard(step.replica)
        assert len(serving) >= least


def reordered(replicas, phases, **how):
    plan = stop_first(rolling(want(replicas), holding(phases), "op"), "it is full", **how)
    return plan, [(s.kind, s.replica) if s.replica else (s.kind,) for s in plan.steps]


def up(replica):
    return [(START, replica), (WAIT, replica), (ADMIT, replica)]


def down(replica):
    return [(DRAIN, replica), (STOP, replica)]


def test_the_old_may_stop_first_one_after_the_other():
    plan, steps = reordered(2, {OLD: Phase.READY, OLDER: Phase.READY})
    assert steps == [(PREFETCH,), *down(OLDER), *up(A), *down(OLD), *up(B), (VERIFY,)]
    assert (plan.strategy, plan.why) == (Strategy.RECREATE, "it is full")


def test_or_all_of_them_before_the_first_start():
    _, steps = reordered(1, {OLD: Phase.READY, OLDER: Phase.READY}, every=True)
    assert steps == [(PREFETCH,), *down(OLDER), *down(OLD), *up(A), (VERIFY,)]


def test_what_runs_as_wanted_stays_while_the_others_are_replaced():
    _, steps = reordered(2, {A: Phase.READY, OLD: Phase.READY})
    assert steps == [(PREFETCH,), (WAIT, A), (ADMIT, A), *down(OLD), *up(B), (VERIFY,)]


@given(
    st.integers(0, 3),
    st.dictionaries(st.sampled_from([A, B, C, OLD, OLDER]), st.sampled_from(list(Phase))),
    st.booleans(),
)
def test_another_order_leaves_no_step_out_and_ends_alike(replicas, phases, every):
    before = rolling(want(replicas), holding(phases), "op")
    after = stop_first(before, "it is full", every=every)
    assert sorted(map(str, after.steps)) == sorted(map(str, before.steps))
    assert (after.started, after.stopped, after.wanted) == (
        before.started,
        before.stopped,
        before.wanted,
    )
    assert after.steps[-1] == Step(VERIFY)
