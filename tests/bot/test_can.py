"""Asking whether something is allowed does none of it."""

from dataclasses import replace

import pytest

from tests.fleet.world import spec

from .homeserver import ANN, OTHER, ROOM
from .test_worker import BOB


@pytest.mark.parametrize(
    ("command", "sender", "room", "told"),
    [
        ("deploy tiny tiny://ops", ANN, ROOM, "Yes: `deploy` takes the role operator, and you are"),
        ("deploy tiny tiny://ops", ANN, ROOM, "It would act on a (prod)."),
        ("!deploy tiny tiny://ops --target a:2", ANN, ROOM, "It would act on a (prod)."),
        ("deploy tiny tiny://ops --target moon", ANN, ROOM, "No: `moon` is not a target of prod"),
        ("deploy tiny tiny://ops", BOB, ROOM, "No: that takes the role operator, and @bob"),
        ("deploy tiny tiny://ops", BOB, ROOM, "`access.operator` in the configuration can grant"),
        ("deploy tiny tiny://ops --plan", BOB, ROOM, "Yes: `deploy` takes the role viewer"),
        ("status", BOB, ROOM, "Yes: `status` takes the role viewer, and you are viewer. Nothing"),
        ("stop nothing", ANN, OTHER, "No: this room is bound to no environment"),
    ],
)
async def test_whether_somebody_may_and_why(desk, world, command, sender, room, told):
    assert told in await desk.says(f"!can {command}", sender=sender, room=room)
    assert (await world.seen()).replicas == ()


async def test_what_runs_is_changed_where_it_runs(desk, world):
    await desk.says("!deploy tiny tiny://ops")
    moved = spec(b=1)
    async with world.store.transaction() as tx:
        wanted = await tx.services.get("tiny")
        await tx.services.put(replace(wanted, spec=moved))
    assert "No: `b` is not a target of prod" in await desk.says("!can scale tiny 2")


@pytest.mark.parametrize(
    ("command", "told"),
    [("!can", "`can` needs a command"), ("!can fly", "there is no command `!fly`")],
)
async def test_what_is_no_command_is_said_to_be_so(desk, command, told):
    assert told in await desk.says(command)
