"""Reading the rooms: nothing is lost, nothing is read for somebody else, nothing replays."""

import asyncio
from dataclasses import replace

import pytest

from bot.matrix.answers import LoggedOut, RateLimited
from bot.matrix.session import Session
from domain.errors import Unreachable
from tests.fleet.world import until

from .homeserver import OTHER, ROOM, news, said


class Reader:
    """A session, and what it filed: (token, event ids)."""

    def __init__(self, homeserver, clock, token="s0"):
        self.homeserver, self.filed, self.failures = homeserver, [], []
        self.attended, self.refusals = [], []
        self.session = Session(
            homeserver, self._file, self._still_sealed, self._attend, clock, token
        )
        self.sealed, self.exposed = [], []

    async def _file(self, reading):
        if self.failures:
            raise self.failures.pop(0)
        self.filed.append((reading.token, [message.event_id for message in reading.said]))
        self.exposed += [message.event_id for message in reading.said if message.exposed]

    async def _still_sealed(self):
        return self.sealed

    async def _attend(self, news):
        if self.refusals:
            raise self.refusals.pop(0)
        self.attended.append(news.token)

    async def reads(self, *answers):
        self.homeserver.syncs.extend(answers)
        for _ in answers:
            await self.session.step()
        return self.filed


@pytest.fixture
def reader(homeserver, clock):
    return Reader(homeserver, clock)


async def test_messages_are_filed_together_with_how_far_was_read(reader, homeserver):
    filed = await reader.reads(
        news("s1", said("$1"), said("$2")), news("s2"), news("s3", said("$3"), room=OTHER)
    )
    assert filed == [("s1", ["$1", "$2"]), ("s2", []), ("s3", ["$3"])]
    syncs = [("sync", "s0", True), ("sync", "s1", False), ("sync", "s2", False)]
    assert homeserver.asked == syncs


async def test_a_new_store_reads_from_now_on_and_replays_nothing(homeserver, clock):
    reader = Reader(homeserver, clock, token=None)
    filed = await reader.reads(news("s1", said("$old"), before="p1"), news("s2", said("$new")))
    assert filed == [("s1", []), ("s2", ["$new"])]
    assert homeserver.asked == [("sync", None, True), ("sync", "s1", False)]


async def test_a_gap_is_filled_page_by_page_in_order(reader, homeserver):
    """Eleven commands at once, or a night away: a timeline holds only the last of them."""
    homeserver.pages = {
        "p3": ([said("$5"), said("$4")], "p2"),
        "p2": ([said("$3"), said("$2")], "p1"),
        "p1": ([said("$1")], None),
    }
    filed = await reader.reads(news("s1", said("$6"), before="p3"))
    assert filed == [("s1", ["$1", "$2", "$3", "$4", "$5", "$6"])]
    assert homeserver.asked[1:] == [("earlier", ROOM, p, "s0") for p in ("p3", "p2", "p1")]


async def test_what_came_in_the_clear_into_an_encrypted_room_is_marked_in_a_gap_as_well(
    reader, homeserver
):
    homeserver.pages = {"p2": ([said("$2"), said("$1")], None)}
    sync = news("s1", said("$3"), before="p2")
    timeline = replace(sync.timelines[0], encrypted=True)
    await reader.reads(replace(sync, timelines=(timeline,)))
    assert reader.exposed == ["$1", "$2"]


async def test_an_empty_page_ends_the_search(reader, homeserver):
    homeserver.pages = {"p2": ([said("$1")], "p1"), "p1": ([], "p0")}
    assert await reader.reads(news("s1", said("$2"), before="p2")) == [("s1", ["$1", "$2"])]


async def test_what_was_said_before_the_bot_joined_is_not_dug_up(reader, homeserver):
    joining = {
        "type": "m.room.member",
        "state_key": homeserver.user_id,
        "content": {"membership": "join"},
        "unsigned": {"prev_content": {"membership": "invite"}},
    }
    homeserver.pages = {"p1": ([joining, said("$before")], None)}
    assert await reader.reads(news("s1", said("$after"), before="p1")) == [("s1", ["$after"])]


async def test_a_failure_in_the_middle_files_nothing_and_is_read_again(reader, homeserver):
    homeserver.pages = {"p2": ([said("$2")], "p1"), "p1": Unreachable("gone")}
    with pytest.raises(Unreachable):
        await reader.reads(news("s1", said("$3"), before="p2"))
    assert reader.filed == []
    homeserver.pages["p1"] = ([said("$1")], None)
    filed = await reader.reads(news("s1", said("$3"), before="p2"))
    assert filed == [("s1", ["$1", "$2", "$3"])]
    assert [asked for asked in homeserver.asked if asked[0] == "sync"] == [("sync", "s0", True)] * 2


async def test_what_could_not_be_filed_is_read_again(reader, homeserver):
    reader.failures = [RuntimeError("disk full")]
    with pytest.raises(RuntimeError):
        await reader.reads(news("s1", said("$1")))
    assert await reader.reads(news("s1", said("$1"))) == [("s1", ["$1"])]
    assert {asked[1] for asked in homeserver.asked} == {"s0"}


async def test_what_rooms_ask_for_is_noted_before_it_counts_as_read(reader, homeserver):
    reader.refusals = [RuntimeError("disk full")]
    with pytest.raises(RuntimeError):
        await reader.reads(news("s1", said("$1")))
    assert reader.filed == []
    assert await reader.reads(news("s1", said("$1"))) == [("s1", ["$1"])]
    assert reader.attended == ["s1"]


async def test_the_bot_has_caught_up_once_what_it_missed_is_filed(reader, homeserver):
    reader.failures = [RuntimeError()]
    with pytest.raises(RuntimeError):
        await reader.reads(news("s1", said("$1")))
    assert not reader.session.caught_up.is_set()
    await reader.reads(news("s1", said("$1")))
    assert reader.session.caught_up.is_set()


async def running(reader, count):
    """Run until so many syncs were filed."""
    task = asyncio.create_task(reader.session.run())
    await until(lambda: len(reader.filed) == count or task.done())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_homeserver_that_is_away_is_asked_more_and_more_rarely(reader, homeserver, clock):
    homeserver.syncs.extend([Unreachable("away")] * 8)
    homeserver.syncs.append(news("s1", said("$1")))
    await running(reader, 1)
    least = 0.5 * (1 + 2 + 4 + 8 + 16 + 32 + 60 + 60)
    assert least <= clock.seconds <= 2 * least
    assert reader.filed == [("s1", ["$1"])]


async def test_patience_starts_anew_once_it_answered(reader, homeserver, clock):
    homeserver.syncs.extend([*[Unreachable("away")] * 6, news("s1"), Unreachable("away")])
    homeserver.syncs.append(news("s2"))
    await running(reader, 2)
    assert clock.seconds <= 1 + 2 + 4 + 8 + 16 + 32 + 1


async def test_a_rate_limit_is_kept_to_the_second(reader, homeserver, clock):
    homeserver.syncs.extend([RateLimited(7.5), news("s1")])
    await running(reader, 1)
    assert clock.seconds == 7.5


async def test_a_login_that_is_gone_ends_the_reading(reader, homeserver):
    homeserver.syncs.append(LoggedOut("gone"))
    with pytest.raises(LoggedOut):
        await asyncio.wait_for(reader.session.run(), 5)


async def test_what_was_said_in_a_gap_before_encryption_was_turned_on_counts_as_said(
    reader, homeserver
):
    """The sync itself is about what came after the gap."""
    on = {"type": "m.room.encryption", "state_key": "", "event_id": "$on"}
    homeserver.pages["p1"] = ([said("$2"), on, said("$1")], None)
    answer = news("s1", said("$3"), before="p1")
    [timeline] = answer.timelines
    timeline = replace(timeline, encrypted=True, clear=frozenset({"$3"}))
    await reader.reads(replace(answer, timelines=(timeline,)))
    assert reader.filed == [("s1", ["$1", "$2", "$3"])]
    assert reader.exposed == ["$2", "$3"]


async def test_a_room_that_was_known_to_be_encrypted_is_so_whatever_a_gap_says(reader, homeserver):
    """Or whoever runs a homeserver could make one up to have a command run."""
    on = {"type": "m.room.encryption", "state_key": "", "event_id": "$on"}
    homeserver.pages["p1"] = ([on, said("$1")], None)
    answer = news("s1", said("$2"), before="p1")
    [timeline] = answer.timelines
    timeline = replace(timeline, encrypted=True, known=True, clear=frozenset({"$2"}))
    await reader.reads(replace(answer, timelines=(timeline,)))
    assert reader.exposed == ["$1", "$2"]
