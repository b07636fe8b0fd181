"""Which room acts on what, while rooms are made and upgraded."""

from commands.rooms import RoomBook, carried
from domain.access import Environment, Policy

DEV, PROD = Environment("dev", ("a",), "a"), Environment("prod", ("b",), "b")


def test_an_alias_counts_from_when_it_stands_for_a_room():
    book = RoomBook(Policy({}, {"#ops:x": PROD, "!1:x": DEV}))
    before = book.policy
    assert book.aliases == ("#ops:x",)
    assert book.policy.environment("!2:x") is None
    book.found("#ops:x", "!2:x")
    assert book.policy.environment("!2:x") == PROD
    assert book.policy.environment("!1:x") == DEV
    assert before.environment("!2:x") is None, "a policy is a value"


def test_an_upgraded_room_takes_its_environment_along_and_the_old_one_keeps_it():
    book = RoomBook(Policy({}, {"!1:x": PROD}))
    book.succeeded("!1:x", "!2")
    book.succeeded("!2", "!3")
    assert [book.policy.environment(room) for room in ("!1:x", "!2", "!3")] == [PROD] * 3
    assert (book.successor("!1:x"), book.successor("!3")) == ("!2", None)


def test_an_alias_that_moved_on_still_covers_what_is_under_way_in_the_old_room():
    book = RoomBook(Policy({}, {"#ops:x": PROD}))
    book.found("#ops:x", "!1:x")
    book.succeeded("!1:x", "!2")
    book.found("#ops:x", "!2")
    assert book.policy.environment("!1:x") == book.policy.environment("!2") == PROD


def test_what_is_said_of_a_room_itself_counts_first():
    assert carried({"!1": PROD, "!2": DEV}, {"!1": "!2", "!2": "!3"}) == {
        "!1": PROD,
        "!2": DEV,
        "!3": DEV,
    }


def test_the_admins_room_is_found_by_alias_and_followed():
    book = RoomBook(Policy({}), admin_room="#admins:x")
    assert book.aliases == ("#admins:x",)
    assert book.admin_room is None
    book.found("#admins:x", "!1:x")
    assert book.admin_room == "!1:x"
    book.succeeded("!1:x", "!2")
    assert book.admin_room == "!2"
    assert RoomBook(Policy({})).admin_room is None


def test_the_audits_room_is_found_by_alias_and_followed_beside_the_admins():
    book = RoomBook(Policy({}), admin_room="!9:x", audit_room="#audit:x")
    assert book.aliases == ("#audit:x",)
    assert book.audit_room is None
    book.found("#audit:x", "!1:x")
    book.succeeded("!1:x", "!2:x")
    assert (book.audit_room, book.admin_room) == ("!2:x", "!9:x")
    assert RoomBook(Policy({})).audit_room is None
