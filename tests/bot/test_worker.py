"""From a command that was filed to its end, whatever happens to the process on the way."""

from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from bot.matrix.content import OPERATION
from commands.verb import Verb
from domain.operations import Operation, State, operation_id
from domain.people import Role
from fleet.keeper import SENDER
from tests.fleet.world import until

from .desk import Desk
from .homeserver import ANN, OTHER, ROOM

BOB, EVE = "@bob:example.org", "@eve:evil.org"


async def test_a_question_is_answered_once_in_reply_to_it(desk, homeserver):
    assert await desk.says("!ping") == "pong"
    ((_, _, content),) = homeserver.events.values()
    assert content["msgtype"] == "m.notice"
    assert content["m.mentions"] == {}
    assert content["m.relates_to"] == {"m.in_reply_to": {"event_id": "$1"}}
    assert content[OPERATION]["state"] == "succeeded"


async def test_a_change_is_carried_out_and_its_one_message_tells_the_end(desk, world):
    told = await desk.says("!deploy tiny tiny://ops")
    assert told.startswith("✓ tiny is live on a: 1 replica")
    assert len(await world.running()) == 1
    operation = await desk.operation(operation_id("$1"))
    assert (operation.state, operation.service) == (State.SUCCEEDED, "tiny")
    assert operation.summary == told.splitlines()[0]
    assert operation.started_at <= operation.ended_at


@pytest.mark.parametrize("line", ["!deploy --help", "!scale tiny 2 --help", "!remove —help"])
async def test_asking_for_help_is_talk_whatever_it_is_about(desk, line):
    for sender in (ANN, BOB):
        assert "Takes the role operator." in await desk.says(line, sender=sender)
    assert not (await desk.operation(operation_id("$1"))).changes
    assert await desk.says("!ops") == "Nothing was changed yet."


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("!dploy tiny", "✗ there is no command `!dploy`. Did you mean `!deploy`?"),
        ("!scale tiny -1", "✗ `scale` takes no numbers below zero. For example `!scale tiny 2`."),
        ("!scale tiny 2", "✗ scale tiny: there is no service `tiny`. Deploy one:"),
        ("!deploy tiny", "✗ deploy tiny: there is no service `tiny` yet, so `deploy` needs"),
        ("!deploy tiny tiny://ops --target b", "✗ deploy tiny: `b` is not a target of prod"),
        ("!cancel zzzzzz", "✗ cancel zzzzzz: there is no operation `zzzzzz`. See `!ops`."),
    ],
)
async def test_a_wrong_command_gets_one_line(desk, line, told):
    answer = await desk.says(line)
    assert answer.startswith(told)
    assert "\n" not in answer
    assert (await desk.operation(operation_id("$1"))).state is State.FAILED


async def test_who_may_not_is_told_so_and_nothing_happens(desk, world):
    for sender, said in ((BOB, "is viewer"), (EVE, "has no role")):
        answer = await desk.says("!deploy tiny tiny://ops", sender=sender)
        assert f"takes the role operator, and {sender} {said}" in answer
    assert (await world.seen()).replicas == ()


async def test_a_room_without_an_environment_changes_nothing(desk, world):
    answer = await desk.says("!deploy tiny tiny://ops", room=OTHER)
    assert "bound to no environment" in answer
    assert (await world.seen()).replicas == ()


async def test_an_old_command_is_answered_and_not_run(desk, world):
    """Nobody who waited eleven minutes can be taken to mean it still."""
    answer = await desk.says("!deploy tiny tiny://ops", age=601)
    assert "expired, not run: it was said on 31 Dec 23:49 UTC" in answer
    assert (await desk.operation(operation_id("$1"))).state is State.EXPIRED
    assert (await world.seen()).replicas == ()
    assert await desk.says("!ping", age=599) == "pong"


async def test_a_bug_gets_a_reference_in_the_room_and_a_traceback_in_the_log(
    world, homeserver, start
):
    @dataclass(frozen=True)
    class Break:
        pass

    async def broken(request, permit, deps, report):
        raise KeyError("s3cret detail")

    verb = Verb("break", "", ("break",), Break, broken, Role.VIEWER)
    desk = Desk(world, homeserver, start, **{"break": verb})
    with capture_logs() as log:
        answer = await desk.says("!break")
    await desk.crash()
    name = operation_id("$1")
    assert f"a bug in the bot, not in what you asked; its log has it as {name}" in answer
    assert "s3cret" not in answer
    assert "Traceback" not in answer
    (entry,) = [line for line in log if line["event"] == "bug"]
    assert (entry["operation"], entry["verb"], entry["exc_info"]) == (name, "break", True)


async def test_an_end_is_kept_together_with_the_words_for_it(desk, monkeypatch):
    """Were they two transactions, a crash between them would end an operation in silence."""
    name, real = operation_id("$1"), desk.world.store.transaction
    seen = []

    @asynccontextmanager
    async def watched():
        async with real() as tx:
            yield tx
        async with real() as tx:
            operation = await tx.operations.get(name)
            message = await tx.messages.get(f"operation:{name}")
        seen.append((operation.state.ended, message is not None))

    monkeypatch.setattr(desk.world.store, "transaction", watched)
    assert await desk.says("!ping") == "pong"
    assert (True, True) in seen
    assert (True, False) not in seen


async def test_cancelling_ends_it_and_each_message_says_so(desk, world, homeserver):
    world.clock.flows = False
    name = await desk.hears("!deploy tiny tiny://ops")
    await until(lambda: world.clock.waiting >= 2)
    cancel = await desk.hears(f"!cancel {name.upper()}")
    assert (await desk.ends(cancel)).state is State.SUCCEEDED
    assert (await desk.ends(name)).state is State.CANCELLED
    told = "\n".join(homeserver.shown())
    assert f"`{name}` (deploy tiny tiny://ops) is being cancelled" in told
    assert f"cancelled by {ANN} after 2 of 5 steps: tiny-3a608e-0 was started and stopped" in told
    assert "Nothing of tiny runs." in told
    assert (await world.seen()).alive == ()


async def test_somebody_elses_operation_is_not_a_viewers_to_cancel(desk, world):
    world.clock.flows = False
    name = await desk.hears("!deploy tiny tiny://ops")
    await until(lambda: world.clock.waiting >= 2)
    cancel = await desk.hears(f"!cancel {name}", sender=BOB)
    assert (await desk.operation(name)).state is State.RUNNING
    world.clock.flow()
    assert (await desk.ends(cancel)).state is State.FAILED
    assert (await desk.ends(name)).state is State.SUCCEEDED


async def test_only_a_long_change_calls_the_one_who_asked(desk, world, homeserver):
    await desk.says("!deploy tiny tiny://ops")
    assert all(not c["m.mentions"] for _, _, c in homeserver.events.values())
    world.clock.flows = False
    name = await desk.hears("!deploy tiny tiny://other")
    await until(lambda: world.clock.waiting >= 2)
    world.clock.seconds += 3700
    world.clock.flow()
    await desk.ends(name)
    called = [c for _, _, c in homeserver.events.values() if c["m.mentions"]]
    (call,) = called
    assert call["msgtype"] == "m.text"
    assert call["m.mentions"] == {"user_ids": [ANN]}
    assert call["body"].startswith(f"{ANN}: after ")


async def test_the_keepers_operations_are_the_rooms_own_and_never_expire(desk, world):
    await desk.says("!deploy tiny tiny://ops")
    at = world.clock.now()
    origin = "keeper:tiny:1"
    own = Operation(operation_id(origin), origin, ROOM, SENDER, "repair tiny", at, changes=True)
    world.clock.seconds += 3600
    await desk.intake.file_own(own)
    assert (await desk.ends(own.id)).summary == "✓ tiny needed no repair"
