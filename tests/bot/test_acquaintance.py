"""People are known by the identity they were first met with."""

from dataclasses import replace
from unittest.mock import AsyncMock

import pytest

from bot.matrix.crypto.senders import NOBODY, Author, Seal
from bot.matrix.session import Reading, Session
from fleet.store.sealed import SealedEvent

from .homeserver import ANN, ME, ROOM, news, said


@pytest.fixture
async def hears(desk):
    """Someone says something from a device; the operation it becomes."""
    await desk.ready()
    desk.intake._around = replace(desk.intake._around, tell_admins=AsyncMock())

    async def hear(device, master, sender=ANN):
        message = replace(desk.message("!ping", sender), device=device, master=master)
        await desk.intake.file(Reading("s1", (message,)))
        async with desk.world.store.transaction() as tx:
            return await tx.operations.by_origin(message.event_id)

    return hear


async def test_the_device_and_who_vouches_for_it_are_kept_with_the_operation(hears):
    operation = await hears("PHONE", "ann's key")
    assert (operation.device, operation.vouched) == ("PHONE", True)
    operation = await hears("LAPTOP", None)
    assert (operation.device, operation.vouched) == ("LAPTOP", False)
    operation = await hears(None, None)
    assert (operation.device, operation.vouched) == (None, False)


async def test_whose_identity_changes_is_vouched_for_no_more_and_it_is_told(hears, desk):
    await hears("PHONE", "the first")
    for _ in range(2):
        assert not (await hears("NEW", "another")).vouched
    assert (await hears("PHONE", "the first")).vouched
    assert (await hears("BOBS", "another", "@bob:example.org")).vouched
    calls = {call.args for call in desk.intake._around.tell_admins.await_args_list}
    [(key, text)] = calls
    assert key == f"identity:{ANN}:another"
    assert "master key another, and I met them with the first" in text


async def test_a_change_of_identity_is_found_after_a_restart_too(hears, desk):
    await hears("PHONE", "the first")
    await desk.restart()
    assert not (await hears("NEW", "another")).vouched


class Seen:
    """Knows the devices of those it was asked for."""

    def __init__(self, authors):
        self.authors, self.met = authors, []

    async def meet(self, users):
        self.met.append(set(users))

    def of(self, room, sender, seal):
        return self.authors.get((room, sender, seal), NOBODY)


class Opening:
    """A keyring to which a key has come."""

    async def tend(self):
        pass

    def open(self, room, event):
        return said(event["event_id"])


async def test_a_message_that_is_opened_late_is_known_by_its_device(homeserver, clock):
    content = {"algorithm": "m.megolm.v1.aes-sha2", "sender_key": "curve", "session_id": "one"}
    event = {**said("$late"), "type": "m.room.encrypted", "content": content}
    homeserver.keyring = Opening()
    homeserver.senders = Seen({(ROOM, ANN, Seal("curve", "one")): Author("PHONE", "master")})
    filed = []

    async def file(reading):
        filed.extend(reading.said)

    async def sealed():
        return [SealedEvent("$late", ROOM, event, clock.now())]

    await Session(homeserver, file, sealed, AsyncMock(), clock, "s0").open_late()
    assert [(each.event_id, each.device, each.master) for each in filed] == [
        ("$late", "PHONE", "master")
    ]


async def test_only_what_was_decrypted_has_a_device_and_only_its_senders_are_asked_for(
    homeserver, clock
):
    """An event that says it is encrypted and came in the clear is nobody's."""
    seal = Seal("curve", "one")
    homeserver.senders = Seen({(ROOM, ANN, seal): Author("PHONE", "master")})
    brought = news("s1", said("$1"), said("$2", sender="@bob:example.org"), said("$3"))
    [timeline] = brought.timelines
    brought = replace(brought, timelines=(replace(timeline, seals={"$3": seal}),))
    homeserver.syncs.append(brought)
    filed = []

    async def file(reading):
        filed.extend(reading.said)

    async def sealed():
        return []

    await Session(homeserver, file, sealed, AsyncMock(), clock, "s0").step()
    assert [each.device for each in filed] == [None, None, "PHONE"]
    assert homeserver.senders.met == [{ANN}]
    assert ME not in homeserver.senders.met[0]
