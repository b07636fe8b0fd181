"""What a reader sees of a room where keys come late, or never."""

from __future__ import annotations

from typing import Any

import pytest

from bot.matrix.guest_events import UNREADABLE, room_event
from bot.matrix.guest_unread import PATIENCE, Unread
from bot.matrix.inbound import Event


class Keys:
    """Opens what has been unlocked."""

    def __init__(self) -> None:
        self.unlocked: set[str] = set()

    def open(self, event: Event) -> Event | None:
        return message(event["event_id"]) if event["event_id"] in self.unlocked else None


def message(event_id: str, kind: str = "m.room.message", **content: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "event_id": event_id,
        "sender": "@ann:localhost",
        "origin_server_ts": 1_700_000_000_000,
        "content": {"msgtype": "m.text", "body": event_id, **content},
    }


def sealed(event_id: str, **content: Any) -> dict[str, Any]:
    return message(event_id, "m.room.encrypted", **content)


def taken(unread: Unread, now: float) -> list[tuple[str, str]]:
    found = []
    while (event := unread.take(now)) is not None:
        found.append((event.event_id, event.body))
    return found


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def unread(keys: Keys) -> Unread:
    return Unread(keys.open)


def test_a_sealed_event_holds_up_those_after_it_until_its_key_comes(
    unread: Unread, keys: Keys
) -> None:
    unread.add([message("$1"), sealed("$2"), message("$3")], 10)
    assert taken(unread, 10) == [("$1", "$1")]
    assert unread.wait(11) == PATIENCE - 1

    keys.unlocked.add("$2")
    assert taken(unread, 11) == [("$2", "$2"), ("$3", "$3")]
    assert unread.wait(11) is None


def test_a_key_that_never_comes_holds_up_nothing_for_long(unread: Unread) -> None:
    unread.add([sealed("$1"), sealed("$2"), message("$3")], 10)
    assert taken(unread, 10) == []
    assert taken(unread, 10 + PATIENCE) == [("$1", UNREADABLE), ("$2", UNREADABLE), ("$3", "$3")]


def test_a_key_that_comes_even_later_has_the_event_shown_once_more(
    unread: Unread, keys: Keys
) -> None:
    unread.add([sealed("$1"), message("$2")], 10)
    taken(unread, 10 + PATIENCE)
    keys.unlocked.add("$1")
    for _ in range(2):
        unread.keys_came()
    unread.add([message("$3")], 20)
    assert taken(unread, 20) == [("$1", "$1"), ("$3", "$3")]


def test_what_a_sealed_event_refers_to_is_known() -> None:
    relation = {"rel_type": "m.replace", "event_id": "$0"}
    event = room_event(sealed("$1", **{"m.relates_to": relation}))
    assert event is not None
    assert event.relation is not None
    assert (event.body, event.relation.event_id) == (UNREADABLE, "$0")


@pytest.mark.parametrize("missing", ["sender", "event_id", "origin_server_ts"])
def test_what_decrypts_to_half_an_event_is_not_shown(missing: str) -> None:
    event = message("$1")
    del event[missing]
    assert room_event(event) is None
