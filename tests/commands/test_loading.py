"""How long a model that is not ready yet is waited for, and what is said of it."""

import pytest

from commands.loading import patience, soonest, told
from domain.services import Placement, ServiceSpec
from domain.sources import Source
from domain.starts import Start

TINY, BIG = Source("tiny", "ops"), Source("hf", "org/big")


def spec(source, *targets):
    placements = tuple(Placement(target=target, replicas=1) for target in targets)
    return ServiceSpec(name="x", source=source, placements=placements)


def test_what_is_usual_is_what_the_same_model_took_on_the_same_target():
    starts = [Start(TINY, "a", 40), Start(BIG, "a", 5), Start(TINY, "b", 9), Start(TINY, "a", 20)]
    assert soonest([spec(TINY, "a")], starts) == 30
    assert soonest([spec(BIG, "a")], starts) == 5


def test_of_several_places_the_soonest_counts():
    starts = [Start(TINY, "a", 40), Start(TINY, "b", 9), Start(BIG, "a", 20)]
    assert soonest([spec(TINY, "a", "b")], starts) == 9
    assert soonest([spec(TINY, "a"), spec(BIG, "a")], starts) == 20


def test_nothing_is_guessed_from_other_models_or_targets():
    assert soonest([spec(BIG, "a")], [Start(TINY, "a", 40), Start(BIG, "b", 1)]) is None
    assert soonest([], [Start(TINY, "a", 40)]) is None


@pytest.mark.parametrize(
    ("seconds", "waited", "said"),
    [
        (None, 0, "loading"),
        (40.2, 80.4, "loading, usually about 40 s"),
        (2.04, 4.08, "loading, usually about 2.0 s"),
        (3600, 600, "loading, usually about 1 h"),
    ],
)
def test_it_is_said_and_waited_for_twice_as_long_within_reason(seconds, waited, said):
    assert (patience(seconds), told(seconds)) == (waited, said)
