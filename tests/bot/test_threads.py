"""A conversation with a model, kept in a thread."""

import asyncio
from dataclasses import replace

import pytest

from bot.matrix.session import Reading
from domain.errors import Unreachable
from domain.operations import State, operation_id
from domain.replicas import ReplicaId
from fleet.store.messages import key_of
from inference.asking import Answer, Piece
from tests.fleet.world import until

from .homeserver import OTHER
from .model import put_in

BOB, EVE = "@bob:example.org", "@eve:evil.org"
REPLICA = ReplicaId("tiny", "3a608e", 0)


class Model:
    """Answers with a number, and remembers what it was sent."""

    def __init__(self):
        self.asked, self.free, self.broken = [], asyncio.Event(), False
        self.free.set()

    async def ask(self, models, service, turns, **options):
        self.asked.append((service, [turn.text for turn in turns]))
        number = len(self.asked)
        await self.free.wait()
        if self.broken:
            raise Unreachable("nobody is there")
        yield Piece(f"answer {number}", REPLICA)
        yield Answer(REPLICA, 1, 1, 0.1, None, "stop")


@pytest.fixture
def model(monkeypatch):
    return put_in(monkeypatch, Model())


@pytest.fixture
async def talk(desk, model):
    """A service, and an answer of it in the timeline: the event of the question."""
    await desk.says("!deploy tiny tiny://ops")
    return await asked(desk, "!infer tiny --system Be. hello")


def said(desk, body, thread=None, **more):
    """Something a person says, under an id that no message of the bot's has."""
    message = desk.message(body, **more)
    return replace(message, event_id=f"$ann{desk._count}", thread=thread)


async def asked(desk, body):
    """Ask in the timeline. The event of the question."""
    message = said(desk, body)
    await desk.intake.file(Reading(f"s{desk._count}", (message,)))
    await desk.ends(operation_id(message.event_id))
    return message.event_id


async def answers(desk, homeserver, body, thread, **more):
    """Say something in a thread. The content of what the bot then said, if it did."""
    message = said(desk, body, thread, **more)
    before = len(homeserver.events)
    await desk.intake.file(Reading(f"s{desk._count}", (message,)))
    name = operation_id(message.event_id)
    if await desk.operation(name) is None:
        return None
    await desk.ends(name)
    return list(homeserver.events.values())[before][2]


async def test_plain_words_in_the_thread_are_the_next_turn(desk, homeserver, model, talk):
    first = await answers(desk, homeserver, "what else?", talk)
    await answers(desk, homeserver, "!infer tiny and then?", talk)
    assert any(text.startswith("answer 2\n— `tiny-") for text in homeserver.shown())
    assert first["m.mentions"] == {}
    assert first["m.relates_to"] == {
        "rel_type": "m.thread",
        "event_id": talk,
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": f"$ann{desk._count - 1}"},
    }
    assert model.asked[1:] == [
        ("tiny", ["Be.", "hello", "answer 1", "what else?"]),
        ("tiny", ["Be.", "hello", "answer 1", "what else?", "answer 2", "and then?"]),
    ]


async def test_a_thread_on_the_answer_is_a_conversation_as_well(desk, homeserver, model, talk):
    async with desk.world.store.transaction() as tx:
        answer = (await tx.messages.get(key_of(operation_id(talk)))).event_id
    told = await answers(desk, homeserver, "go on", answer)
    assert told["m.relates_to"]["event_id"] == answer
    assert model.asked[-1][1] == ["Be.", "hello", "answer 1", "go on"]
    await answers(desk, homeserver, "elsewhere", talk)
    assert model.asked[-1][1] == ["Be.", "hello", "answer 1", "elsewhere"]


async def test_a_restart_keeps_the_conversation(desk, homeserver, model, talk):
    await answers(desk, homeserver, "one", talk)
    await desk.restart()
    await answers(desk, homeserver, "two", talk)
    assert model.asked[-1][1] == ["Be.", "hello", "answer 1", "one", "answer 2", "two"]


async def test_another_service_may_be_asked_in_between(desk, homeserver, model, talk):
    await desk.says("!deploy other tiny://ops")
    await answers(desk, homeserver, "!infer other what do you say?", talk)
    await answers(desk, homeserver, "why?", talk)
    assert [service for service, _ in model.asked] == ["tiny", "other", "other"]


async def test_in_the_timeline_each_question_stands_alone(desk, model, talk):
    await desk.says("!infer tiny hello again")
    assert model.asked[-1][1] == ["hello again"]


async def test_plain_words_anywhere_else_are_talk(desk, homeserver, model, talk):
    deployed = next(iter(homeserver.events.values()))[0]
    for thread in (None, "$nobody", "$1", deployed):
        assert await answers(desk, homeserver, "what else?", thread) is None
    assert await answers(desk, homeserver, "what else?", talk, room=OTHER) is None
    assert await answers(desk, homeserver, " \n", talk) is None
    assert len(model.asked) == 1


async def test_people_may_talk_about_a_failure(desk, homeserver, model, talk):
    model.broken = True
    question = await asked(desk, "!infer tiny are you there?")
    assert await answers(desk, homeserver, "it is down", question) is None


async def test_other_commands_in_the_thread_are_answered_as_always(desk, homeserver, model, talk):
    told = await answers(desk, homeserver, "!ping", talk)
    assert told["body"] == "pong"
    assert "rel_type" not in told["m.relates_to"]


async def test_each_turn_takes_the_role_for_it(desk, homeserver, model, talk):
    await answers(desk, homeserver, "me too", talk, sender=BOB)
    assert any(text.startswith("answer 2") for text in homeserver.shown())
    told = await answers(desk, homeserver, "me too", talk, sender=EVE)
    assert "takes the role viewer" in told["body"]
    assert told["m.relates_to"]["event_id"] == talk
    assert len(model.asked) == 2


async def test_who_speaks_before_the_answer_came_waits_for_it(desk, homeserver, model, talk):
    model.free.clear()
    names = []
    for body in ("one", "two"):
        message = said(desk, body, talk)
        await desk.intake.file(Reading(f"s{desk._count}", (message,)))
        names.append(operation_id(message.event_id))
    await until(lambda: len(model.asked) == 2)
    model.free.set()
    for name in names:
        assert (await desk.ends(name)).state is State.SUCCEEDED
    assert model.asked[-1][1] == ["Be.", "hello", "answer 1", "one", "answer 2", "two"]


async def test_a_question_and_its_thread_may_come_in_one_reading(desk, homeserver, model, talk):
    """All of it was said while the bot was away."""
    first = said(desk, "!infer tiny first")
    then = said(desk, "then", first.event_id)
    await desk.intake.file(Reading("s99", (first, then)))
    await desk.ends(operation_id(then.event_id))
    assert model.asked[-1][1] == ["first", "answer 2", "then"]


async def test_only_as_much_is_sent_along_as_the_context_takes(desk, homeserver, model, talk):
    await desk.says("!deploy tiny --ctx 64")
    await answers(desk, homeserver, "x" * 180, talk)
    assert model.asked[-1][1] == ["Be.", "x" * 180]
