import pytest

from domain.access import Environment, Policy
from domain.people import Person, Role
from domain.subjects import Subjects

ROOM = "!ops:example.org"


@pytest.mark.parametrize(
    ("pattern", "mxid", "fits"),
    [
        ("*", "@anybody:anywhere", True),
        ("@ann:example.org", "@ann:example.org", True),
        ("@ann:example.org", "@Ann:example.org", False),
        ("@ann:example.org", "@ann:example.org.evil", False),
        ("@ann:example.org", "evil@ann:example.org", False),
        ("@ann:example.org", "@ann:exampleXorg", False),
        ("@*:example.org", "@ann:example.org", True),
        ("@*:example.org", "@ann:evil.org", False),
        ("@*:example.org", "@ann:evil.org:example.org", True),
        ("@ops-*:example.org", "@ops-7:example.org", True),
        ("@ops-*:example.org", "@dev-7:example.org", False),
        ("@ann:[::1]", "@ann:[::1]", True),
        ("@ann:[::1]", "@ann::", False),
        ("@an?:example.org", "@ann:example.org", False),
        ("@a[nm]n:example.org", "@ann:example.org", False),
        ("@ann:example.org", "@ann:example.org\n", False),
    ],
)
def test_only_a_star_stands_for_something_else(pattern, mxid, fits):
    assert Subjects((pattern,)).include(Person(mxid, ROOM)) is fits


def test_nobody_is_in_an_empty_list():
    assert not Subjects().name("@ann:example.org")
    assert not Subjects().name("")


def test_one_pattern_of_several_is_enough():
    listed = Subjects(("@ann:example.org", "@bob:example.org"))
    assert listed.name("@ann:example.org")
    assert listed.name("@bob:example.org")
    assert not listed.name("@ann:example.org|@bob:example.org")


def test_the_highest_role_counts_and_no_role_is_nobody():
    policy = Policy(
        {
            Role.VIEWER: Subjects(("*",)),
            Role.ADMIN: Subjects(("@root:example.org",)),
            Role.OPERATOR: Subjects(("@*:example.org",)),
        }
    )
    assert policy.role(Person("@root:example.org", ROOM)) is Role.ADMIN
    assert policy.role(Person("@ann:example.org", ROOM)) is Role.OPERATOR
    assert policy.role(Person("@eve:evil.org", ROOM)) is Role.VIEWER
    assert Policy({}).role(Person("@root:example.org", ROOM)) is Role.NOBODY


def test_a_room_that_is_not_listed_acts_on_nothing():
    prod = Environment("prod", ("local",), "local")
    assert Policy({}, {ROOM: prod}).environment(ROOM) == prod
    assert Policy({}, {ROOM: prod}).environment("!other:example.org") is None
    assert Policy({}, {}, prod).environment("!other:example.org") == prod


def test_roles_are_in_order_and_read_as_words():
    assert Role.NOBODY < Role.VIEWER < Role.OPERATOR < Role.ADMIN
    assert str(Role.OPERATOR) == "operator"
