"""Whom a line of the policy means, by name, power, membership or nature."""

import contextlib
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access import Environment, Policy
from domain.people import Person, Role, Unknown
from domain.rules import NamedRole
from domain.subjects import Subjects, checked

ROOM, LOBBY, ANN = "!ops:x", "!lobby:x", "@ann:x"
ONCALL = "room:#oncall:x"


def meant(*patterns, mxid=ANN, **facts):
    return Subjects(patterns).include(Person(mxid, ROOM, **facts))


@pytest.mark.parametrize(
    ("power", "is_meant"), [(None, False), (49, False), (50, True), (100, True), (inf, True)]
)
def test_power_counts_from_so_much_on(power, is_meant):
    assert meant("power:50", power=power) is is_meant
    assert meant("power:100", "power:50", power=power) is is_meant


def test_power_may_be_below_zero_and_nothing_known_is_not_zero():
    assert meant("power:-5", power=-5)
    assert meant("power:0", power=0)
    assert not meant("power:0")


def test_membership_is_of_the_room_that_is_named():
    assert meant(ONCALL, rooms=frozenset([ONCALL]))
    assert not meant(ONCALL, rooms=frozenset(["room:#other:x"]))
    assert not meant(ONCALL)


@pytest.mark.parametrize(
    "sender", ["webhook:ci", "schedule:nightly", "keeper", "", "room:#oncall:x"]
)
def test_a_star_means_accounts_and_nothing_that_speaks_without_one(sender):
    assert not meant("*", mxid=sender)
    assert not meant("@*", mxid=sender)


def test_what_speaks_without_an_account_is_meant_by_its_own_kind():
    assert meant("webhook:ci", mxid="webhook:ci")
    assert meant("webhook:*", mxid="webhook:ci")
    assert not meant("webhook:ci", mxid="webhook:ci2")
    assert not meant("webhook:*", mxid="schedule:nightly")
    assert not meant("schedule:nightly", mxid="@schedule:nightly")


@given(st.text())
def test_a_pattern_that_is_no_subject_means_nobody(pattern):
    if pattern.startswith(("@", "webhook:", "schedule:")):
        return
    with contextlib.suppress(ValueError):
        checked(pattern)
        return
    assert not meant(pattern, power=inf)
    assert not meant(pattern, mxid="keeper", power=inf)


OPERATORS = {Role.VIEWER: Subjects(("*",)), Role.OPERATOR: Subjects((ANN, "power:50", ONCALL))}
PLACE = Environment("dev", ("a",), "a")


def test_facts_are_asked_only_where_they_could_change_something():
    policy = Policy(OPERATORS, {ROOM: PLACE})
    assert policy.asks("@bob:x", ROOM) == {"power", ONCALL}
    assert policy.asks(ANN, ROOM) == set()
    assert policy.asks("webhook:ci", ROOM) == policy.asks("keeper", ROOM) == set()
    assert Policy({Role.ADMIN: Subjects(("*",))}, {ROOM: PLACE}).asks("@bob:x", ROOM) == set()
    root = Policy({**OPERATORS, Role.ADMIN: Subjects(("@root:x",))}, {ROOM: PLACE})
    assert root.asks("@root:x", ROOM) == set()
    named = (NamedRole("scaler", Subjects(("room:!1",))),)
    assert Policy(root.roles, root.rooms, named=named).asks("@root:x", ROOM) == {"room:!1"}


def test_power_is_worth_nothing_in_a_room_that_acts_on_nothing():
    """Anybody may make one, and is all-powerful there."""
    assert Policy(OPERATORS, {ROOM: PLACE}).asks("@bob:x", LOBBY) == {ONCALL}


def test_at_best_everything_unknown_speaks_for_somebody():
    person = Person("@bob:x", ROOM, unknown=(Unknown("power", "why"), Unknown(ONCALL, "why")))
    assert person.at_best() == Person("@bob:x", ROOM, inf, frozenset([ONCALL]))
    assert Person(ANN, ROOM, 5).at_best() == Person(ANN, ROOM, 5)


def test_who_is_in_a_named_role_is_a_viewer_and_no_more():
    policy = Policy(OPERATORS, named=(NamedRole("ci", Subjects(("webhook:ci",))),))
    assert policy.role(Person("webhook:ci", ROOM)) is Role.VIEWER
    assert policy.role(Person("webhook:cd", ROOM)) is Role.NOBODY
