"""What a plan tells: what differs, in which order, and whether somebody serves meanwhile."""

from dataclasses import replace

import pytest

from commands.planned import differences, fitting, moves, plan_blocks, planned, serving
from commands.replies import plain
from domain.fit import Fit, Need
from domain.moments import measured
from domain.plans import Fingerprint, Plan, Step, StepKind
from domain.replicas import Gpu, ReplicaId, TargetFacts
from domain.services import Placement
from fleet.rollout import Rollout
from tests.fleet.world import spec

OLD = spec()
OLD_REPLICA, NEW_REPLICA = ReplicaId("tiny", "aaaaaa", 0), ReplicaId("tiny", "bbbbbb", 0)
START, ADMIT = Step(StepKind.START, NEW_REPLICA), Step(StepKind.ADMIT, NEW_REPLICA)
DRAIN, STOP = Step(StepKind.DRAIN, OLD_REPLICA), Step(StepKind.STOP, OLD_REPLICA)


def rollout(*steps, want=OLD, before=OLD, alive=(OLD_REPLICA,), removal=False, warnings=()):
    world = Fingerprint(frozenset(map(str, alive)))
    return Rollout(want, before, (Plan("op", "a", want, steps, world, warnings),), removal)


@pytest.mark.parametrize(
    ("steps", "alive", "told"),
    [
        ((START, ADMIT, DRAIN, STOP), (OLD_REPLICA,), "tiny serves throughout."),
        (
            (DRAIN, STOP, START, ADMIT),
            (OLD_REPLICA,),
            "tiny does not serve between step 1 and step 4.",
        ),
        ((STOP,), (OLD_REPLICA,), "After that tiny does not serve."),
        ((START, ADMIT), (), "tiny does not serve now; it does once a replica is admitted."),
        ((), (), "After that tiny does not serve."),
    ],
)
def test_whether_somebody_serves_is_read_off_the_steps(steps, alive, told):
    assert serving(rollout(*steps, alive=alive)) == told


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"context": 512}, ["context: `default` → `512`"]),
        ({"gpu": 2}, ["gpu: `auto` → `2`"]),
        ({"cpus": 2.5}, ["cpus: `no limit` → `2.5`"]),
        ({"memory": 2**33}, ["memory: `no limit` → `8 GiB`"]),
        ({"namespace": "team-a"}, ["namespace: `none` → `team-a`"]),
        (
            {"placements": (Placement(target="b", replicas=2),)},
            ["replicas on a: `1` → `0`", "replicas on b: `0` → `2`"],
        ),
        ({"settings": (("parallel", "4"),)}, ["setting parallel: `default` → `4`"]),
        ({"take_over": True}, ["takes over what runs: `no` → `yes`"]),
        ({"restarts": 1}, ["every replica is replaced by a new one"]),
        ({}, []),
    ],
)
def test_each_difference_is_a_line(changed, told):
    assert differences(rollout(want=OLD.model_copy(update=changed))) == told


def test_what_is_new_and_what_is_forgotten_is_told_as_such():
    assert differences(rollout(before=None)) == ["New: tiny://ops on a"]
    assert differences(rollout(removal=True)) == ["tiny is forgotten, its logs included"]


def test_a_plan_lists_its_steps_and_what_the_target_warns_of():
    told = plain(planned(rollout(START, ADMIT, warnings=("no GPU here",)), "k3x9ab", None).blocks)
    assert told.splitlines()[0] == "Plan `k3x9ab` for tiny; nothing is changed yet"
    assert "1  a       start tiny-bbbbbb-0" in told
    assert "Note: no GPU here." in told
    assert told.splitlines()[-1].startswith("`!apply k3x9ab` does exactly this, within 15 min and")


def test_nothing_to_do_is_one_line():
    told = planned(rollout(Step(StepKind.VERIFY)), "k3x9ab", None)
    assert told.blocks == ("Plan for tiny: it already is like that, nothing would be done",)


@pytest.mark.parametrize(
    ("steps", "alive", "told"),
    [
        ((START, ADMIT), (), "Starts tiny-bbbbbb-0"),
        ((START, STOP), (OLD_REPLICA,), "Starts tiny-bbbbbb-0; stops tiny-aaaaaa-0"),
        ((START,), (OLD_REPLICA,), "Starts tiny-bbbbbb-0; 1 stays as it is"),
        ((), (OLD_REPLICA, NEW_REPLICA), "2 stay as they are"),
        ((), (), "No replica starts or stops"),
    ],
)
def test_what_starts_stops_and_stays_is_told(steps, alive, told):
    assert moves(rollout(*steps, alive=alive)) == told


NEED = Need(weights=400_000_000, cache=50_000_000, overhead=300_000_000, tokens=8192)
CARD = Gpu("a card", 24_000_000_000, 20_000_000_000)


@pytest.mark.parametrize(
    ("replicas", "free", "cards", "on_card", "told"),
    [
        (
            1,
            4_000_000_000,
            (),
            True,
            "Fits on a: 400.0 MB weights + 50.0 MB for 8192 tokens + 300.0 MB engine = 750.0 MB "
            "of 4.0 GB free memory",
        ),
        (
            2,
            1_000_000_000,
            (),
            False,
            "Does not fit on a: 2 × (400.0 MB weights + 50.0 MB for 8192 tokens + 300.0 MB engine) "
            "= 1.5 GB of 1.0 GB free memory",
        ),
        (
            1,
            1,
            (CARD,),
            True,
            "Fits on a: 400.0 MB weights + 50.0 MB for 8192 tokens + 300.0 MB engine = 750.0 MB "
            "of 20.0 GB free graphics memory",
        ),
    ],
)
def test_whether_it_fits_is_shown_as_a_sum(replicas, free, cards, on_card, told):
    facts = TargetFacts("a", "process", True, memory_free=free, gpus=cards)
    want = OLD.model_copy(update={"gpu": "auto" if on_card else "none"})
    [plan] = rollout(*[START] * replicas, want=want).plans
    fit = measured(plan, NEED, facts)
    assert isinstance(fit, Fit)
    assert fitting("a", fit) == told


@pytest.mark.parametrize(
    ("need", "replicas", "free"), [(None, 1, 9), (NEED, 0, 9), (NEED, 1, None)]
)
def test_what_cannot_be_told_is_left_out(need, replicas, free):
    facts = TargetFacts("a", "process", True, memory_free=free)
    [plan] = rollout(*[START] * replicas).plans
    assert measured(plan, need, facts) is None


def test_how_long_the_latest_change_took_is_told():
    assert "tiny serves throughout. Its latest change took 11 s." in plan_blocks(
        rollout(START, ADMIT), 11
    )


def test_what_it_runs_on_is_told_where_something_starts():
    plan, *_ = rollout(START, ADMIT).plans
    told = Rollout(OLD, OLD, (replace(plan, runs_on="graphics card"),))
    assert "On a it runs on the graphics card." in plan_blocks(told, None)
    plan, *_ = rollout(DRAIN, STOP).plans
    told = Rollout(OLD, OLD, (replace(plan, runs_on="graphics card"),))
    assert "On a it runs on the graphics card." not in plan_blocks(told, None)
