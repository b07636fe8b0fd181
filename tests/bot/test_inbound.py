"""Which events are messages, and which messages are commands."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.matrix.inbound import Message, command, exposed_among, messages, read, since_joining

ROOM, ME, ANN = "!ops:example.org", "@gantry:example.org", "@ann:example.org"
SAID = {
    "type": "m.room.message",
    "event_id": "$1",
    "sender": ANN,
    "origin_server_ts": 1_767_225_600_000,
    "content": {"msgtype": "m.text", "body": "!status"},
}
FALLBACK = "> <@bob:example.org> the first line\n> the second\n\n!status"


def event(**content):
    return {**SAID, "content": {**SAID["content"], **content}}


def without(key):
    return {name: value for name, value in SAID.items() if name != key}


def test_plain_words_are_a_message():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert read(SAID, ROOM, ME) == Message("$1", ROOM, ANN, "!status", at)


def test_a_message_in_a_thread_counts_like_any_other():
    thread = {"rel_type": "m.thread", "event_id": "$0", "is_falling_back": True}
    assert read(event(**{"m.relates_to": thread}), ROOM, ME) is not None


def test_a_picture_with_words_of_ones_own_is_a_message_about_itself():
    captioned = event(msgtype="m.image", filename="cat.png", url="mxc://x/y")
    assert read(captioned, ROOM, ME).enclosed == "$1"
    for name in ("!status", None, 7):
        assert read(event(msgtype="m.image", filename=name), ROOM, ME) is None


def test_a_file_with_words_of_ones_own_is_one_too_and_told_from_a_picture():
    captioned = event(msgtype="m.file", body="!batch tiny", filename="a.jsonl")
    message = read(captioned, ROOM, ME)
    assert (message.body, message.enclosed, message.file) == ("!batch tiny", "$1", True)
    assert read(event(msgtype="m.file", body="a.jsonl", filename="a.jsonl"), ROOM, ME) is None
    assert read(event(msgtype="m.file", body="!batch tiny"), ROOM, ME) is None
    assert not read(event(), ROOM, ME).file


def test_a_reply_may_be_about_a_picture_unless_a_client_names_it_for_a_thread():
    reply = {"m.in_reply_to": {"event_id": "$0"}}
    thread = {"rel_type": "m.thread", "event_id": "$root", **reply}
    assert read(event(**{"m.relates_to": reply}), ROOM, ME).enclosed == "$0"
    assert read(event(**{"m.relates_to": thread}), ROOM, ME).enclosed == "$0"
    fallback = {**thread, "is_falling_back": True}
    assert read(event(**{"m.relates_to": fallback}), ROOM, ME).enclosed is None
    for odd in ("$0", None, {"event_id": 7}):
        assert read(event(**{"m.relates_to": {"m.in_reply_to": odd}}), ROOM, ME).enclosed is None


@pytest.mark.parametrize(
    "ignored",
    [
        {**SAID, "sender": ME},
        {**SAID, "sender": "webhook:ci"},
        {**SAID, "sender": "schedule:nightly"},
        {**SAID, "sender": "keeper"},
        {**SAID, "sender": "expiry"},
        {**SAID, "event_id": "webhook:ci:delivery 1"},
        {**SAID, "event_id": ""},
        {**SAID, "type": "m.reaction"},
        {**SAID, "type": "m.room.encrypted"},
        {**SAID, "content": {}},
        {**SAID, "content": None},
        {**SAID, "content": ["m.text"]},
        event(msgtype="m.notice"),
        event(msgtype="m.emote"),
        event(msgtype="m.image"),
        event(msgtype=None),
        event(body=None),
        event(body=7),
        event(body=["!status"]),
        event(**{"m.relates_to": {"rel_type": "m.replace", "event_id": "$0"}}),
        {**SAID, "origin_server_ts": "yesterday"},
        {**SAID, "origin_server_ts": None},
        {**SAID, "origin_server_ts": 2**63},
        {**SAID, "origin_server_ts": -(2**63)},
        {**SAID, "origin_server_ts": 10**400},
        without("event_id"),
        without("sender"),
        without("origin_server_ts"),
        without("content"),
        without("type"),
        {},
    ],
)
def test_everything_else_is_none(ignored):
    """Own words, notices, edits, redacted and malformed events: anybody can send anything."""
    assert read(ignored, ROOM, ME) is None


@pytest.mark.parametrize("relation", ["m.replace", None, 7, [], {"rel_type": ["m.replace"]}])
def test_a_relation_that_is_none_is_no_relation(relation):
    assert read(event(**{"m.relates_to": relation}), ROOM, ME).body == "!status"


@pytest.mark.parametrize(
    ("body", "own"),
    [
        (FALLBACK, "!status"),
        ("> <@bob:example.org> words\n\n\n!infer tiny a\n> b", "!infer tiny a\n> b"),
        ("!status", "!status"),
        ("\n!status", "\n!status"),
        (">no quote", ">no quote"),
        ("> only a quote", ""),
    ],
)
def test_a_reply_is_read_without_what_it_replies_to(body, own):
    reply = event(body=body, **{"m.relates_to": {"m.in_reply_to": {"event_id": "$0"}}})
    assert read(reply, ROOM, ME).body == own


def test_a_quote_that_is_no_reply_belongs_to_the_message():
    assert read(event(body=FALLBACK), ROOM, ME).body == FALLBACK


def test_text_no_database_can_keep_is_mended():
    """One such event must not stop the bot from reading on."""
    assert read(event(body="!infer tiny \ud800"), ROOM, ME).body == "!infer tiny ?"


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.sampled_from(["content", "origin_server_ts", "type"]), junk)
def test_no_event_breaks_the_reader(key, value):
    message = read({**SAID, key: value}, ROOM, ME)
    assert message is None or key == "origin_server_ts" or message.body == "!status"


@given(st.dictionaries(st.sampled_from(["msgtype", "body", "m.relates_to"]), junk))
def test_no_content_breaks_the_reader(content):
    message = read(event(**content), ROOM, ME)
    assert message is None or isinstance(message.body, str)


def membership(now, before=None, who=ME):
    unsigned = {"prev_content": {"membership": before}} if before else {}
    return {
        "type": "m.room.member",
        "state_key": who,
        "content": {"membership": now},
        "unsigned": unsigned,
    }


BEFORE, AFTER = {**SAID, "event_id": "$before"}, {**SAID, "event_id": "$after"}


@pytest.mark.parametrize(
    ("between", "kept"),
    [
        ([membership("join")], ["$after"]),
        ([membership("join", "invite")], ["$after"]),
        ([membership("join", "leave")], ["$after"]),
        ([membership("invite"), membership("join", "invite")], ["$after"]),
        ([membership("join", "join")], ["$before", "$after"]),
        ([membership("leave", "join")], ["$before", "$after"]),
        ([membership("join", who=ANN)], ["$before", "$after"]),
        ([{**membership("join"), "unsigned": None}], ["$after"]),
        ([], ["$before", "$after"]),
    ],
)
def test_what_was_said_before_joining_was_not_said_to_us(between, kept):
    events = [BEFORE, *between, AFTER]
    assert [message.event_id for message in messages(events, ROOM, ME)] == kept


def test_after_joining_twice_only_the_last_time_counts():
    again = membership("join", "leave")
    assert since_joining([BEFORE, again, BEFORE, again, AFTER], ME) == [again, AFTER]


@pytest.mark.parametrize(
    ("body", "prefix", "found"),
    [
        ("!status", "!", "status"),
        ("  !status  ", "!", "status"),
        ("!deploy a\nb", "!", "deploy a\nb"),
        ("status", "!", None),
        ("hello !status", "!", None),
        ("!", "!", None),
        ("!!!", "!", None),
        ("! oh", "!", None),
        ("!5", "!", None),
        ("", "!", None),
        ("g!status", "g!", "status"),
        ("!status", "g!", None),
        ("* !status", "!", None),
    ],
)
def test_a_command_begins_with_the_prefix_and_a_letter(body, prefix, found):
    assert command(body, prefix) == found


ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "event_id": "$on"}
CLEAR = frozenset({"$before", "$after"})


@pytest.mark.parametrize(
    ("events", "encrypted", "exposed"),
    [
        ([BEFORE, AFTER], False, []),
        ([BEFORE, ENCRYPTION, AFTER], False, ["$after"]),
        ([BEFORE, AFTER], True, ["$before", "$after"]),
        ([BEFORE, {**ENCRYPTION, "state_key": "x"}, AFTER], False, []),
        ([{**BEFORE, "event_id": "$decrypted"}, {**AFTER, "event_id": ["$after"]}], True, []),
    ],
)
def test_what_comes_in_the_clear_once_a_room_is_encrypted_is_exposed(events, encrypted, exposed):
    assert list(exposed_among(events, CLEAR, encrypted=encrypted)) == exposed


def test_messages_tell_which_of_them_are_exposed():
    told = messages([BEFORE, AFTER], ROOM, ME, exposed=["$after"])
    assert [(message.event_id, message.exposed) for message in told] == [
        ("$before", False),
        ("$after", True),
    ]
