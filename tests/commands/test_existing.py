"""Numbers of replicas for services that are there already."""

import pytest

from commands.existing import with_replicas
from domain.errors import UsageError
from domain.services import Placement, ServiceSpec
from domain.sources import parse_source


def spread(*counts: int) -> ServiceSpec:
    placements = tuple(Placement(target=f"t{n}", replicas=c) for n, c in enumerate(counts))
    return ServiceSpec(name="tiny", source=parse_source("tiny://ops"), placements=placements)


@pytest.mark.parametrize(("counts", "replicas"), [((1,), 3), ((2,), 0), ((1, 2), 0), ((0,), 1)])
def test_as_many_as_were_asked_for(counts, replicas):
    assert with_replicas(spread(*counts), replicas).replicas == replicas


@pytest.mark.parametrize("counts", [(1, 1), (0, 0)])
def test_one_number_for_several_targets_is_wrong_usage_even_when_all_is_stopped(counts):
    with pytest.raises(UsageError, match="say how many on each") as caught:
        with_replicas(spread(*counts), 2)
    assert "!deploy tiny --target" in caught.value.hint
