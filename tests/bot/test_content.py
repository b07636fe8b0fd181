"""What goes into the room, event by event."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.matrix.content import LIMIT, OPERATION, edit, told, transaction_id
from commands.replies import Code, Table, Verbatim
from domain.operations import Operation, State

DEPLOY = Operation(
    id="k3x9ab",
    origin="$command:example.org",
    room="!ops:example.org",
    sender="@ann:example.org",
    text="deploy tiny",
    said_at=datetime(2026, 1, 1, tzinfo=UTC),
    changes=True,
)
EVENT_LIMIT = 65_536


def say(*blocks, prefix="!", mention=()):
    return told(blocks, DEPLOY, State.RUNNING, prefix, mention)


def event_size(content):
    """As the homeserver counts it: canonical JSON, with room for what it adds itself."""
    return len(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()) + 1500


def test_routine_output_is_a_notice_that_notifies_nobody():
    assert say("see `!status`") == {
        "msgtype": "m.notice",
        "body": "see `!status`",
        "format": "org.matrix.custom.html",
        "formatted_body": "<p>see <code>!status</code></p>",
        "m.mentions": {},
        OPERATION: {"id": "k3x9ab", "event": "$command:example.org", "state": "running"},
        "m.relates_to": {"m.in_reply_to": {"event_id": "$command:example.org"}},
    }


def test_a_mention_is_text_that_notifies_one_person():
    content = say("done", mention=("@ann:example.org",))
    assert content["msgtype"] == "m.text"
    assert content["m.mentions"] == {"user_ids": ["@ann:example.org"]}


def test_an_operation_of_the_bots_own_replies_to_nothing():
    own = Operation(**{**{f: getattr(DEPLOY, f) for f in DEPLOY.__slots__}, "origin": "keeper:x"})
    assert "m.relates_to" not in told(("x",), own, State.SUCCEEDED, "!")


def test_an_edit_replaces_everything_but_the_relation_and_mentions_nobody_anew():
    content = say("`a`", mention=("@ann:example.org",))
    new = {key: value for key, value in content.items() if key != "m.relates_to"}
    assert edit("$first", content) == {
        **new,
        "body": "* `a`",
        "formatted_body": "* <p><code>a</code></p>",
        "m.mentions": {},
        "m.new_content": new,
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$first"},
    }
    assert content == say("`a`", mention=("@ann:example.org",))


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1_000_000,
        "é" * 100_000,
        "🦀" * 50_000,
        '"' * 50_000,
        "\x1b" * 50_000,
        "a\\\n" * 30_000,
    ],
    ids=["letters", "two bytes", "four bytes", "quotes", "escapes", "backslashes"],
)
def test_whatever_is_said_the_event_fits(text):
    for block in (text, Code(text), Verbatim(text), Table(("a",), ((text,),))):
        assert event_size(edit("$" + "e" * 43, say(block))) < EVENT_LIMIT


@given(st.text(alphabet=st.sampled_from('"\\\n\x07aé🦀'), max_size=9), st.integers(3, 7000))
def test_a_shortened_text_keeps_its_two_ends_and_says_what_it_lost(text, times):
    long = "HEAD" + text * times + "TAIL"
    body = say(Code(long))["body"]
    assert body.startswith("HEAD")
    assert body.endswith("TAIL")
    assert len(json.dumps(body, ensure_ascii=False).encode()) <= LIMIT
    assert body == long or " bytes left out …" in body


def test_text_that_just_fits_is_left_alone():
    text = "x" * (LIMIT - 2)
    assert say(Code(text))["body"] == text
    assert say(Code(text + "x"))["body"] != text + "x"


def test_a_message_too_long_for_html_is_plain():
    content = say(Code("<" * 4000))
    assert content["body"] == "<" * 4000
    assert "format" not in content
    assert "formatted_body" not in content
    assert "formatted_body" not in edit("$first", content)["m.new_content"]


@pytest.mark.parametrize("prefix", ["!", "?", "g!", "&", "<", "--", "\\"])
def test_commands_in_our_words_are_shown_as_people_here_type_them(prefix):
    content = say("try `!status`", Table(("say",), (("`!help`",),)), prefix=prefix)
    shown = prefix.replace("&", "&amp;").replace("<", "&lt;")
    assert content["body"] == f"try `{prefix}status`\nsay\n`{prefix}help`"
    assert f"<code>{shown}status</code>" in content["formatted_body"]
    assert f"<td><code>{shown}help</code></td>" in content["formatted_body"]


def test_a_models_words_and_log_lines_keep_their_own_marks():
    content = say(Verbatim("use `!important`"), Code("`!x` <code>!y"), prefix="?")
    assert content["body"] == "use `!important`\n`!x` <code>!y"
    assert content["formatted_body"] == (
        "<p>use `!important`</p><pre><code>`!x` &lt;code&gt;!y</code></pre>"
    )


def test_sending_again_is_not_saying_again():
    """The id outlives the process, so it may depend on nothing but what is said."""
    assert transaction_id("operation:k3x9ab") == "gantry-b17a41c1aece557578d6e1330233283b"
    assert transaction_id("k", {"a": 1, "b": 2}, None) == transaction_id(
        "k", {"b": 2, "a": 1}, None
    )


def test_saying_something_else_is_not_sending_again():
    ids = {
        transaction_id("k"),
        transaction_id("l"),
        transaction_id("k", {"body": "a"}, None),
        transaction_id("k", {"body": "b"}, None),
        transaction_id("k", {"body": "a"}, {"body": "b"}),
        transaction_id("k", {"body": "b"}, {"body": "a"}),
    }
    assert len(ids) == 6
