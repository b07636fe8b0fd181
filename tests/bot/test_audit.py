"""Whatever comes of a command, there is one record of it; and those who may can look."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.matrix.session import Reading
from bot.mirroring import AUDIT, mirror
from bot.recorded import ended
from commands.grammar import Grammar
from commands.replies import Reply
from commands.rooms import RoomBook
from commands.verbs import all_verbs
from domain.access import Policy
from domain.audit import Outcome
from domain.chain import verify
from domain.operations import Operation, State, operation_id
from fleet.keeper import SENDER
from tests.fleet.world import until

from .homeserver import ANN, OTHER, ROOM, ROOT
from .test_worker import BOB, EVE

TOKEN = "hf_" + "a1B2c3D4e5" * 4


async def records(desk):
    """Every record, oldest first, on an unbroken chain."""
    async with desk.world.store.transaction() as tx:
        entries = await tx.audit.after(0, 1000)
    assert verify(entries) is None
    return [entry.record for entry in entries]


async def only(desk):
    (record,) = await records(desk)
    return record


async def test_a_change_leaves_one_record_with_everything_about_it(desk):
    told = await desk.says("!deploy tiny tiny://ops --replicas 2")
    record = await only(desk)
    assert (record.kind, record.outcome, record.notable) == ("operation", "succeeded", True)
    assert (record.mxid, record.room, record.event) == (ANN, ROOM, "$1")
    assert (record.verb, record.arguments) == ("deploy", "tiny tiny://ops --replicas 2")
    assert (record.service, record.targets) == ("tiny", ("a",))
    assert record.operation == operation_id("$1")
    assert record.why == told.splitlines()[0]
    assert record.at == (await desk.operation(record.operation)).ended_at
    assert record.seconds > 0


async def test_a_change_that_failed_says_why(desk):
    await desk.says("!deploy tiny tiny://out-of-memory")
    record = await only(desk)
    assert (record.outcome, record.notable, record.targets) == ("failed", True, ("a",))
    assert record.why.startswith("tiny-")


async def test_a_look_is_kept_without_what_it_saw(desk):
    await desk.says("!ping")
    record = await only(desk)
    assert (record.verb, record.outcome, record.notable) == ("ping", "succeeded", False)
    assert (record.arguments, record.why, record.service) == ("", "", None)


@pytest.mark.parametrize(
    ("line", "sender", "room", "missing"),
    [
        (
            "!deploy tiny tiny://ops",
            BOB,
            ROOM,
            f"that takes the role operator, and {BOB}",
        ),
        ("!status", EVE, ROOM, f"that takes the role viewer, and {EVE} has no role here"),
        ("!deploy tiny tiny://ops", ANN, OTHER, "this room is bound to no environment"),
        ("!deploy tiny tiny://ops --target b", ANN, ROOM, "`b` is not a target of prod"),
    ],
)
async def test_a_denial_says_what_is_missing(desk, line, sender, room, missing):
    await desk.says(line, sender=sender, room=room)
    record = await only(desk)
    assert (record.outcome, record.mxid, record.notable) == ("denied", sender, True)
    assert record.why.startswith(missing)
    assert record.arguments == line.partition(" ")[2]
    assert record.targets == (("b",) if "--target b" in line else ())


async def test_an_expired_command_is_told_apart(desk):
    await desk.says("!deploy tiny tiny://ops", age=601)
    record = await only(desk)
    assert (record.outcome, record.verb) == ("expired", "deploy")
    assert record.seconds >= 601


@pytest.mark.parametrize("state", State)
def test_every_state_an_operation_ends_in_is_an_outcome(state):
    """Were one not, its operation could never end."""
    operation = Operation("abcdef", "$1", ROOM, ANN, "ping", datetime.now(UTC), changes=False)
    record = ended(operation, Reply.done("pong"), state, datetime.now(UTC), Grammar(all_verbs()))
    assert record.outcome == state.value
    assert not state.ended or Outcome(record.outcome)


async def test_a_cancelled_one_and_what_cancelled_it_are_both_there(desk, world):
    world.clock.flows = False
    name = await desk.hears("!deploy tiny tiny://ops")
    await until(lambda: world.clock.waiting >= 2)
    await desk.ends(await desk.hears(f"!cancel {name}"))
    await desk.ends(name)
    found = {record.verb: record for record in await records(desk)}
    assert sorted(found) == ["cancel", "deploy"]
    assert found["deploy"].outcome == "cancelled"
    assert (found["cancel"].outcome, found["cancel"].notable) == ("succeeded", True)


@pytest.mark.parametrize(
    ("line", "verb", "arguments"),
    [
        ("!scale tiny -1", "scale", "tiny -1"),
        ("!infr tiny my darkest thought", "infr", "(23 characters)"),
        ("!infer", "infer", ""),
        ("!infer TINY my darkest thought", "infer", "(23 characters)"),
        (f"!{'x' * 70} y", "x" * 40, "(1 characters)"),
    ],
)
async def test_what_was_not_understood_is_kept_as_that(desk, line, verb, arguments):
    await desk.says(line)
    record = await only(desk)
    assert (record.outcome, record.notable) == ("not-understood", False)
    assert (record.verb, record.arguments) == (verb, arguments)
    assert "darkest" not in str(record)


@pytest.mark.parametrize("sender", [ANN, EVE])
async def test_of_what_is_said_to_a_model_only_the_length_is_kept(desk, sender):
    await desk.says('!infer tiny --system "be dark" my darkest thought', sender=sender)
    record = await only(desk)
    assert (record.verb, record.service) == ("infer", "tiny")
    assert record.arguments == "tiny (18 characters)"
    assert record.notable is (sender == EVE)
    assert "dark" not in str(record)


async def test_locks_and_what_else_has_effect_is_notable(desk):
    await desk.says('!lock all --reason "demo"')
    await desk.says("!locks")
    await desk.says("!unlock all")
    assert [(r.verb, r.notable) for r in await records(desk)] == [
        ("lock", True),
        ("locks", False),
        ("unlock", True),
    ]


async def test_a_command_with_a_secret_is_kept_as_declined_and_without_its_words(desk):
    message = desk.message(f"!deploy x tiny://ops --env HF_TOKEN={TOKEN}")
    for token in ("s1", "s2"):
        await desk.intake.file(Reading(token, (message,)))
    record = await only(desk)
    assert (record.verb, record.outcome, record.notable) == ("deploy", "declined", True)
    assert (record.mxid, record.room, record.event) == (ANN, ROOM, message.event_id)
    assert (record.arguments, record.operation) == ("", None)
    assert record.why == "it held what looks like a Hugging Face token"


async def test_a_secret_in_place_of_the_verb_is_masked(desk):
    await desk.intake.file(Reading("s1", (desk.message(f"!{TOKEN}"),)))
    assert TOKEN not in str(await only(desk))


@pytest.mark.parametrize("text", [f"stop tiny {TOKEN}", f"stop {TOKEN}", f"deploy x {TOKEN}"])
async def test_a_secret_that_got_further_is_masked_wherever_it_would_be_kept(desk, text):
    """As an operation has it that an older release filed, which knew fewer shapes of secrets."""
    at = desk.world.clock.now()
    old = Operation(operation_id("$old"), "$old", ROOM, ANN, text, at, changes=True)
    await desk.intake.file_own(old)
    await desk.ends(old.id)
    assert "•••" in (await only(desk)).arguments
    assert TOKEN not in str(await only(desk))


async def test_a_command_in_the_clear_is_kept_as_declined_once(desk):
    exposed = replace(desk.message("!remove tiny"), exposed=True)
    for token in ("s1", "s2"):
        await desk.intake.file(Reading(token, (exposed, desk.message("hello"))))
    record = await only(desk)
    assert (record.verb, record.outcome) == ("remove", "declined")
    assert record.why == "it came unencrypted into an encrypted room"


async def test_the_keepers_repairs_are_the_bots_own(desk, world):
    origin, at = "keeper:tiny:1", world.clock.now()
    await desk.says("!deploy tiny tiny://ops")
    own = Operation(operation_id(origin), origin, ROOM, SENDER, "repair tiny", at, changes=True)
    await desk.intake.file_own(own)
    await desk.ends(own.id)
    record = (await records(desk))[-1]
    assert (record.mxid, record.verb, record.event) == (SENDER, "repair", None)
    assert (record.service, record.notable) == ("tiny", True)


async def test_an_operation_that_was_killed_and_resumed_has_one_record(desk, world):
    world.clock.flows = False
    name = await desk.hears("!deploy tiny tiny://ops")
    for _ in range(2):
        await until(lambda: world.clock.waiting >= 2)
        await desk.restart()
    assert await records(desk) == []
    world.clock.flow()
    await desk.ends(name)
    await desk.restart()
    record = await only(desk)
    assert (record.operation, record.outcome) == (name, "succeeded")


async def test_killed_between_the_end_and_its_words_there_is_still_one_record(desk, homeserver):
    homeserver.open.clear()
    name = await desk.hears("!ping")
    async with asyncio.timeout(10):
        while not (await desk.operation(name)).state.ended:
            await asyncio.sleep(0.002)
    await desk.crash()
    homeserver.open.set()
    desk.open()
    await desk.worker.resume()
    await desk.ends(name)
    assert (await only(desk)).operation == name


@pytest.fixture
async def past(desk):
    """A week in which this and that happened."""
    await desk.says("!deploy tiny tiny://ops")
    await desk.says("!status")
    desk.world.clock.seconds += 3 * 86400
    await desk.says("!deploy other tiny://ops", sender=BOB)
    await desk.says("!lock a")
    desk.world.clock.seconds += 3 * 86400
    await desk.says("!deploy other tiny://ops --target b")


def shown(answer):
    """What each row of the table is about."""
    lines = [line.split() for line in answer.splitlines() if line[:1].isdigit()]
    return [f"{words[0]} {words[6]}" for words in lines]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", ["5 deploy", "4 lock", "3 deploy", "1 deploy"]),
        ("--all", ["5 deploy", "4 lock", "3 deploy", "2 status", "1 deploy"]),
        ("--last 2", ["5 deploy", "4 lock"]),
        ("--since 4d", ["5 deploy", "4 lock", "3 deploy"]),
        ("--since 1d", ["5 deploy"]),
        ("--since 1m", ["5 deploy"]),
        ("--user @bob:example.org", ["3 deploy"]),
        ("--user @*b:*", ["3 deploy"]),
        ("--user bob", []),
        ("--target a", ["1 deploy"]),
        ("--target b", ["5 deploy"]),
        ("--service tiny", ["1 deploy"]),
        ("--service other --user @ann:*", ["5 deploy"]),
        ("--service nothing", []),
    ],
)
async def test_admins_see_the_newest_first_and_as_they_ask(desk, past, options, expected):
    answer = await desk.says(f"!audit {options}".strip(), sender=ROOT)
    assert shown(answer) == expected
    assert ("No record fits." in answer) is not expected
    async with desk.world.store.transaction() as tx:
        head = (await tx.audit.after(4, 1))[0].head
    assert f"The chain is at record 5, hash `{head.short}`" in answer


async def test_looking_into_the_audit_is_itself_kept(desk):
    await desk.says("!audit", sender=ROOT)
    answer = await desk.says("!audit --all", sender=ROOT)
    assert shown(answer) == ["1 audit"]


async def test_a_page_is_not_all_there_is(desk, past, monkeypatch):
    monkeypatch.setattr("commands.audit.PAGE", 2)
    answer = await desk.says("!audit --all --last 4", sender=ROOT)
    assert shown(answer) == ["5 deploy", "4 lock", "3 deploy", "2 status"]
    assert len(shown(await desk.says("!audit --service tiny", sender=ROOT))) == 1


@pytest.mark.parametrize("sender", [ANN, BOB, EVE])
async def test_nobody_else_sees_it(desk, past, sender):
    answer = await desk.says("!audit", sender=sender)
    assert "that takes the role admin" in answer
    assert shown(answer) == []


async def test_the_mirror_tells_changes_and_denials_and_no_looks(desk, homeserver):
    book = RoomBook(Policy({}), audit_room="!audit:x")
    desk.world.store.mirror = mirror(book, desk.outbox)
    await desk.says("!ping")
    await desk.says("!deploy tiny tiny://ops")
    await desk.says("!stop tiny", sender=BOB)
    await desk.intake.file(Reading("s9", (desk.message(f"!stop {TOKEN}"),)))
    await until(lambda: len(homeserver.shown("!audit:x")) == 3)
    told = homeserver.shown("!audit:x")
    heads = [content[AUDIT] for _, room, content in homeserver.events.values() if AUDIT in content]
    async with desk.world.store.transaction() as tx:
        entries = [entry for entry in await tx.audit.after(0, 9) if entry.notable]
    assert [(head["sequence"], head["hash"]) for head in heads] == [
        (entry.sequence, entry.hash) for entry in entries
    ]
    assert told[0].startswith(f"2 · {ANN} in {ROOM} · deploy tiny tiny://ops · succeeded · ")
    assert f"3 · {BOB} in {ROOM} · stop tiny · denied" in told[1]
    assert f"4 · {ANN} in {ROOM} · stop · declined · it held what looks like" in told[2]
    for line, entry in zip(told, entries, strict=True):
        assert line.endswith(f" · {entry.hash[:16]}")
        assert "\n" not in line


async def test_a_line_of_the_mirror_that_was_not_sent_is_sent_at_the_next_start(desk, homeserver):
    book = RoomBook(Policy({}), audit_room="!audit:x")
    desk.world.store.mirror = mirror(book, desk.outbox)
    homeserver.open.clear()
    name = await desk.hears("!lock all")
    async with asyncio.timeout(10):
        while not (await desk.operation(name)).state.ended:
            await asyncio.sleep(0.002)
    desk.world.store.mirror = None
    homeserver.open.set()
    await desk.restart()
    await desk.ends(name)
    assert len(homeserver.shown("!audit:x")) == 1
