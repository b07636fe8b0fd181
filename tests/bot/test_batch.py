"""Files of requests asked from a room, over restarts and cancellations."""

import asyncio
import json
from dataclasses import replace

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from bot.matrix.session import Reading
from commands import batching as module
from commands.batching import GIVEN_UP
from domain.backends import Backend
from domain.errors import Refused, Unreachable
from domain.operations import State, operation_id
from domain.replicas import ReplicaId
from domain.usage import Fault
from fleet.batch_book import BatchBook
from fleet.store.tables import batch_entries, files
from inference.asking import Models, Told
from inference.batch.lines import read_lines
from inference.endpoints import FOREIGN
from inference.gateway.misses import Whole
from tests.fleet.world import until

from .homeserver import ANN, ROOM

BOB = "@bob:example.org"


def file(*names, **bodies):
    told = [*((name, {"prompt": name}) for name in names), *bodies.items()]
    lines = (
        {"custom_id": name, "method": "POST", "url": "/v1/completions", "body": body}
        for name, body in told
    )
    return "".join(json.dumps(each) + "\n" for each in lines).encode()


class Shelf:
    """Files by the message that holds them."""

    def __init__(self, largest=None, **held):
        self.held, self.limit = held, largest

    async def file(self, room, event_id, largest):
        found = self.held.get(event_id.removeprefix("$"))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, Exception):
            raise found
        return found

    async def largest(self):
        return self.limit


class Cast:
    """Answers each prompt with itself, unless a test says something else."""

    def __init__(self):
        self.asked, self.owners, self.left = [], [], []
        self.says = {}
        self.held = set()
        self.free = asyncio.Event()

    async def put(self, models, asked, goal, first, *, owner=""):
        prompt = asked.body["prompt"]
        self.asked.append(prompt)
        self.owners.append(owner)
        if prompt in self.held:
            try:
                await self.free.wait()
            except asyncio.CancelledError:
                self.left.append(prompt)
                raise
        return self.says.get(prompt) or told(200, {"text": f"hello {prompt}"})


def told(status, body, fault=None):
    return Told(Whole(status, json.dumps(body).encode()), fault)


def refused(message):
    return told(400, {"error": {"code": "bad", "message": message}}, Fault.REFUSED)


@pytest.fixture
def cast(monkeypatch):
    made = Cast()

    async def put(models, *given, **more):
        return await made.put(models, *given, **more)

    monkeypatch.setattr(Models, "put", put)
    return made


@pytest.fixture
def shelf(desk):
    made = Shelf(file=file("a", "b", "c"))
    shelve(desk, made)
    return made


def shelve(desk, shelf):
    """With a backend, of which a batch may take one place at a time."""
    desk.world.endpoints.admit_backend(Backend("studio", "openai", "http://studio", capacity=2))
    desk.worker._deps = replace(desk.deps, gallery=shelf, masked=desk.discretion.masked)


async def goes_on(desk, shelf):
    """The bot is killed, and started again."""
    await desk.crash()
    desk.open()
    shelve(desk, shelf)
    await desk.worker.resume()


async def hears(desk, body="!batch studio", enclosed="$file", sender=ANN, **more):
    made = replace(desk.message(body, sender), enclosed=enclosed, **more)
    await desk.intake.file(Reading(f"s{desk._count}", (made,)))
    return operation_id(made.event_id)


async def said(desk, *given, **more):
    """How a batch ended: what is said of it."""
    await desk.ends(await hears(desk, *given, **more))
    return desk.homeserver.shown()[0]


def entries(desk, number=-1):
    """What stands in a file that was uploaded."""
    data, *_ = desk.homeserver.uploads[number]
    assert data.endswith(b"\n")
    return [json.loads(each) for each in data.decode().splitlines()]


def codes(desk):
    return [each["error"] and each["error"]["code"] for each in entries(desk)]


async def rows(desk, table):
    async with desk.world.store.transaction() as tx:
        return (await tx.batches._connection.execute(sa.select(table))).all()


async def test_every_line_is_asked_and_the_answers_come_as_one_file(desk, cast, shelf):
    words = await said(desk)
    assert words.startswith("✓ batch studio: 3 of 3 answered, after ")
    assert sorted(cast.asked) == ["a", "b", "c"]
    assert set(cast.owners) == {ANN}
    assert [each["custom_id"] for each in entries(desk)] == ["a", "b", "c"]
    assert entries(desk)[1]["response"]["body"] == {"text": "hello b"}
    ((_, name, kind, encrypted),) = desk.homeserver.uploads
    assert name.startswith("batch-")
    assert name.endswith(".jsonl")
    assert (kind, encrypted) == ("application/jsonl", False)
    content = next(c for *_, c in desk.homeserver.events.values() if c["msgtype"] == "m.file")
    assert content["m.relates_to"]["rel_type"] == "m.thread"
    assert await rows(desk, batch_entries) == []
    await until_kept_nothing(desk)


async def until_kept_nothing(desk):
    async with asyncio.timeout(10):
        while await rows(desk, files):
            await asyncio.sleep(0.001)


async def test_in_an_encrypted_room_the_answers_are_encrypted(desk, cast, shelf):
    desk.homeserver.encrypted.add(ROOM)
    await said(desk)
    assert desk.homeserver.uploads[0][-1] is True


async def test_the_answers_to_a_request_in_a_thread_come_there(desk, cast, shelf):
    await said(desk, enclosed=None, thread="$file")
    relations = [c["m.relates_to"] for *_, c in desk.homeserver.events.values()]
    assert {each.get("event_id") for each in relations if each["rel_type"] == "m.thread"} == {
        "$file"
    }
    assert len(entries(desk)) == 3


async def test_whose_lines_fail_is_told_with_what_most_often(desk, cast, shelf):
    shelf.held["file"] = file("a", "b", "c", "d")
    cast.says |= {"a": refused("no `x`"), "c": refused("too long"), "d": refused("too long")}
    words = await said(desk)
    assert words.startswith("✓ batch studio: 1 of 4 answered, 3 failed, after ")
    assert words.endswith("\n2 × too long\n1 × no `x`")
    assert codes(desk) == ["bad", None, "bad", "bad"]


async def test_where_no_line_is_answered_it_failed(desk, cast, shelf):
    cast.says |= dict.fromkeys("abc", refused("no"))
    name = await hears(desk)
    assert (await desk.ends(name)).state is State.FAILED
    assert desk.homeserver.shown()[0].startswith("✗ batch studio: 0 of 3 answered, 3 failed")
    assert codes(desk) == ["bad"] * 3


@pytest.mark.parametrize("found", [None, "$talk"])
async def test_without_a_file_it_is_told_how_to_say_it(desk, cast, shelf, found):
    words = await said(desk, enclosed=found)
    assert words == (
        "✗ batch studio: `batch` needs a file of requests. Say it as a reply to the message with "
        "the JSONL file, or as its caption."
    )


@pytest.mark.parametrize("body", ["!batch --file $file studio", "!batch studio --file $file"])
@pytest.mark.parametrize("around", [{"enclosed": "$talk"}, {"enclosed": None, "thread": "$talk"}])
async def test_a_file_that_is_named_goes_before_what_is_replied_to(desk, cast, shelf, body, around):
    assert (await said(desk, body, **around)).startswith("✓ batch studio: 3 of 3 answered, after ")


async def test_a_file_that_cannot_be_asked_is_told_of_line_by_line_and_nobody_asked(
    desk, cast, shelf
):
    shelf.held["file"] = file("a") + b'{"sesame": 1, "sesame": 2}\n'
    words = await said(desk)
    assert words == (
        "✗ batch studio: 1 line of 2 cannot be asked. Put it right and send the file again; "
        "nothing was asked.\nline 2: `sesame` stands in the line twice"
    )
    assert cast.asked == []
    assert desk.homeserver.uploads == []
    (record, *_) = await audited(desk)
    assert "sesame" not in record


async def audited(desk):
    async with desk.world.store.transaction() as tx:
        found = await tx.audit._connection.execute(sa.text("SELECT text FROM audit"))
        return [row.text for row in found]


async def test_the_audit_has_whom_was_asked_and_no_word_of_what(desk, cast, shelf):
    shelf.held["file"] = file(a={"prompt": "sesame"})
    cast.says["sesame"] = refused("sesame is not for you")
    await said(desk)
    (record,) = await audited(desk)
    assert "sesame" not in record
    assert json.loads(record)["service"] == "studio"
    assert json.loads(record)["arguments"] == "studio --file $file"
    assert json.loads(record)["notable"] is True


async def test_who_only_may_look_may_not_ask_a_file(desk, cast, shelf):
    assert "that takes the role operator" in await said(desk, sender=BOB)
    assert cast.asked == []


async def test_a_name_that_leads_nowhere_is_told_before_anything_is_read(desk, cast, shelf):
    words = await said(desk, "!batch studo")
    assert "there is no service, backend or route `studo`. Did you mean `studio`?" in words


async def test_only_one_name_is_asked(desk, cast, shelf):
    assert "only one can be asked" in await said(desk, "!batch studio,tiny")


async def test_how_far_it_is_is_seen(desk, homeserver, cast, shelf):
    cast.held.add("c")
    cast.says["b"] = refused("no")
    name = await hears(desk)
    await until(lambda: "2 of 3" in "".join(homeserver.shown()))
    words = homeserver.shown()[0]
    assert words.startswith("⏳ batch studio · ▰▰▰▰▰▰▰▱▱▱ 2 of 3 · 1 failed · ")
    assert words.endswith(f"React with ❌ or say `!cancel {name}` to stop it")
    cast.free.set()
    await desk.ends(name)


async def test_crossed_out_it_ends_and_what_was_answered_is_handed_over(
    desk, homeserver, cast, shelf
):
    cast.held.add("b")
    name = await hears(desk)
    await until(lambda: "b" in cast.asked)
    await desk.says(f"!cancel {name}")
    assert (await desk.ends(name)).state is State.CANCELLED
    assert homeserver.shown()[0] == (
        f"✗ batch studio: cancelled by {ANN}. 1 of 3 answered, 2 not asked. "
        "The answers are in the thread of this message."
    )
    assert cast.left == ["b"]
    assert codes(desk) == [None, "batch_cancelled", "batch_cancelled"]
    assert await rows(desk, batch_entries) == []


async def test_who_cancels_before_anything_was_answered_gets_no_file(desk, cast, shelf):
    cast.held.add("a")
    name = await hears(desk)
    await until(lambda: cast.asked)
    await desk.says(f"!cancel {name}")
    assert (await desk.ends(name)).state is State.CANCELLED
    assert desk.homeserver.uploads == []
    assert desk.homeserver.shown()[0].endswith("0 of 3 answered, 3 not asked.")


async def test_nothing_that_was_answered_is_asked_again_by_the_next_run(desk, cast, shelf):
    shelf.held["file"] = file("a", "b", "c", "d")
    cast.says["b"] = refused("no")
    cast.held.add("c")
    name = await hears(desk)
    await until(lambda: "c" in cast.asked)
    while len(await rows(desk, batch_entries)) < 2:
        await asyncio.sleep(0.001)
    await goes_on(desk, shelf)
    cast.free.set()
    await desk.ends(name)
    assert cast.asked == ["a", "b", "c", "c", "d"]
    assert codes(desk) == [None, "bad", None, None]
    assert desk.homeserver.shown()[0].startswith("✓ batch studio: 3 of 4 answered, 1 failed")
    assert len(desk.homeserver.uploads) == 1


async def test_cancelled_while_the_bot_was_away_it_hands_over_what_there_is(desk, cast, shelf):
    cast.held.add("b")
    name = await hears(desk)
    while not await rows(desk, batch_entries):
        await asyncio.sleep(0.001)
    async with desk.world.store.transaction() as tx:
        await tx.operations.cancel(name, ANN)
    await goes_on(desk, shelf)
    assert (await desk.ends(name)).state is State.CANCELLED
    assert [each["custom_id"] for each in entries(desk)] == ["a"]
    assert await rows(desk, batch_entries) == []


@pytest.mark.parametrize("gone", [None, Refused("the homeserver does not have the file")])
async def test_what_was_answered_is_handed_over_though_the_file_is_gone(desk, cast, shelf, gone):
    cast.held.add("b")
    name = await hears(desk)
    while not await rows(desk, batch_entries):
        await asyncio.sleep(0.001)
    shelf.held["file"] = gone
    await goes_on(desk, shelf)
    assert (await desk.ends(name)).state is State.FAILED
    assert [each["custom_id"] for each in entries(desk)] == ["a"]
    assert "The answers are in the thread" in desk.homeserver.shown()[0]


async def test_answers_to_another_file_count_for_nothing(desk, cast, shelf):
    cast.held.add("b")
    name = await hears(desk)
    while not await rows(desk, batch_entries):
        await asyncio.sleep(0.001)
    shelf.held["file"] = file("x", "b")
    cast.held.clear()
    await goes_on(desk, shelf)
    await desk.ends(name)
    assert [each["custom_id"] for each in entries(desk)] == ["x", "b"]


async def test_a_homeserver_that_does_not_hand_out_the_file_now_is_asked_again(desk, cast, shelf):
    shelf.held["file"] = [Unreachable("it does not answer"), file("a")]
    assert (await said(desk)).startswith("✓ batch studio: 1 of 1 answered")
    shelf.held["file"] = Unreachable("it does not answer")
    before = desk.world.clock.monotonic()
    await desk.ends(await hears(desk))
    assert "✗ batch studio: it does not answer." in "".join(desk.homeserver.shown()[1:])
    assert desk.world.clock.monotonic() - before > GIVEN_UP


async def test_answers_come_in_as_many_files_as_the_homeserver_wants(desk, cast, shelf):
    shelf.limit = 300
    await said(desk)
    names = [name for _, name, *_ in desk.homeserver.uploads]
    assert [name.rpartition("-of-")[2] for name in names] == ["2.jsonl", "2.jsonl"]
    assert all(len(data) <= 300 for data, *_ in desk.homeserver.uploads)
    found = [each["custom_id"] for n in range(2) for each in entries(desk, n)]
    assert found == ["a", "b", "c"]


async def test_answers_that_take_too_much_end_it(desk, cast, shelf, monkeypatch):
    monkeypatch.setattr("fleet.batch_book.MOST_CHARACTERS", 10)
    assert module.MOST_CHARACTERS == 100_000_000
    words = await said(desk)
    assert "the answers take more than 100 MB. 1 of 3 answered, 2 not asked." in words
    assert codes(desk) == [None, "batch_ended", "batch_ended"]


async def test_secrets_in_answers_are_masked(desk, cast, shelf):
    desk.discretion.learn("test", SecretStr("open-sesame-42"))
    cast.says["a"] = told(200, {"text": "say open-sesame-42!"})
    await said(desk)
    assert entries(desk)[0]["response"]["body"] == {"text": "say •••!"}


async def test_a_long_batch_is_told_to_whoever_asked(desk, homeserver, cast, shelf):
    cast.held.add("b")
    name = await hears(desk)
    await until(lambda: "b" in cast.asked)
    desk.world.clock.seconds += 61
    cast.free.set()
    await desk.ends(name)
    call = next(c for *_, c in homeserver.events.values() if c["msgtype"] == "m.text")
    assert call["m.mentions"] == {"user_ids": [ANN]}


async def test_no_shutdown_waits_for_a_batch(desk, cast, shelf):
    cast.held.add("a")
    await hears(desk)
    await until(lambda: cast.asked)
    quiet = asyncio.create_task(desk.worker.quiet(3600))
    async with asyncio.timeout(10):
        await quiet


async def test_nothing_is_left_out_of_a_file_that_programs_read(desk, cast, shelf, monkeypatch):
    monkeypatch.setattr("bot.matrix.attachments.FILE_LIMIT", 10)
    await said(desk)
    assert len(entries(desk)) == 3


async def test_who_gives_up_says_how_far_it_got(desk, cast, shelf):
    desk.world.endpoints.withdraw(ReplicaId("studio", FOREIGN, 0))
    words = await said(desk)
    assert words.startswith("✗ batch studio: studio had no ready replica for 10 minutes.")
    assert "0 of 3 answered, 3 not asked." in words


# What is kept of it


async def test_what_was_noted_is_kept_behind_and_found_again(world):
    lines = read_lines(file("a", "b", "c"))
    book = BatchBook("op", lines, world.store, world.clock)
    writing = asyncio.create_task(book.run())
    made = module.answered("op", lines[0], Whole(200, b'{"a":"\\u0000"}'), str)
    book.take(made)
    book.take(module.unanswered("op", lines[2], "x", "what\0else"))
    async with asyncio.timeout(10):
        while True:
            again = BatchBook("op", lines, world.store, world.clock)
            await again.recall()
            if again.done == 2:
                break
            await asyncio.sleep(0.001)
    writing.cancel()
    assert [line.custom_id for line in again.left] == ["b"]
    assert again.failures == {"what\N{REPLACEMENT CHARACTER}else": 1}
    texts = [text async for text in again.texts(lambda line: line.custom_id)]
    assert texts[0] == made.text
    assert texts[1] == "b"


async def test_while_much_is_not_written_down_yet_no_more_is_taken(world, monkeypatch):
    monkeypatch.setattr("fleet.batch_book.HELD_AT_MOST", 2)
    lines = read_lines(file("a", "b"))
    book = BatchBook("op", lines, world.store, world.clock)
    for line in lines:
        await asyncio.wait_for(book.settled(), 10)
        book.take(module.unanswered("op", line, "x", "y"))
    waiting = asyncio.create_task(book.settled())
    await asyncio.sleep(0)
    assert not waiting.done()
    await book.write()
    await asyncio.wait_for(waiting, 10)
