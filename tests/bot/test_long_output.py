"""What is too long for a message: its two ends there, the whole of it as a file in its thread."""

from dataclasses import dataclass

import pytest

from bot.matrix.answers import RateLimited, TooLarge
from bot.matrix.attachments import ATTACHED, FILE_LIMIT, cut
from bot.matrix.content import LIMIT, OPERATION
from commands.replies import Code, Reply
from commands.verb import Verb
from domain.errors import Refused, Unreachable
from domain.operations import operation_id
from domain.people import Role
from tests.fleet.world import until

from .desk import Desk
from .homeserver import ANN, ROOM

LINES = "\n".join(f"line {number} é" for number in range(3000))


@dataclass(frozen=True)
class Print:
    pass


async def printing(request, permit, deps, report):
    return Reply.done("`log`", Code(LINES))


@pytest.fixture
async def desk(world, homeserver, start):
    verb = Verb("print", "", ("print",), Print, printing, Role.VIEWER)
    made = Desk(world, homeserver, start, print=verb)
    yield made
    await made.crash()


def sent(homeserver):
    return [content for _, _, content in homeserver.events.values()]


async def test_its_ends_are_in_the_message_and_all_of_it_in_a_file_in_its_thread(desk, homeserver):
    name = await desk.hears("!print")
    await desk.ends(name)
    message, file = sent(homeserver)
    assert message["body"].startswith("`log`\nline 0 é\nline 1 é")
    assert message["body"].endswith("line 2999 é")
    assert "bytes left out; the whole text is in the thread of this message …" in message["body"]
    assert message[OPERATION]["state"] == "succeeded"
    ((data, *how),) = homeserver.uploads
    assert data.decode() == f"`log`\n{LINES}"
    assert how == [f"print-{name}.txt", "text/plain", False]
    assert file == {
        "msgtype": "m.file",
        "body": f"print-{name}.txt",
        "filename": f"print-{name}.txt",
        "m.mentions": {},
        "url": "mxc://x/1",
        "info": {"mimetype": "text/plain", "size": len(data)},
        "m.relates_to": {
            "rel_type": "m.thread",
            "event_id": "$1",
            "is_falling_back": True,
            "m.in_reply_to": {"event_id": "$1"},
        },
    }


async def test_in_an_encrypted_room_the_file_is_encrypted(desk, homeserver):
    homeserver.encrypted.add(ROOM)
    await desk.ends(await desk.hears("!print"))
    file = sent(homeserver)[1]
    assert homeserver.uploads[0][3] is True
    assert file["file"] == {"url": "mxc://x/1"}
    assert "url" not in file


async def test_a_room_that_came_to_be_encrypted_meanwhile_gets_an_encrypted_one(
    desk, homeserver, world
):
    """The homeserver took the file, then not the message; in between encryption was turned on."""

    def trouble():
        homeserver.encrypted.add(ROOM)
        return RateLimited(1)

    real = homeserver.send

    async def send(room, content, transaction):
        if content["msgtype"] == "m.file" and ROOM not in homeserver.encrypted:
            raise trouble()
        return await real(room, content, transaction)

    homeserver.send = send
    await desk.ends(await desk.hears("!print"))
    assert [upload[3] for upload in homeserver.uploads] == [False, True]
    assert "file" in sent(homeserver)[1]


async def test_what_was_uploaded_is_not_uploaded_again_for_a_message_that_is_late(desk, homeserver):
    homeserver.answers(ROOM, Unreachable("away"))
    homeserver.upload_errors.append(RateLimited(1))
    real, refused = homeserver.send, []

    async def send(room, content, transaction):
        if content["msgtype"] == "m.file" and len(refused) < 3:
            refused.append(transaction)
            raise Unreachable("away")
        return await real(room, content, transaction)

    homeserver.send = send
    await desk.ends(await desk.hears("!print"))
    assert len(homeserver.uploads) == 2
    assert len(set(refused)) == 1


async def test_after_a_crash_it_is_uploaded_again_and_said_once(desk, homeserver, world):
    world.clock.flows = False
    real = homeserver.send

    async def send(room, content, transaction):
        event = await real(room, content, transaction)
        if content["msgtype"] == "m.file" and len(homeserver.uploads) == 1:
            raise Unreachable("the answer is lost")
        return event

    homeserver.send = send
    name = await desk.hears("!print")
    await until(lambda: len(homeserver.events) == 2)
    await desk.restart()
    world.clock.flow()
    await desk.ends(name)
    assert len(homeserver.uploads) == 2
    assert len(homeserver.events) == 2
    async with world.store.transaction() as tx:
        assert await tx.files.get(f"operation:{name}:file") is None


async def test_a_file_the_homeserver_finds_too_large_is_owned_up_to(desk, homeserver):
    homeserver.upload_errors.append(TooLarge("413"))
    await desk.ends(await desk.hears("!print"))
    told = sent(homeserver)[1]
    assert told["msgtype"] == "m.notice"
    assert told["body"] == "The whole text is larger than what the homeserver takes."
    assert told["m.relates_to"]["event_id"] == "$1"
    assert not {ATTACHED, "filename", "url"} & set(told)


async def test_a_file_the_homeserver_refuses_is_given_up(desk, homeserver, world):
    homeserver.upload_errors.append(Refused("no"))
    name = await desk.hears("!print")
    await desk.ends(name)
    assert len(homeserver.events) == 1
    async with world.store.transaction() as tx:
        assert await tx.files.get(f"operation:{name}:file") is None


async def test_an_answer_that_fits_has_no_file(desk, homeserver):
    await desk.says("!ping")
    assert homeserver.uploads == []


async def test_the_file_goes_with_whatever_message_told_the_end(desk, homeserver, world):
    name = operation_id("$1")
    async with world.store.transaction() as tx:
        await tx.messages.want(f"operation:{name}", ROOM, {"body": "⏳"})
        await tx.messages.said(f"operation:{name}", "$gone", None)
        await tx.messages.redact(ROOM, "$gone")
    await desk.ends(await desk.hears("!print", sender=ANN))
    short, file = sent(homeserver)
    assert short["body"] == "`log`"
    assert file["m.relates_to"]["event_id"] == "$1"


def test_more_than_a_file_may_hold_is_cut_in_the_middle():
    text = ("é" * FILE_LIMIT).encode()
    assert cut(b"x" * FILE_LIMIT) == b"x" * FILE_LIMIT
    short = cut(text)
    assert len(short) < FILE_LIMIT + 100
    assert f"… {FILE_LIMIT} bytes left out …" in short.decode()
    assert LIMIT < FILE_LIMIT
