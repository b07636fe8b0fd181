"""Coming, going and following: what a homeserver cannot be made to say on cue."""

import pytest

from bot.matrix.admins import Admins
from bot.matrix.answers import Forbidden, LoggedOut, RateLimited
from bot.matrix.doorkeeper import Doorkeeper
from bot.matrix.entering import Entrance
from bot.matrix.news import Departure, Invitation, Sync, Timeline, Tombstone
from bot.matrix.outbox import Outbox
from bot.matrix.upgrades import Upgrades
from commands.rooms import RoomBook
from domain.access import Environment, Policy
from domain.errors import Refused, Unreachable

from .homeserver import ANN, ME, ROOM

EVE, NEW, ADMINS = "@eve:evil.org", "!new", "!admins:x"
PROD = Environment("prod", ("a",), "a")
POWERS = {"m.room.create": {"sender": ANN, "content": {"room_version": "11"}}}
LEVELS = {"m.room.power_levels": {"content": {"users": {ANN: 100}}}}
CREATE = {"room_version": "12", "predecessor": {"room_id": ROOM}}


class Rooms:
    """A homeserver's rooms, as a test says they are."""

    user_id = ME

    def __init__(self):
        self.asked, self.errors, self.pending = [], {}, ()
        self.states = {
            ROOM: {**POWERS, **LEVELS},
            NEW: {"m.room.create": {"sender": ANN, "content": CREATE}},
        }

    async def invitations(self):
        return self.pending

    async def join(self, room, via=()):
        self.asked.append(("join", room, *via))
        if errors := self.errors.get(room):
            raise errors.pop(0)

    async def leave(self, room):
        self.asked.append(("leave", room))

    async def state(self, room, kind):
        return self.states[room].get(kind)

    async def room_id(self, alias):
        raise Refused("no such alias")

    def name(self, room):
        return ""

    def knows(self, room):
        return False

    def encrypted(self, room):
        return False


class Lobby:
    """A doorkeeper, and what it gives to be said."""

    def __init__(self, store, clock):
        self.api, self.store = Rooms(), store
        self.book = RoomBook(Policy({}, {ROOM: PROD, "#none:x": PROD}), admin_room=ADMINS)
        outbox = Outbox(self.api, store, clock)
        admins = Admins(self.api, store, outbox, self.book)
        entrance = Entrance(self.api, store, outbox, self.book, "!")
        upgrades = Upgrades(self.api, store, self.book, entrance, admins, clock)
        self.doorkeeper = Doorkeeper(
            self.api, entrance, upgrades, admins, lambda each: each.sender == ANN, clock
        )

    async def hears(self, **news):
        """One sync, and all that follows from it."""
        await self.doorkeeper.attend(Sync("s", news.pop("timelines", ()), **self.filled(news)))
        return await self.doorkeeper.work()

    def filled(self, news):
        return {"invitations": (), **news}

    async def unsaid(self):
        async with self.store.transaction() as tx:
            return {message.key: message.wanted["body"] for message in await tx.messages.unsaid()}


@pytest.fixture
def lobby(store, clock):
    return Lobby(store, clock)


async def test_an_invitation_is_taken_from_those_who_may_and_declined_from_others(lobby):
    assert await lobby.hears(invitations=(Invitation("!good", ANN), Invitation("!bad", EVE)))
    assert lobby.api.asked == [("join", "!good"), ("leave", "!bad")]
    assert list(await lobby.unsaid()) == ["welcome:!good"]


async def test_one_that_its_server_does_not_know_of_yet_is_taken_up_once_it_does(lobby):
    """Between servers the invitation is there before it counts."""
    lobby.api.errors["!a"] = [Forbidden("You are not invited to this room")]
    assert not await lobby.hears(invitations=(Invitation("!a", ANN),))
    assert await lobby.hears()
    assert list(await lobby.unsaid()) == ["welcome:!a"]


async def test_one_that_counts_for_nothing_is_given_up_and_another_begins_anew(lobby):
    for _ in range(2):
        lobby.api.errors["!a"] = [Forbidden("You are not invited to this room")] * 3
        assert not await lobby.hears(invitations=(Invitation("!a", ANN),))
        assert not await lobby.hears()
        assert await lobby.hears()
    assert await lobby.hears()
    assert lobby.api.asked == [("join", "!a")] * 6


async def test_one_that_could_not_be_answered_is_tried_again_and_holds_up_no_other(lobby):
    lobby.api.errors["!a"] = [Unreachable("away"), RateLimited(3)]
    asked = (Invitation("!a", ANN), Invitation("!b", ANN))
    assert not await lobby.hears(invitations=asked)
    assert not await lobby.hears()
    assert await lobby.hears()
    assert [room for _, room in lobby.api.asked] == ["!a", "!b", "!a", "!a"]


async def test_a_clear_no_is_taken_for_an_answer_and_nothing_waits_to_be_said(lobby):
    lobby.api.errors["!gone"] = [Refused("no such room")]
    assert await lobby.hears(invitations=(Invitation("!gone", ANN),))
    assert await lobby.hears()
    assert lobby.api.asked == [("join", "!gone")]
    assert await lobby.unsaid() == {}


async def test_one_that_an_earlier_run_left_open_is_answered(lobby):
    lobby.api.pending = (Invitation("!early", ANN),)
    assert await lobby.hears()
    assert lobby.api.asked == [("join", "!early")]


async def test_one_that_is_taken_back_is_forgotten(lobby):
    lobby.api.errors["!a"] = [Unreachable("away")]
    assert not await lobby.hears(invitations=(Invitation("!a", ANN),))
    assert await lobby.hears(left=("!a",))
    assert len(lobby.api.asked) == 1


async def test_a_login_that_is_gone_ends_it(lobby):
    lobby.api.errors["!a"] = [LoggedOut("gone")]
    with pytest.raises(LoggedOut):
        await lobby.hears(invitations=(Invitation("!a", ANN),))


async def test_an_upgrade_is_followed_by_way_of_the_server_of_who_made_it(lobby):
    assert await lobby.hears(tombstones=(Tombstone(ROOM, ANN, NEW),))
    assert lobby.api.asked == [("join", NEW, "example.org")]
    assert lobby.book.policy.environment(NEW) == PROD
    assert "This room acts on prod: a." in (await lobby.unsaid())[f"upgrade:{NEW}"]
    async with lobby.store.transaction() as tx:
        assert await tx.rooms.successors() == {ROOM: NEW}
    assert await lobby.hears(tombstones=(Tombstone(ROOM, ANN, NEW),))
    assert len(lobby.api.asked) == 1, "followed once"


async def test_a_tombstone_by_somebody_without_power_is_ignored(lobby):
    """A homeserver should not let it pass; ours may be wrong, or somebody's."""
    assert await lobby.hears(tombstones=(Tombstone(ROOM, EVE, NEW),))
    assert lobby.api.asked == []
    assert lobby.book.policy.environment(NEW) is None


async def test_creators_of_a_room_of_version_12_may_upgrade_it_though_no_list_has_them(lobby):
    made = {"room_version": "12", "additional_creators": [EVE]}
    lobby.api.states[ROOM] = {"m.room.create": {"sender": ANN, "content": made}}
    assert await lobby.hears(tombstones=(Tombstone(ROOM, EVE, NEW),))
    assert lobby.book.successor(ROOM) == NEW


async def test_a_room_that_does_not_name_its_predecessor_is_left_again(lobby):
    lobby.api.states[NEW] = {"m.room.create": {"sender": ANN, "content": {"room_version": "12"}}}
    assert await lobby.hears(tombstones=(Tombstone(ROOM, ANN, NEW),))
    assert lobby.api.asked == [("join", NEW, "example.org"), ("leave", NEW)]
    assert lobby.book.successor(ROOM) is None


async def test_a_closed_replacement_is_entered_once_anybody_invites_us_there(lobby):
    lobby.api.errors[NEW] = [Forbidden("you are not invited")]
    assert await lobby.hears(tombstones=(Tombstone(ROOM, ANN, NEW),))
    assert "Invite me there" in (await lobby.unsaid())[f"admins:upgrade:{ROOM}"]
    assert await lobby.hears(invitations=(Invitation(NEW, EVE),))
    assert lobby.book.successor(ROOM) == NEW


async def test_an_upgrade_that_was_cut_short_is_begun_again(lobby):
    lobby.api.errors[NEW] = [Unreachable("away")]
    assert not await lobby.hears(tombstones=(Tombstone(ROOM, ANN, NEW),))
    assert await lobby.hears()
    assert lobby.book.successor(ROOM) == NEW


async def test_upgrades_make_no_circles(lobby):
    assert await lobby.hears(tombstones=(Tombstone(ROOM, ANN, ROOM),))
    assert lobby.api.asked == []
    await lobby.hears(tombstones=(Tombstone(ROOM, ANN, NEW),))
    lobby.api.states[NEW] |= LEVELS
    await lobby.hears(tombstones=(Tombstone(NEW, ANN, ROOM),))
    assert lobby.book.successor(NEW) is None


async def test_being_put_out_is_told_the_admins_once_however_often_it_is_read(lobby):
    gone = Departure("!a", EVE, "$1", "spam")
    for _ in range(2):
        await lobby.hears(departures=(gone,), left=("!a",))
    told = await lobby.unsaid()
    assert list(told) == ["admins:put-out:$1"]
    assert f"{EVE} removed me from !a (spam)" in told["admins:put-out:$1"]


async def test_first_words_wait_until_a_sync_shows_us_in_the_room(lobby):
    outbox = lobby.doorkeeper._entrance._outbox
    await lobby.hears(invitations=(Invitation("!a", ANN),))
    assert outbox._idle.is_set()
    await lobby.hears(timelines=(Timeline("!a", (), limited=False, before=None),))
    assert not outbox._idle.is_set()
