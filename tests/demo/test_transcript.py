import json

import pytest

from bot.demo.bot_log import is_ready, last_words
from bot.demo.printers import JsonLines, Live, Plain
from bot.demo.saying import end_of
from bot.demo.screen import Screen, Size
from bot.demo.transcript import harmless, note_of, spoken, worth_repeating
from bot.matrix.guest_events import Relation, room_event
from domain.operations import State
from tests.demo.events import BOT, YOU, answered, said


def test_a_command_has_ended_when_the_bot_says_so_of_its_event() -> None:
    assert end_of(answered("$2", "starting", "$1", "running"), "$1", BOT) is None
    assert (
        end_of(answered("$3", "live", "$1", "succeeded", edit="$2"), "$1", BOT) is State.SUCCEEDED
    )
    assert end_of(answered("$3", "✗", "$1", "failed"), "$1", BOT) is State.FAILED
    assert end_of(answered("$3", "expired", "$1", "expired"), "$1", BOT) is State.EXPIRED


def test_the_end_of_another_command_is_not_the_end_of_this_one() -> None:
    assert end_of(answered("$3", "live", "$0", "succeeded"), "$1", BOT) is None


def test_nobody_but_the_bot_can_say_that_a_command_has_ended() -> None:
    operation = {"id": "k3x9ab", "event": "$1", "state": "succeeded"}
    assert end_of(said("$2", "done", **{"gantry.operation": operation}), "$1", BOT) is None


@pytest.mark.parametrize(
    "operation", ["text", None, [], {}, {"id": 1, "event": "$1"}, {"state": "odd"}, {"state": []}]
)
def test_a_malformed_note_is_none(operation: object) -> None:
    assert note_of(said("$1", "hi", **{"gantry.operation": operation})) is None


def test_plain_transcript_repeats_an_edit_only_when_it_is_news() -> None:
    written: list[str] = []
    plain = Plain(written.append)
    plain.show(said("$1", "!deploy tiny"))
    plain.show(answered("$2", "deploy tiny: starting 0 s", "$1", "running"))
    plain.show(answered("$3", "deploy tiny: starting 2 s", "$1", "running", edit="$2"))
    plain.show(answered("$4", "deploy tiny: loading 4 s", "$1", "running", edit="$2"))
    plain.show(answered("$5", "deploy tiny: loading 6 s", "$1", "succeeded", edit="$2"))

    assert "".join(written).splitlines() == [
        "you: !deploy tiny",
        "gantry: deploy tiny: starting 0 s",
        "gantry (edited): deploy tiny: loading 4 s",
        "gantry (edited): deploy tiny: loading 6 s",
    ]


def test_a_growing_answer_is_not_news_until_its_end() -> None:
    assert not worth_repeating("the sky is", "the sky is blue because")
    assert not worth_repeating("pull 10 % [#.........]", "pull 20 % [##........]")
    assert worth_repeating("pull 100 %", "start")


def test_an_edit_of_an_earlier_message_comes_again_below_and_then_stays_in_place() -> None:
    written: list[str] = []
    live = Live(Screen(written.append, lambda: Size(80, 24)))
    live.show(answered("$2", "deploy: starting", "$1", "running"))
    live.show(said("$3", "how long?"))
    live.show(answered("$4", "deploy: loading", "$1", "running", edit="$2"))
    assert "gantry (edited): deploy: loading\n" in written[-1]

    live.show(answered("$5", "deploy: loading 2 s", "$1", "running", edit="$2"))
    assert written[-1].startswith("\r\x1b[1A\r\x1b[J")
    assert "gantry (edited): deploy: loading 2 s\n" in written[-1]


def test_nobody_edits_what_somebody_else_said() -> None:
    written: list[str] = []
    plain = Plain(written.append)
    plain.show(said("$1", "I said this"))
    forged = answered("$2", "you said that", "$0", "succeeded", edit="$1")
    plain.show(forged)

    assert written[-1] == "gantry (edited): you said that\n"


def test_json_has_one_object_an_event() -> None:
    written: list[str] = []
    JsonLines(written.append).show(answered("$3", "live\nat last", "$1", "succeeded", edit="$2"))

    assert "".join(written).count("\n") == 1
    assert json.loads(written[0]) == {
        "time": "2023-11-14T22:13:20+00:00",
        "sender": BOT,
        "event_id": "$3",
        "relation": {"type": "m.replace", "event_id": "$2"},
        "body": "live\nat last",
        "formatted_body": None,
    }


def test_what_people_write_cannot_steer_the_terminal() -> None:
    said_by_anybody = "a\x1b[2Jb\x07\tc\x9bd\u202ee\nf"
    assert harmless(said_by_anybody) == "a\ufffd[2Jb\ufffd    c\ufffdde\nf"


def test_further_lines_stand_below_the_first() -> None:
    assert spoken(said("$1", "one\ntwo\n")) == "you: one\n     two"
    assert spoken(said("$1", "load.png", msgtype="m.image")) == "you: [load.png]"


@pytest.mark.parametrize(
    "content",
    [
        {"body": 5, "m.relates_to": "x"},
        {"m.relates_to": {"rel_type": "m.replace"}, "m.new_content": "x"},
        {"m.relates_to": {"m.in_reply_to": {}}, "formatted_body": {}},
        {"msgtype": [], "body": None},
    ],
)
def test_malformed_messages_are_shown_somehow(content: dict[str, object]) -> None:
    source = {
        "type": "m.room.message",
        "origin_server_ts": 0,
        "sender": YOU,
        "event_id": "$1",
        "content": content,
    }
    event = room_event(source)
    assert event is not None
    assert spoken(event).startswith("you: ")


def test_what_an_event_refers_to() -> None:
    reply = {"m.relates_to": {"m.in_reply_to": {"event_id": "$0"}}}
    thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": "$0"}}
    assert said("$1", "hi").relation is None
    assert said("$1", "hi", **reply).relation == Relation("m.in_reply_to", "$0")
    assert said("$1", "hi", **thread).relation == Relation("m.thread", "$0")


def test_the_bots_log_in_words() -> None:
    log = '{"level": "info", "event": "starting"}\nnot json\n{"event": "ready", "level": "info"}\n'
    assert is_ready(log)
    assert not is_ready('{"event": "already"}\n"ready"\n{"event": "rea')
    assert last_words(['{"level": "error", "event": "no", "user": "@a"}', "plain", ""]) == [
        "error: no (user=@a)",
        "plain",
    ]
