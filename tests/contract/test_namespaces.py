"""Namespaces: kept for real by the kinds that have them, passed over by the others."""

from __future__ import annotations

import pytest

from deployers.protocol import Deployer
from domain.errors import Unhealthy
from domain.progress import Progress
from domain.replicas import ReplicaId
from tests.contract.conftest import NEAR
from tests.contract.stages import Stage, bring, ignore, make_plan

pytestmark = pytest.mark.parametrize("stage", NEAR, indirect=True)


@pytest.fixture
def deployer(stage: Stage) -> Deployer:
    """Over a target whose kind has namespaces."""
    opened = stage.open()
    if why := opened.capabilities.namespaces:
        pytest.skip(f"{stage.kind} has no namespaces: {why}")
    return opened


async def test_replicas_are_in_the_namespace_that_is_wanted_and_found_there_by_the_next_bot(
    stage: Stage, deployer: Deployer
):
    want = stage.spec(2, namespace="team-a")

    await bring(deployer, want)
    seen = await stage.open().observe("tiny")

    assert [replica.namespace for replica in seen.ready] == ["team-a"] * 2
    names = [str(ReplicaId("tiny", want.revision, n)) for n in range(2)]
    assert stage.namespaces("tiny") == dict.fromkeys(names, "team-a")


async def test_nothing_said_is_the_targets_own(stage: Stage, deployer: Deployer):
    seen = await bring(deployer, stage.good(1))

    assert [replica.namespace for replica in seen.replicas] == [None]
    assert list(stage.namespaces("tiny").values()) == [None]


async def test_a_service_moves_to_another_namespace_before_it_leaves_the_one_it_was_in(
    stage: Stage, deployer: Deployer
):
    await bring(deployer, stage.spec(2, namespace="team-a"))
    known: list[set[str | None]] = []

    def look(progress: Progress) -> None:
        if progress.step.startswith("stop "):
            known.append(set(stage.namespaces("tiny").values()))

    seen = await bring(deployer, stage.spec(2, namespace="team-b"), look)

    assert known[0] == {"team-a", "team-b"}
    assert [replica.namespace for replica in seen.replicas] == ["team-b"] * 2
    assert set(stage.namespaces("tiny").values()) == {"team-b"}


async def test_a_move_that_fails_leaves_what_runs_where_it_is(stage: Stage, deployer: Deployer):
    before = await bring(deployer, stage.spec(1, namespace="team-a"))
    broken = stage.broken(1).model_copy(update={"namespace": "team-b"})

    with pytest.raises(Unhealthy):
        await bring(deployer, broken)

    assert (await deployer.observe("tiny")).ready == before.replicas


async def test_what_failed_in_another_namespace_is_forgotten_with_the_service(
    stage: Stage, deployer: Deployer
):
    with pytest.raises(Unhealthy):
        await bring(deployer, stage.broken(1).model_copy(update={"namespace": "team-b"}))
    await bring(deployer, stage.spec(1, namespace="team-a"))
    plan = (await make_plan(deployer, stage.spec(0, namespace="team-a"))).forgetting()

    await deployer.apply(plan, ignore)

    assert (await deployer.observe("tiny")).replicas == ()
    assert stage.namespaces("tiny") == {}


async def test_services_of_one_namespace_do_not_see_each_other(stage: Stage, deployer: Deployer):
    tiny = await bring(deployer, stage.spec(1, namespace="team-a"))
    other = stage.spec(1, namespace="team-a").model_copy(update={"name": "tiny-1"})

    await bring(deployer, other)
    await bring(deployer, other.scaled(0))

    assert (await deployer.observe("tiny")).replicas == tiny.replicas


async def test_a_kind_without_namespaces_runs_it_all_the_same(stage: Stage):
    opened = stage.open()
    if opened.capabilities.namespaces is None:
        pytest.skip(f"{stage.kind} has namespaces")

    seen = await bring(opened, stage.spec(1, namespace="team-a"))

    assert [replica.namespace for replica in seen.ready] == [None]
