"""Commands become operations together with how far was read, and no event becomes two."""

import pytest

from bot.intake import Intake
from bot.matrix.session import Reading
from commands.grammar import Grammar
from commands.verbs import all_verbs
from domain.operations import operation_id
from fleet.store.positions import Position

from .homeserver import ANN, ME


@pytest.fixture
def worked():
    return []


@pytest.fixture
async def intake(store, worked, desk):
    async with store.transaction() as tx:
        await tx.positions.put(Position(ME, "DEVICE", None, "s0"))
    outbox, clock = desk.outbox, desk.world.clock

    async def work(filed):
        worked.extend(filed)

    return Intake(store, Grammar(all_verbs()), outbox, clock, ME, "!", work)


async def kept(store):
    async with store.transaction() as tx:
        return await tx.operations.unended(), (await tx.positions.get(ME)).token


async def test_commands_are_filed_in_order_and_talk_is_not(intake, store, worked, desk):
    said = [desk.message(body) for body in ("!deploy tiny\n", "hello", "!ping", "!", "?ping")]
    await intake.file(Reading("s1", tuple(said)))
    operations, token = await kept(store)
    assert [(o.text, o.changes) for o in operations] == [("deploy tiny", True), ("ping", False)]
    assert operations == worked
    assert token == "s1"
    first = operations[0]
    assert (first.id, first.origin, first.sender) == (operation_id("$1"), "$1", ANN)


async def test_an_event_delivered_twice_is_one_operation(intake, store, worked, desk):
    message = desk.message("!ping")
    await intake.file(
        Reading(
            "s1",
            (
                message,
                message,
            ),
        )
    )
    await intake.file(Reading("s2", (message,)))
    assert len(worked) == 1
    assert (await kept(store))[1] == "s2"


async def test_a_command_nobody_knows_is_filed_so_that_it_is_answered(intake, worked, desk):
    await intake.file(Reading("s1", (desk.message("!dploy tiny"),)))
    assert [(o.text, o.changes) for o in worked] == [("dploy tiny", False)]


async def test_nothing_is_worked_on_that_was_not_kept(intake, store, worked, desk):
    """All of an answer is kept, or none of it and then it is read again."""
    bad = desk.message("!ping")
    object.__setattr__(bad, "room", None)
    with pytest.raises(Exception, match="NOT NULL"):
        await intake.file(
            Reading(
                "s1",
                (
                    desk.message("!ping"),
                    bad,
                ),
            )
        )
    assert worked == []
    assert await kept(store) == ([], "s0")


async def test_the_bots_own_operations_are_filed_once(intake, worked, desk):
    await intake.file(Reading("s1", (desk.message("!ping"),)))
    own = worked.pop()
    await intake.file_own(own)
    assert worked == []


async def test_text_of_any_kind_is_kept_as_it_was_said(intake, store, desk):
    text = "infer tiny <b>\n🦀 \x00\u2028 'x' \"y\""
    await intake.file(Reading("s1", (desk.message(f"!{text}"),)))
    assert (await kept(store))[0][0].text == text
