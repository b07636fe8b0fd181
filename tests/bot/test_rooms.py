"""Who may upgrade a room, and whether another one is what it goes on as."""

from math import inf

import pytest

from bot.matrix.news import Departure, Tombstone, departures, inviter, tombstones
from bot.matrix.rooms import Powers, continues, mute, put_out, server, version, welcome
from domain.access import Environment

ANN, BOB, EVE, ME = "@ann:a.org", "@bob:b.org:8448", "@eve:evil.org", "@gantry:a.org"


def create(number="10", sender=ANN, **content):
    return {"sender": sender, "content": {"room_version": number, **content}}


def levels(**content):
    return {"sender": ANN, "content": content}


def may_upgrade(who, made, powers):
    return Powers.of(made, powers).allow(who, "m.room.tombstone", state=True)


@pytest.mark.parametrize(
    ("powers", "who"),
    [
        (levels(users={ANN: 100, BOB: 50}), {ANN, BOB}),
        (levels(users={ANN: 100, BOB: 50}, events={"m.room.tombstone": 100}), {ANN}),
        (levels(users={ANN: 100, BOB: 50}, state_default=75), {ANN}),
        (levels(users={ANN: 100}, users_default=50), {ANN, BOB, EVE}),
        (levels(users={ANN: "100", BOB: " 50 "}, state_default="50"), {ANN, BOB}),
        (levels(users=[EVE], events="x", users_default=True, state_default=None), set()),
        (None, {ANN}),
    ],
)
def test_an_upgrade_takes_the_power_to_change_that_state(powers, who):
    assert {each for each in (ANN, BOB, EVE) if may_upgrade(each, create(), powers)} == who


def test_in_old_rooms_the_creator_is_named_and_in_newer_ones_is_who_made_it():
    assert may_upgrade(BOB, create("1", ANN, creator=BOB), None)
    assert may_upgrade(ANN, create("11", ANN), None)
    assert not may_upgrade(EVE, None, None)


def test_from_version_12_on_creators_stand_above_everything_and_in_no_list():
    made = create("12", ANN, additional_creators=[BOB, 7])
    strict = levels(users={EVE: 100}, state_default=10**6)
    powers = Powers.of(made, strict)
    assert powers.of_user(ANN) == powers.of_user(BOB) == inf
    assert {who for who in (ANN, BOB, EVE) if may_upgrade(who, made, strict)} == {ANN, BOB}
    assert not may_upgrade(BOB, create("12", additional_creators="@bob:b.org:8448"), strict)
    assert not may_upgrade(BOB, create("11", additional_creators=[BOB]), strict)


@pytest.mark.parametrize("name", ["", "org.example.custom", None, 12, "-12", "١٢"])
def test_a_version_that_is_no_number_gives_creators_no_special_power(name):
    assert version(create(name)) == 0
    assert Powers.of(create(name), levels()).of_user(ANN) == 0


def test_a_successor_must_say_itself_what_it_succeeds():
    assert continues(create("12", predecessor={"room_id": "!old:a.org"}), "!old:a.org")
    for wrong in ({"room_id": "!other:a.org"}, {}, None, "!old:a.org"):
        assert not continues(create("12", predecessor=wrong), "!old:a.org")
    assert not continues(None, "!old:a.org")


def test_the_server_of_somebody_may_have_a_port():
    assert server(BOB) == "b.org:8448"


def member(sender, membership, before=None, me=ME, **content):
    return {
        "type": "m.room.member",
        "state_key": me,
        "sender": sender,
        "event_id": "$1",
        "content": {"membership": membership, **content},
        "unsigned": {"prev_content": {"membership": before}},
    }


def put_out_by(*events):
    return list(departures("!r", events, ME))


def test_being_put_out_is_told_from_going_and_from_an_invitation_taken_back():
    assert put_out_by(member(ANN, "leave", "join", reason="bye")) == [
        Departure("!r", ANN, "$1", "bye")
    ]
    assert put_out_by(member(ANN, "ban", "join"))[0].banned
    assert put_out_by(member(ME, "leave", "join")) == []
    assert put_out_by(member(ANN, "leave", "invite")) == []
    assert put_out_by(member(ANN, "ban", "leave")) == []
    assert put_out_by(member(ANN, "leave", "join", me=BOB)) == []
    assert put_out_by({"type": "m.room.member", "state_key": ME, "content": None}) == []


def stone(**content):
    return {"type": "m.room.tombstone", "state_key": "", "sender": ANN, "content": content}


def test_a_tombstone_names_a_room_or_is_none():
    assert list(tombstones("!r", [stone(replacement_room="!new")])) == [
        Tombstone("!r", ANN, "!new")
    ]
    for bad in (stone(), stone(replacement_room="#alias:a.org"), stone(replacement_room=["!n"])):
        assert list(tombstones("!r", [bad])) == []
    assert list(tombstones("!r", [{**stone(replacement_room="!new"), "state_key": "x"}])) == []


def test_an_invitation_is_by_whoever_set_our_membership():
    assert inviter([{"type": "m.room.name"}, member(ANN, "invite")], ME) == ANN
    assert inviter([member(ANN, "invite", me=BOB)], ME) == ""


def test_first_words_say_how_to_go_on_and_what_the_room_acts_on():
    prod = Environment("prod", ("eu", "us"), "eu")
    assert "`.help`" in welcome(".", prod)
    assert welcome(".", prod).endswith("This room acts on prod: eu, us.")
    assert "bound to no environment" in welcome("!", None)


def test_what_the_admins_are_told_says_who_where_and_how_much_power():
    said = put_out(Departure("!r", EVE, "$1", "spam", banned=True, name="Ops"))
    assert said.startswith(f"{EVE} banned me from Ops (!r) (spam).")
    powers = Powers.of(create(), levels(events_default=50))
    assert "I have power 0 there and it takes 50" in mute("!r", "", powers, ME, "m.room.message")
