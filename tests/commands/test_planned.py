"""What a plan tells: what differs, in which order, and whether somebody serves meanwhile."""

import pytest

from commands.planned import differences, planned, serving
from commands.replies import plain
from domain.plans import Fingerprint, Plan, Step, StepKind
from domain.replicas import ReplicaId
from domain.services import Placement
from fleet.rollouts import Rollout
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
        (
            {"placements": (Placement(target="b", replicas=2),)},
            ["replicas on a: `1` → `0`", "replicas on b: `0` → `2`"],
        ),
        ({"settings": (("parallel", "4"),)}, ["setting parallel: `default` → `4`"]),
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
    told = plain(planned(rollout(START, ADMIT, warnings=("no GPU here",)), "k3x9ab").blocks)
    assert told.splitlines()[0] == "Plan `k3x9ab` for tiny; nothing is changed yet"
    assert "1  a       start tiny-bbbbbb-0" in told
    assert "Note: no GPU here." in told
    assert told.splitlines()[-1].startswith("`!apply k3x9ab` does exactly this, within 15 min and")


def test_nothing_to_do_is_one_line():
    told = planned(rollout(Step(StepKind.VERIFY)), "k3x9ab")
    assert told.blocks == ("Plan for tiny: it already is like that, nothing would be done",)
