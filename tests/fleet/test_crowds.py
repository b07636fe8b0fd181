"""Many changes at once, called off and killed at any moment: what is wanted and what runs agree."""

from __future__ import annotations

import os
import random

import pytest

from domain.operations import State
from domain.replicas import Phase, ReplicaId

from .crowd import SERVICES, Crowd, wishes

SEEDS = [int(seed) for seed in os.environ.get("GANTRY_CROWD_SEEDS", "1 2 3 4").split()]
"""Name one to see again what went wrong with it."""

WISHES = 60


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_crowd_leaves_every_service_as_it_is_wanted(world, seed):
    dice = random.Random(seed)
    crowd = Crowd(world, dice)
    for wish in wishes(dice, WISHES):
        await crowd.asks(wish)
        await crowd.turns(dice.randrange(80))
        if dice.random() < 0.15:
            await crowd.kill()
    await crowd.settles()

    async with world.store.transaction() as tx:
        ended = {o.id: o.state for o in [await tx.operations.get(id_) for id_ in crowd.wishes]}
        assert not await tx.operations.unended()
        everything = {wanted.spec.name: wanted for wanted in await tx.services.all()}
    assert all(state.ended for state in ended.values())
    for name in SERVICES:
        wanted = everything.get(name)
        assert world.fleet.survey.holder(name) is None
        for target in ("a", "b"):
            count = wanted.spec.replicas_on(target) if wanted else 0
            revision = wanted.spec.revision if wanted else ""
            alive = {r.id: r.phase for r in (await world.seen(target, name)).alive}
            assert alive == {ReplicaId(name, revision, n): Phase.READY for n in range(count)}
        if wanted is not None:
            await world.fleet.survey.refresh(wanted)
            signed = {operation for operation, _ in wanted.spec.settings}
            assert {ended[operation] for operation in signed} <= {State.SUCCEEDED}
        assert len(world.asked(name)) == (wanted.spec.replicas if wanted else 0)
