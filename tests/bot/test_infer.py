"""Asking models from a room."""

import asyncio
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from pydantic import SecretStr

from bot.matrix.gestures import Reaction
from bot.matrix.session import Reading
from domain.backends import Backend
from domain.errors import Unreachable
from domain.operations import State, operation_id
from domain.replicas import ReplicaId
from domain.tariffs import Rate, Tariff
from inference.client import Broken
from inference.endpoints import FOREIGN
from tests.fleet.world import until

from .homeserver import ANN, ROOM
from .model import HOLD, Cast, end, put_in


@pytest.fixture
def cast(monkeypatch):
    return put_in(monkeypatch, Cast())


async def test_routes_backends_and_their_models_are_asked_by_name_for_whoever_asks(desk, cast):
    for name in ("@chat", "studio", "studio/qwen3:4b"):
        assert "hello from" in await desk.says(f"!infer {name} hello")
    assert [name for name, _ in cast.asked] == ["chat", "studio", "studio/qwen3:4b"]
    assert set(cast.owners) == {ANN}


async def test_a_name_that_leads_nowhere_is_answered_with_the_nearest_of_all_there_are(desk):
    await desk.says("!deploy tiny tiny://ops")
    desk.world.endpoints.expect("studio", 1)
    assert await desk.says("!infer tinny hello") == (
        "✗ infer tinny: there is no service, backend or route `tinny`. Did you mean `tiny`?"
    )
    assert "Did you mean `studio`?" in await desk.says("!infer @studo hello")
    assert "There is studio, tiny" in await desk.says("!infer nobody/small hello")


async def test_of_a_backend_that_does_not_answer_no_service_is_missed(desk):
    await desk.says("!deploy tiny tiny://ops")
    desk.world.endpoints.admit_backend(Backend("studio", "openai", "http://studio"))
    desk.world.endpoints.withdraw(ReplicaId("studio", FOREIGN, 0))
    told = await desk.says("!infer studio/small hello")
    assert told.startswith("✗ infer studio/small: studio/small has no ready replica.")
    assert told.endswith("Ask again in a moment; there is also `tiny`.")


async def test_of_a_service_that_does_not_answer_it_is_told_how_it_stands(desk):
    await desk.says("!deploy tiny tiny://ops")
    await desk.says("!stop tiny")
    told = await desk.says("!infer tiny hello")
    assert "tiny is stopped" in told
    assert "It is stopped; `!scale tiny 1` brings it back." in told


async def test_several_answer_side_by_side_each_under_its_name(desk, homeserver, cast):
    cast.scripts["a"] = ["Hello ", "you", end("a", tokens_per_second=12.3)]
    cast.scripts["b/small"] = ["Hi", end("b/small", completion_tokens=1, first_token=0.05)]
    assert await desk.says("!infer a,@b/small hello") == (
        "`a`\nHello you\n— `a-3a608e-0` · 2 tokens · first after 100 ms · 12 tokens/s\n"
        "`b/small`\nHi\n— `b-3a608e-0` · 1 tokens · first after 50 ms"
    )
    assert len(homeserver.shown()) == 1


async def test_one_that_fails_says_so_in_its_place_and_spoils_no_other(desk, cast):
    cast.scripts["a"] = [Unreachable("nobody is there")]
    cast.scripts["b"] = ["So far", Broken("the connection was lost", "So far")]
    name = await desk.hears("!infer a,b,c hello")
    assert (await desk.ends(name)).state is State.SUCCEEDED
    assert desk.homeserver.shown()[-1] == (
        "`a`\n✗ nobody is there. Ask again in a moment.\n"
        "`b`\nSo far\n✗ the answer was cut off: the connection was lost. Ask again.\n"
        "`c`\nhello from c\n— `c-3a608e-0` · 2 tokens · first after 100 ms"
    )


async def test_where_none_of_several_answers_the_command_failed(desk, cast):
    cast.scripts["a"] = cast.scripts["b"] = [Unreachable("nobody is there")]
    name = await desk.hears("!infer a,b hello")
    assert (await desk.ends(name)).state is State.FAILED
    assert desk.homeserver.shown()[-1].count("✗ nobody is there") == 2


async def test_what_an_answer_cost_is_told_where_it_has_a_price(desk, cast):
    rate = Rate(Decimal(2), Decimal(10))
    desk.deps.keyring.tariff = Tariff({"studio": rate}, "EUR")
    cast.scripts["chat"] = ["Hi", end("studio", prompt_tokens=1000, completion_tokens=50)]
    told = await desk.says("!infer chat,tiny hello")
    assert "50 tokens · first after 100 ms · 0.0025 EUR\n" in told
    assert told.count("EUR") == 1


async def test_answers_are_seen_to_grow_each_masked_for_itself(desk, homeserver, cast):
    secret = "open-sesame-42"
    desk.discretion.learn("test", SecretStr(secret))
    cast.scripts["a"] = ["Say open-ses", HOLD, "ame-42", end("a")]
    cast.scripts["b"] = ["Hi", end("b")]
    name = await desk.hears("!infer a,b hello")
    await until(lambda: homeserver.shown())
    assert homeserver.shown()[-1] == (
        "⏳ infer a,b hello\n`a`\nSay ••• …\n"
        "`b`\nHi\n— `b-3a608e-0` · 2 tokens · first after 100 ms\n"
        f"React with ❌ or say `!cancel {name}` to stop it"
    )
    cast.free.set()
    await desk.ends(name)
    assert "Say •••\n" in homeserver.shown()[-1]


async def test_a_thread_goes_on_with_all_of_them_each_knowing_its_own_answers(desk, cast):
    question = await asked(desk, "!infer a,b hello")
    await asked(desk, "and then?", question)
    assert sorted(cast.asked[2:]) == [
        ("a", ["hello", "hello from a", "and then?"]),
        ("b", ["hello", "hello from b", "and then?"]),
    ]
    await asked(desk, "!infer b you alone?", question)
    await asked(desk, "!infer c,a and you?", question)
    told = dict(cast.asked[5:])
    assert told["c"][1::2] == ["hello from a", "hello from a", "hello from b"]
    assert told["a"] == told["c"]


async def test_whose_answer_did_not_come_is_told_what_another_said(desk, cast):
    cast.scripts["a"] = [Unreachable("nobody is there")]
    question = await asked(desk, "!infer a,b hello")
    del cast.scripts["a"]
    await asked(desk, "go on", question)
    assert min(cast.asked[2:]) == ("a", ["hello", "hello from b", "go on"])


async def asked(desk, body, thread=None, picture=None):
    """Ask, and wait for the answer. The event of the question."""
    made = desk.message(body)
    message = replace(made, event_id=f"$ann{desk._count}", thread=thread, enclosed=picture)
    await desk.intake.file(Reading(f"s{desk._count}", (message,)))
    await desk.ends(operation_id(message.event_id))
    return message.event_id


async def test_while_a_model_loads_the_message_says_so_and_how_long_it_usually_takes(
    desk, homeserver, loading
):
    name = await desk.hears("!infer tiny hello")
    await until(lambda: "⏳ infer tiny hello · loading" in "".join(homeserver.shown()))
    told = homeserver.shown()[-1]
    assert re.search(r"loading, usually about [\d.]+ s · [\d.]+ ", told)
    assert told.endswith(f"React with ❌ or say `!cancel {name}` to stop it")
    await desk.says(f"!cancel {name}")
    assert (await desk.ends(name)).state is State.CANCELLED


async def test_of_several_the_one_that_loads_says_so_in_its_place(desk, homeserver, loading):
    desk.world.endpoints.expect("studio", 1)
    name = await desk.hears("!infer tiny,nobody hello")
    await until(lambda: "`tiny`\nloading, usually about " in "".join(homeserver.shown()))
    await desk.says(f"!cancel {name}")
    assert (await desk.ends(name)).state is State.CANCELLED


async def test_crossing_out_an_answer_ends_it_and_the_words_so_far_stay(desk, homeserver, cast):
    cast.scripts["tiny"] = ["So far ", HOLD, "never said"]
    name = await desk.hears("!infer tiny hello")
    await cross_out(desk, homeserver, "So far")
    assert (await desk.ends(name)).state is State.CANCELLED
    assert homeserver.shown() == [f"So far\n— stopped, cancelled by {ANN}"]
    assert cast.left == ["tiny"]


async def test_a_word_stops_an_answer_as_well(desk, homeserver, cast):
    cast.scripts["tiny"] = ["So far ", HOLD, "never said"]
    name = await desk.hears("!infer tiny hello")
    await until(lambda: "So far" in "".join(homeserver.shown()))
    assert "is being cancelled" in await desk.says(f"!cancel {name}")
    assert (await desk.ends(name)).state is State.CANCELLED
    assert homeserver.shown()[0] == f"So far\n— stopped, cancelled by {ANN}"


async def test_of_several_those_that_had_ended_keep_their_end(desk, homeserver, cast):
    cast.scripts["a"] = ["So far ", HOLD]
    cast.scripts["b"] = ["Done", end("b")]
    cast.scripts["c"] = [Unreachable("nobody is there")]
    cast.scripts["d"] = [HOLD]
    name = await desk.hears("!infer a,b,c,d hello")
    await cross_out(desk, homeserver, "nobody is there")
    assert (await desk.ends(name)).state is State.CANCELLED
    stopped = f"— stopped, cancelled by {ANN}"
    assert homeserver.shown() == [
        f"`a`\nSo far\n{stopped}\n"
        "`b`\nDone\n— `b-3a608e-0` · 2 tokens · first after 100 ms\n"
        "`c`\n✗ nobody is there. Ask again in a moment.\n"
        f"`d`\n{stopped}"
    ]
    assert sorted(cast.left) == ["a", "b", "c", "d"]


async def test_words_that_stay_tell_no_beginning_of_a_secret(desk, homeserver, cast):
    desk.discretion.learn("test", SecretStr("open-sesame-42"))
    cast.scripts["tiny"] = ["Say open-ses", HOLD]
    name = await desk.hears("!infer tiny hello")
    await cross_out(desk, homeserver, "Say")
    await desk.ends(name)
    assert homeserver.shown()[0].startswith("Say •••\n— stopped")


class Shelf:
    """Pictures by the message that holds them."""

    def __init__(self, **pictures):
        self.pictures = pictures
        self.looked = []

    async def picture(self, room, event_id):
        self.looked.append((room, event_id))
        return self.pictures.get(event_id.removeprefix("$"))


async def test_a_picture_is_shown_that_the_command_captions_or_replies_to(desk, cast):
    shelf = Shelf(seen=b"\x89PNG\r\n\x1a\n")
    desk.worker._deps = replace(desk.deps, gallery=shelf)
    await asked(desk, "!infer tiny,big what is this?", picture="$seen")
    await asked(desk, "!infer tiny what was that?", picture="$talk")
    await asked(desk, "!infer tiny hello")
    url = "data:image/png;base64,iVBORw0KGgo="
    assert cast.shown == [(url,), (url,), (), ()]
    assert shelf.looked == [(ROOM, "$seen"), (ROOM, "$talk")]
    assert [texts for _, texts in cast.asked[1:3]] == [["what is this?"], ["what was that?"]]


async def test_the_caption_of_a_file_in_a_conversation_is_no_prompt(desk, cast):
    """Nobody would see the file."""
    question = await asked(desk, "!infer tiny hello")
    said = [replace(desk.message("what is this?"), thread=question, file=file) for file in (1, 0)]
    await desk.intake.file(Reading("s8", tuple(said)))
    await desk.ends(operation_id(said[1].event_id))
    assert await desk.operation(operation_id(said[0].event_id)) is None
    assert len(cast.asked) == 2


async def test_what_is_no_picture_that_models_read_is_told_and_nobody_asked(desk, cast):
    desk.worker._deps = replace(desk.deps, gallery=Shelf(film=b"....ftypmp42"))
    await asked(desk, "!infer tiny what is this?", picture="$film")
    assert "✗ infer tiny: models read PNG, JPEG, WebP and GIF" in desk.homeserver.shown()[-1]
    assert cast.asked == []


async def cross_out(desk, homeserver, words):
    """React with ❌ to the one message of the bot's, once it shows these words."""
    await until(lambda: words in "".join(homeserver.shown()))
    (message,) = [e for e, _, content in homeserver.events.values() if not is_edit(content)]
    async with asyncio.timeout(10):
        while not await noted(desk, message):
            await asyncio.sleep(0.001)
    reaction = Reaction("$r", ROOM, ANN, message, "❌", desk.world.clock.now())
    await desk.intake.file(Reading("s99", reactions=(reaction,)))


def is_edit(content):
    return content.get("m.relates_to", {}).get("rel_type") == "m.replace"


async def noted(desk, message):
    async with desk.world.store.transaction() as tx:
        return await tx.messages.by_event(ROOM, message)


@pytest.fixture
async def loading(desk):
    """A service that was started before, and whose replica is not there yet."""
    await desk.says("!deploy tiny tiny://ops")
    for endpoint in desk.world.endpoints.of("tiny"):
        desk.world.endpoints.withdraw(endpoint.replica, target=endpoint.target)
    desk.router._hold = 60.0
