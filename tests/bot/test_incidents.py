"""What happens to replicas by itself, as a room sees it."""

import asyncio
from datetime import timedelta
from functools import partial

from bot.incidents import INCIDENT, line
from domain.incidents import Incident, Kind
from domain.replicas import ReplicaId
from fleet.watching import Watch

from .homeserver import ROOM


def watch(desk) -> Watch:
    words, say = partial(line, prefix="!"), partial(desk.outbox.deliver, final=True)
    return Watch(desk.world.store, {}, tuple, words, say, desk.world.clock)


async def said(desk, count):
    async with asyncio.timeout(10):
        while True:
            async with desk.world.store.transaction() as tx:
                unsaid = await tx.messages.unsaid()
            if not unsaid and len(desk.homeserver.shown()) >= count:
                return desk.homeserver.shown()
            await asyncio.sleep(0.002)


async def test_a_room_is_told_in_one_line_and_status_tells_it_again(desk, world, homeserver):
    await desk.says("!deploy tiny tiny://ops")
    at = world.clock.now() + timedelta(seconds=1)
    incident = Incident(
        "c0ffee-1",
        Kind.RESTART_LOOP,
        ReplicaId("tiny", "3fa9c1", 0),
        "a",
        at,
        "ended 3 times in 10 minutes: it crashed; its engine goes on trying",
        failure="segmentation-fault",
        advice="`!logs` shows how far it came",
        evidence=("loading", "Segmentation\nfault"),
        upto=at,
    )
    world.clock.seconds += 60
    await watch(desk).hear(incident)
    await watch(desk).hear(incident)  # as a bot that was killed before it noted that it had told
    told = (await said(desk, 2))[1:]
    assert told == [
        "⚠ tiny-3fa9c1-0 on a ended 3 times in 10 minutes: it crashed; its engine goes on trying "
        "[segmentation-fault] · it wrote: Segmentation fault · `!logs` shows how far it came"
    ]
    _, room, content = list(homeserver.events.values())[-1]
    assert room == ROOM
    assert content[INCIDENT]["kind"] == "restart-loop"
    assert content[INCIDENT]["class"] == "segmentation-fault"
    status = await desk.says("!status tiny")
    assert "ago: tiny-3fa9c1-0 on a ended 3 times in 10 minutes" in status
    await desk.says("!remove tiny")
    await desk.says("!deploy tiny tiny://ops")
    assert "Last incident" not in await desk.says("!status tiny")
