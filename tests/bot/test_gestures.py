"""Which events are reactions and redactions, and which reactions mean something."""

from datetime import UTC, datetime

import pytest

from bot.matrix.gestures import Reaction, Redaction, reactions, redactions

ROOM, ME, ANN = "!ops:example.org", "@gantry:example.org", "@ann:example.org"


def reacted(event_id="$r", sender=ANN, **relation):
    annotation = {"rel_type": "m.annotation", "event_id": "$m", "key": "❌", **relation}
    return {
        "type": "m.reaction",
        "event_id": event_id,
        "sender": sender,
        "origin_server_ts": 1_767_225_600_000,
        "content": {"m.relates_to": annotation},
    }


def taken_away(event_id, sender=ANN):
    return {"type": "m.room.redaction", "sender": sender, "redacts": event_id, "content": {}}


def test_a_reaction_is_read():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert reactions([reacted()], ROOM, ME) == [Reaction("$r", ROOM, ANN, "$m", "❌", at)]


@pytest.mark.parametrize(
    ("key", "stops"),
    [("❌", True), ("❌\ufe0f", True), ("🛑", True), ("✖", True), ("✖\ufe0f", True)]
    + [(key, False) for key in ("👍", "", "❌❌", "🔁", "x", "\ufe0f", "❌ ")],
)
def test_some_emojis_mean_stop_however_a_client_writes_them(key, stops):
    (reaction,) = reactions([reacted(key=key)], ROOM, ME)
    assert reaction.stops is stops


@pytest.mark.parametrize(
    ("key", "keeps"),
    [
        ("👍", True),
        ("👍\ufe0f", True),
        ("👍🏿", True),
        ("👎", False),
        ("🏿", False),
        ("👍👍", False),
    ],
)
def test_a_thumb_says_yes_whatever_its_colour(key, keeps):
    (reaction,) = reactions([reacted(key=key)], ROOM, ME)
    assert reaction.agrees is keeps


@pytest.mark.parametrize(
    "ignored",
    [
        reacted(sender=ME),
        reacted(rel_type="m.thread"),
        reacted(event_id=None),
        reacted(key=None),
        reacted(key=["❌"]),
        {**reacted(), "content": {}},
        {**reacted(), "content": None},
        {**reacted(), "content": {"m.relates_to": ["m.annotation"]}},
        {**reacted(), "sender": None},
        {**reacted(), "origin_server_ts": None},
        {**reacted(), "type": "m.room.message"},
    ],
)
def test_everything_else_is_none(ignored):
    assert reactions([ignored], ROOM, ME) == []


def test_what_was_taken_back_was_never_meant():
    events = [reacted("$1"), reacted("$2"), taken_away("$1")]
    assert [each.event_id for each in reactions(events, ROOM, ME)] == ["$2"]


def test_a_redaction_names_its_event_where_the_rooms_version_has_it():
    newer = {**taken_away("$no"), "redacts": None, "content": {"redacts": "$new"}}
    found = redactions([taken_away("$old"), newer], ROOM, ME)
    assert found == [Redaction(ROOM, "$old"), Redaction(ROOM, "$new")]


@pytest.mark.parametrize(
    "ignored", [taken_away("$1", ME), taken_away(7), taken_away(None), {"type": "m.room.redaction"}]
)
def test_our_own_and_malformed_redactions_are_none(ignored):
    assert redactions([ignored], ROOM, ME) == []


def test_names_no_database_can_keep_are_mended():
    """One such event must not stop the bot from reading on."""
    odd = {**reacted("$\ud800", key="\ud800")}
    odd["content"]["m.relates_to"]["event_id"] = "$\ud800"
    (reaction,) = reactions([odd], ROOM, ME)
    assert (reaction.event_id, reaction.to, reaction.key) == ("$?", "$?", "?")
    assert redactions([taken_away("$\ud800")], ROOM, ME) == [Redaction(ROOM, "$?")]


@pytest.mark.parametrize("sender", ["webhook:ci", "keeper", "", None])
def test_nobody_but_somebody_with_an_account_reacts(sender):
    assert reactions([reacted(sender=sender)], ROOM, ME) == []


@pytest.mark.parametrize("event_id", ["webhook:ci:delivery 1", "keeper:tiny", "", None])
def test_no_reaction_passes_for_what_comes_without_a_message(event_id):
    assert reactions([reacted(event_id)], ROOM, ME) == []
