"""Which room a secret is handed over in."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from pydantic import SecretStr

from bot.discretion import Discretion
from bot.matrix.answers import Answer, Forbidden, RateLimited
from bot.matrix.direct import ATTEMPTS, COME_WITHIN, Direct
from commands.courier import Parcel
from domain.errors import Refused, Unreachable
from tests.fleet.world import Time, filed

from .homeserver import ANN, ME, ROOM

BOB = "@bob:example.org"
DIRECT = "!direct:x"
SECRET = "gantry-" + "Ab3" * 14 + "x"
PARCEL = Parcel("gantry-key-k3f9a2.txt", "# yours", SecretStr(SECRET))


class Rooms:
    """A homeserver's rooms, as far as `Direct` asks about them."""

    user_id = ME

    def __init__(self):
        self.members, self.rules, self.sealed, self.names = {}, {}, set(), {}
        self.listed: dict[str, list[str]] = {}
        self.uploads, self.sent, self.errors, self.comes = [], [], [], True
        self.add(ROOM, ANN, BOB, name="ops")

    def add(self, room, *others, rule="invite", sealed=True, name=None, invited=()):
        self.members[room] = {ME: "join"} | dict.fromkeys(others, "join")
        self.members[room] |= dict.fromkeys(invited, "invite")
        self.rules[room], self.names[room] = rule, name
        if sealed:
            self.sealed.add(room)

    @property
    def client(self):
        return SimpleNamespace(
            rooms={
                room: SimpleNamespace(
                    member_count=len(members),
                    named_room_name=lambda room=room: self.names[room],
                    members_synced=True,
                )
                for room, members in self.members.items()
            }
        )

    async def request(self, method, path, body=None):
        if self.errors:
            raise self.errors.pop(0)
        match method, unquote(path.removeprefix("/_matrix/client/v3")).split("/")[1:]:
            case "GET", ["user", _, "account_data", "m.direct"]:
                return (
                    Answer(200, self.listed)
                    if self.listed
                    else Answer(404, {"errcode": "M_NOT_FOUND"})
                )
            case "PUT", ["user", _, "account_data", "m.direct"]:
                self.listed = body
                return Answer(200, {})
            case "POST", ["createRoom"]:
                [event] = body["initial_state"]
                assert event["type"] == "m.room.encryption"
                assert body["preset"] == "trusted_private_chat"
                self.add("!new:x", *(body["invite"] if self.comes else ()))
                if not self.comes:
                    self.members["!new:x"][body["invite"][0]] = "invite"
                return Answer(200, {"room_id": "!new:x"})
            case "GET", ["rooms", room, _]:
                if room not in self.members:
                    raise Forbidden("not there")
                chunk = [
                    {"state_key": who, "content": {"membership": how}}
                    for who, how in self.members[room].items()
                ]
                return Answer(200, {"chunk": chunk})
        raise AssertionError((method, path))

    async def state(self, room, kind, key=""):
        content = {
            "m.room.join_rules": {"join_rule": self.rules[room]},
            "m.room.encryption": {"algorithm": "x"} if room in self.sealed else None,
            "m.room.member": {"membership": self.members[room].get(key, "leave")},
        }[kind]
        return content and {"content": content}

    def knows(self, room):
        return True

    def encrypted(self, room):
        return room in self.sealed

    async def is_encrypted(self, room):
        return room in self.sealed

    async def upload(self, data, name, mimetype, *, encrypt, secret):
        assert encrypt
        assert secret
        self.uploads.append((name, data.decode()))
        return {"file": {"url": "mxc://x/1"}, "info": {}}

    async def send(self, room, content, transaction):
        self.sent.append((room, content, transaction))
        return "$1"


@pytest.fixture
def rooms():
    return Rooms()


@pytest.fixture
def discretion():
    return Discretion()


@pytest.fixture
def direct(rooms, discretion):
    return Direct(rooms, discretion, Time())


async def handed(direct, rooms, parcel=PARCEL, person=ANN):
    about = replace(filed("key create ci", Time().now()), room=ROOM)
    await direct.hand(person, parcel, about, lambda _: None)
    return rooms.sent[-1][0]


async def test_the_file_goes_as_it_is_into_a_new_room_and_everything_else_is_masked(
    direct, rooms, discretion
):
    assert await handed(direct, rooms) == "!new:x"
    assert rooms.uploads == [("gantry-key-k3f9a2.txt", f"# yours\n{SECRET}\n")]
    assert rooms.sent[0][1]["m.mentions"] == {"user_ids": [ANN]}
    assert SECRET not in str(rooms.sent)
    assert rooms.listed == {ANN: ["!new:x"]}
    assert discretion.holds(f"this is {SECRET}")
    assert not discretion.holds("# yours")


async def test_a_direct_room_that_is_there_is_used_again(direct, rooms):
    rooms.add(DIRECT, ANN)
    rooms.listed = {ANN: ["!gone:x", DIRECT], BOB: ["!b:x"]}
    assert await handed(direct, rooms) == DIRECT
    assert await handed(direct, rooms) == DIRECT
    assert rooms.listed == {ANN: ["!gone:x", DIRECT], BOB: ["!b:x"]}


async def test_a_room_that_somebody_made_to_talk_to_the_bot_alone_is_one_too(direct, rooms):
    rooms.add(DIRECT, ANN)
    assert await handed(direct, rooms) == DIRECT


@pytest.mark.parametrize(
    "room",
    [
        {"others": (ANN, BOB)},
        {"others": (ANN,), "invited": (BOB,)},
        {"others": (BOB,)},
        {"others": ()},
        {"others": (ANN,), "rule": "public"},
        {"others": (ANN,), "rule": "knock"},
        {"others": (ANN,), "rule": "restricted"},
        {"others": (ANN,), "sealed": False},
    ],
)
async def test_a_room_that_others_read_or_may_come_to_read_is_none(direct, rooms, room):
    rooms.add(DIRECT, *room.pop("others"), **room)
    rooms.listed = {ANN: [DIRECT]}
    assert await handed(direct, rooms) == "!new:x"
    assert rooms.listed == {ANN: [DIRECT, "!new:x"]}


async def test_a_room_with_a_name_is_not_taken_for_a_direct_one_by_its_size(direct, rooms):
    rooms.add(DIRECT, ANN, name="ops of the future")
    assert await handed(direct, rooms) == "!new:x"


async def test_never_is_it_the_room_of_the_request(direct, rooms):
    rooms.add(ROOM, ANN)
    rooms.listed = {ANN: [ROOM]}
    assert await handed(direct, rooms) == "!new:x"


async def test_who_does_not_come_is_not_waited_for_for_ever(direct, rooms):
    rooms.comes = False
    with pytest.raises(Refused, match="did not come into the direct room"):
        await handed(direct, rooms)
    assert direct._clock.seconds >= COME_WITHIN
    assert rooms.uploads == rooms.sent == []


async def test_a_homeserver_in_trouble_is_asked_again(direct, rooms):
    rooms.errors = [RateLimited(7.0), Unreachable("it is away")]
    assert await handed(direct, rooms) == "!new:x"
    assert direct._clock.seconds >= 7


async def test_but_not_for_ever(direct, rooms):
    rooms.errors = [Unreachable("it is away")] * ATTEMPTS
    with pytest.raises(Unreachable):
        await handed(direct, rooms)


async def test_another_secret_of_one_request_is_another_event(direct, rooms):
    other = Parcel(PARCEL.name, "", SecretStr(SECRET[::-1]))
    for parcel in (PARCEL, PARCEL, other):
        await handed(direct, rooms, parcel)
    first, second, third = (transaction for *_, transaction in rooms.sent)
    assert first == second != third
