"""Commands become operations together with how far was read, and no event becomes two."""

from dataclasses import replace
from unittest.mock import AsyncMock

import pytest
import sqlalchemy as sa

from bot.intake import Around, Intake
from bot.matrix.answers import Forbidden, RateLimited
from bot.matrix.session import Reading
from commands.grammar import Grammar
from commands.verbs import all_verbs
from domain.errors import Unreachable
from domain.operations import operation_id
from fleet.store.positions import Position
from fleet.store.tables import metadata
from tests.fleet.world import until

from .homeserver import ANN, ME

CANARY = "hf_a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7"


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

    return Intake(store, Grammar(all_verbs()), outbox, clock, ME, "!", Around(work))


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
    with pytest.raises(Exception, match=r"(?i)not.null"):
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
    text = "infer tiny <b>\n🦀 \u2028 'x' \"y\""
    await intake.file(Reading("s1", (desk.message(f"!{text}"),)))
    assert (await kept(store))[0][0].text == text


async def test_a_command_in_the_clear_in_an_encrypted_room_is_refused_once(intake, worked, desk):
    exposed = replace(desk.message("!remove tiny"), exposed=True)
    talk = replace(desk.message("hello"), exposed=True)
    for token in ("s1", "s2"):
        await intake.file(Reading(token, (exposed, talk)))
    assert worked == []
    await until(lambda: desk.homeserver.shown())
    assert [told[:20] for told in desk.homeserver.shown()] == ["✗ remove was not run"]
    [(_, _, content)] = desk.homeserver.events.values()
    assert content["m.relates_to"] == {"m.in_reply_to": {"event_id": exposed.event_id}}


async def test_a_command_that_holds_a_secret_is_kept_nowhere_and_its_message_removed(
    intake, store, worked, desk
):
    intake._around = replace(intake._around, remove=AsyncMock())
    message = desk.message(f"!deploy x tiny://ops --env HF_TOKEN={CANARY}")
    await intake.file(Reading("s1", (message,)))
    await until(lambda: desk.homeserver.shown())
    assert worked == []
    [told] = desk.homeserver.shown()
    assert told.startswith("✗ deploy was not run: it holds what looks like ")
    intake._around.remove.assert_awaited_once_with(
        message.room, message.event_id, "it holds a secret"
    )
    assert CANARY not in told
    assert CANARY not in await everything_kept(store)


@pytest.mark.parametrize("error", [Forbidden("no"), RateLimited(5), Unreachable("gone")])
async def test_a_secret_that_cannot_be_removed_is_told_all_the_same(intake, desk, error, worked):
    intake._around = replace(intake._around, remove=AsyncMock(side_effect=error))
    await intake.file(Reading("s1", (desk.message(f"!ping {CANARY}"), desk.message("!ping"))))
    await until(lambda: desk.homeserver.shown())
    assert "see that this one is gone" in desk.homeserver.shown()[0]
    assert [operation.text for operation in worked] == ["ping"]


async def test_talk_that_is_not_for_the_bot_is_none_of_its_business(intake, desk, worked):
    intake._around = replace(intake._around, remove=AsyncMock())
    await intake.file(Reading("s1", (desk.message(f"my token is {CANARY}"),)))
    intake._around.remove.assert_not_awaited()


async def everything_kept(store):
    async with store.transaction() as tx:
        connection = tx.messages._connection
        rows = [
            row
            for table in metadata.sorted_tables
            for row in await connection.execute(sa.select(table))
        ]
    return repr(rows)
