"""How long deploys took is read off what is kept of them anyway."""

import pytest

from domain.errors import Unhealthy
from domain.starts import Start

from .world import spec

ONE, TWO = spec("tiny://ops"), spec("tiny://other", b=1)


async def lately(world):
    async with world.store.transaction() as tx:
        return await tx.starts.lately()


async def test_each_revision_tells_how_long_it_took_the_newest_first(world):
    first = await world.change(ONE)
    second = await world.change(TWO, "second")
    assert await lately(world) == [
        Start(TWO.source, "b", second.seconds),
        Start(ONE.source, "a", first.seconds),
    ]
    assert first.seconds > 0


async def test_what_failed_or_ran_nowhere_or_in_two_places_tells_nothing(world):
    with pytest.raises(Unhealthy):
        await world.change(spec("tiny://never-ready"))
    await world.change(spec("tiny://ops", a=1, b=1), "both")
    await world.change(spec("tiny://other", a=0), "stopped")
    assert await lately(world) == []
