"""How replicas are talked to."""

import pytest

from domain.backends import Tier
from domain.made_of import HARDWARE, MODEL
from domain.replicas import Phase, Replica, ReplicaId
from fleet.manners import manner


def replica(*made_of):
    name = ReplicaId("tiny", "3fa9c1", 0)
    return Replica(name, "a", Phase.READY, "op1", made_of=made_of)


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        (((HARDWARE, "graphics card"),), Tier.GPU),
        (((HARDWARE, "graphics card 0"),), Tier.GPU),
        (((HARDWARE, "processor (it has no card)"),), Tier.CPU),
        ((), Tier.CPU),
    ],
)
def test_what_it_computes_on_decides_who_is_asked_first(told, tier):
    assert manner("vllm", replica(*told)).tier is tier


@pytest.mark.parametrize(
    ("engine", "kept"), [("llamacpp", False), ("vllm", True), ("ollama", True), ("custom", False)]
)
def test_connections_are_kept_only_where_that_is_known_to_work(engine, kept):
    assert manner(engine, replica()).keeps_alive is kept


def test_a_model_of_another_name_goes_by_it_there():
    assert manner("custom", replica((MODEL, "qwen3-4b"))).models == (("tiny", "qwen3-4b"),)
    assert manner("custom", replica()).models == ()
