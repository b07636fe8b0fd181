"""What a room may ask for once the operations it goes back to are forgotten."""

from datetime import timedelta

import pytest

from bot.matrix.gestures import Reaction
from bot.matrix.session import Reading
from domain.operations import State, operation_id
from fleet.pruning import Pruning

from .homeserver import ANN, ROOM

MINUTES = timedelta(minutes=11).total_seconds()


@pytest.fixture
def pruning(world):
    """Keeps as little as the settings allow: anything longer than commands are waited for."""
    return Pruning(world.store, world.clock, timedelta(minutes=10, seconds=1))


@pytest.mark.parametrize("body", ["!remove tiny", "!ping"])
async def test_a_forgotten_command_that_is_delivered_again_is_not_run_again(
    desk, world, pruning, body
):
    """As to a bot that lost where it was, or that reads a room's history once more."""
    await desk.says("!deploy tiny tiny://ops")
    said = desk.message(body)
    name = operation_id(said.event_id)
    await desk.intake.file(Reading("s2", (said,)))
    await desk.ends(name)
    await desk.says("!deploy tiny tiny://ops")
    world.clock.seconds += MINUTES
    assert await pruning.prune() >= 1
    assert await desk.operation(name) is None
    await desk.intake.file(Reading("s9", (said,)))
    again = await desk.ends(name)
    assert (again.state, again.started_at) == (State.EXPIRED, None)
    assert "expired, not run" in again.summary
    assert len(await world.running()) == 1


async def test_crossing_out_the_message_about_a_forgotten_one_does_nothing(
    desk, world, homeserver, pruning
):
    await desk.says("!ping")
    ((answer, _, _),) = homeserver.events.values()
    world.clock.seconds += MINUTES
    assert await pruning.prune() == 1
    crossed = Reaction("$x", ROOM, ANN, answer, "❌", world.clock.now())
    await desk.intake.file(Reading("s2", reactions=(crossed,)))
    assert await desk.operation(operation_id("$x")) is None
