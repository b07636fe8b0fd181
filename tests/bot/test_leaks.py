"""What went out in the clear is found, said again under another transaction, and taken away."""

from datetime import UTC, datetime

import pytest

from bot.leaks import Withdrawals, repaired
from bot.matrix.answers import Forbidden, RateLimited
from bot.matrix.attachments import attachment
from bot.matrix.content import notice, transaction_id
from bot.matrix.leaks import Leak, leaks
from bot.matrix.session import Reading
from domain.errors import Unreachable
from fleet.store.files import File
from tests.fleet.world import until

from .homeserver import ANN, ME, ROOM, said

ON = {"type": "m.room.encryption", "state_key": "", "event_id": "$on", "sender": ANN}
AT = datetime(2026, 1, 1, tzinfo=UTC)


def ours(name, **more):
    return {**said(name, "pong", ME), **more}


def found(*events, encrypted=False):
    clear = {event["event_id"] for event in events if event["type"] == "m.room.message"}
    return [leak.event_id for leak in leaks(events, ROOM, clear, ME, encrypted=encrypted)]


def test_our_words_in_the_clear_after_encryption_are_leaks():
    assert found(ours("$1"), ON, ours("$2"), said("$3")) == ["$2"]
    assert found(ours("$1"), encrypted=True) == ["$1"]
    assert found(ours("$1")) == []


def test_what_was_said_before_is_none_whatever_is_known_by_now():
    assert found(ours("$1"), ON, encrypted=True) == []


@pytest.mark.parametrize("sign", [{"replaces_state": "$old"}, {"prev_content": {"a": 1}}])
def test_encryption_that_is_only_set_anew_makes_nothing_before_it_harmless(sign):
    assert found(ours("$1"), {**ON, "unsigned": sign}, encrypted=True) == ["$1"]


@pytest.mark.parametrize(
    "event",
    [
        ours("$1", content={}),
        ours("$1", content={"m.relates_to": {"rel_type": "m.replace"}}),
        ours("$1", content="words"),
        ours("$1", type="m.reaction"),
        {**ON, "state_key": "other"},
        {**ON, "unsigned": 7},
    ],
)
def test_what_has_no_words_is_none(event):
    assert found(event, encrypted=True) == []


def test_a_leak_tells_its_transaction_and_what_it_edits():
    relation = {"rel_type": "m.replace", "event_id": "$0"}
    content = {"msgtype": "m.notice", "body": "x", "m.relates_to": relation}
    event = ours("$1", content=content, unsigned={"transaction_id": "t1"})
    [leak] = leaks([event], ROOM, {"$1"}, ME, encrypted=True)
    assert (leak.room, leak.transaction, leak.edits) == (ROOM, "t1", "$0")


async def heard(desk, *leaked):
    await desk.intake.file(Reading("s1", leaks=leaked))


async def test_an_answer_is_said_again_once_however_often_the_leak_is_read(desk):
    await desk.ready()
    await desk.says("!ping")
    await desk.outbox.noted()
    [(event, _, _)] = desk.homeserver.events.values()
    for _ in range(3):
        await heard(desk, Leak(ROOM, event, AT))
    await until(lambda: len(desk.homeserver.events) == 2)
    await desk.outbox.settled(5)
    first, second = desk.homeserver.attempts
    assert first.body == second.body == "pong"
    assert first.transaction != second.transaction
    assert second.edits is None


async def test_a_leak_that_nobody_knows_of_is_just_taken_away(desk):
    await desk.ready()
    await heard(desk, Leak(ROOM, "$nobodys", AT), Leak(ROOM, "$edit", AT, edits="$other"))
    async with desk.world.store.transaction() as tx:
        left = [event for _, event in await tx.leaks.left()]
        unsaid = await tx.messages.unsaid()
    assert sorted(left) == ["$edit", "$nobodys"]
    assert unsaid == []


async def test_one_whose_sending_was_not_noted_is_told_by_its_transaction(store):
    async with store.transaction() as tx:
        await tx.messages.want("a", ROOM, notice("one"))
        await tx.messages.want("b", ROOM, notice("two"))
        leak = Leak(ROOM, "$1", AT, transaction_id("b"))
        again = await repaired(leak, tx)
        assert (again.key, again.attempt, again.event_id) == ("b", 1, None)
        elsewhere = Leak("!else:x", "$2", AT, transaction_id("a"))
        assert await repaired(elsewhere, tx) is None
        assert not await tx.messages.said("b", "$late", notice("two"), 0)
        assert (await tx.messages.get("b")).event_id is None
        assert await tx.messages.said("b", "$new", notice("two"), 1)
        assert (await tx.messages.get("b")).event_id == "$new"


async def test_an_edit_is_made_again_and_the_message_stays(store):
    async with store.transaction() as tx:
        await tx.messages.want("a", ROOM, notice("10 %"))
        await tx.messages.said("a", "$1", None)
        await tx.messages.want("a", ROOM, notice("done"))
        await tx.messages.said("a", "$1", notice("done"))
        again = await repaired(Leak(ROOM, "$2", AT, "any", "$1"), tx)
        assert (again.event_id, again.attempt) == ("$1", 1)
        assert [message.key for message in await tx.messages.unsaid()] == ["a"]


async def test_what_a_person_took_away_is_not_said_again(store):
    async with store.transaction() as tx:
        await tx.messages.want("a", ROOM, notice("one"))
        await tx.messages.said("a", "$1", notice("one"))
        await tx.messages.redact(ROOM, "$1")
        assert await repaired(Leak(ROOM, "$1", AT), tx) is None


async def test_a_file_that_is_kept_is_offered_again_and_one_that_is_not_is_told_of(store):
    async with store.transaction() as tx:
        for key in ("a:file", "b:file"):
            await tx.messages.want(key, ROOM, attachment("logs.txt", "a"))
            await tx.messages.said(key, f"${key}", None)
        await tx.files.keep("a:file", File("logs.txt", "text"))
        kept = await repaired(Leak(ROOM, "$a:file", AT), tx)
        gone = await repaired(Leak(ROOM, "$b:file", AT), tx)
    assert kept.posted["msgtype"] == "m.file"
    assert "Ask again" in gone.posted["body"]


async def test_a_file_that_is_on_its_way_is_offered_again_with_its_text(desk):
    """What becomes of the first sending is known only after the leak is."""
    await desk.ready()
    store, homeserver = desk.world.store, desk.homeserver
    async with store.transaction() as tx:
        await tx.files.keep("a:file", File("logs.txt", "text"))
        message = await tx.messages.want("a:file", ROOM, attachment("logs.txt", "a"))
    homeserver.open.clear()
    desk.outbox.deliver(message, final=True)
    await until(lambda: homeserver.attempts)
    await heard(desk, Leak(ROOM, "$1", AT, transaction_id("a:file")))
    homeserver.open.set()
    await until(lambda: len(homeserver.events) == 2)
    await desk.outbox.settled(5)
    async with store.transaction() as tx:
        kept, text = await tx.messages.get("a:file"), await tx.files.get("a:file")
        unsaid = await tx.messages.unsaid()
    assert len(homeserver.attempts) == 2
    assert (kept.event_id, text, unsaid) == ("$2", None, [])


@pytest.mark.parametrize(
    ("error", "wait", "stays"),
    [
        (None, 0, False),
        (Forbidden("no"), 0, False),
        (RateLimited(7), 7, True),
        (Unreachable("gone"), 5, True),
    ],
)
async def test_what_cannot_be_taken_away_now_is_tried_again_and_a_no_is_a_no(
    store, clock, error, wait, stays
):
    removed = []

    async def remove(room, event_id):
        if error is not None:
            raise error
        removed.append((room, event_id))

    async with store.transaction() as tx:
        await tx.leaks.note("$1", ROOM, AT)
        assert not await tx.leaks.note("$1", ROOM, AT)
    assert await Withdrawals(store, clock, remove).work() == wait
    async with store.transaction() as tx:
        assert bool(await tx.leaks.left()) is stays
    assert removed == ([] if error else [(ROOM, "$1")])
