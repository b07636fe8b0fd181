"""Who may say what, and where. Default deny."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from commands.access import Permit, own_permit, permit
from commands.grammar import Parsed
from commands.help import detail, overview
from commands.replies import Table, plain
from commands.verbs import all_verbs
from domain.access import Environment, Policy, Subjects
from domain.errors import NotPermitted
from domain.operations import Operation
from domain.people import Person, Role

ROOM, ELSEWHERE = "!ops:example.org", "!lobby:example.org"
PROD = Environment("prod", ("eu", "us"), "eu")
POLICY = Policy(
    {
        Role.VIEWER: Subjects(("@*:example.org",)),
        Role.OPERATOR: Subjects(("@ann:example.org",)),
        Role.ADMIN: Subjects(("@root:example.org",)),
    },
    {ROOM: PROD},
)
PEOPLE = {
    Role.NOBODY: "@ann:evil.org",
    Role.VIEWER: "@bob:example.org",
    Role.OPERATOR: "@ann:example.org",
    Role.ADMIN: "@root:example.org",
}
LOOKING = {"infer", "status", "history", "diff", "ops", "cancel", "targets", "can", "locks"}
LOOKING |= {"ping", "whoami", "version", "help"}
CHANGING = {"deploy", "scale", "stop", "restart", "remove", "rollback", "repair"}
VERBS = all_verbs()


def asked_by(sender, room=ROOM):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Operation("k3x9ab", "$1", room, sender, "deploy tiny", at, changes=True)


def allowed(role, verb, policy=POLICY):
    try:
        return permit(asked_by(PEOPLE[role]), VERBS[verb].role, policy).role is role
    except NotPermitted:
        return False


@pytest.mark.parametrize("verb", list(VERBS))
@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_say_what_it_is_for(role, verb):
    least = Role.VIEWER if verb in LOOKING else Role.OPERATOR
    assert allowed(role, verb) is (role >= least)


def test_whatever_changes_something_takes_an_operator():
    assert {name for name, verb in VERBS.items() if verb.changes} == CHANGING
    assert all(VERBS[name].role >= Role.OPERATOR for name in CHANGING)


@pytest.mark.parametrize("verb", list(VERBS))
@pytest.mark.parametrize("role", list(Role))
def test_a_policy_that_lists_nobody_lets_nobody_do_anything(role, verb):
    assert not allowed(role, verb, Policy({}, {ROOM: PROD}))


@pytest.mark.parametrize(
    ("sender", "is_"), [(PEOPLE[Role.VIEWER], "is viewer"), (PEOPLE[Role.NOBODY], "has no role")]
)
def test_a_refusal_names_the_missing_role_and_who_can_grant_it(sender, is_):
    with pytest.raises(NotPermitted) as caught:
        permit(asked_by(sender), Role.OPERATOR, POLICY)
    assert "takes the role operator" in caught.value.summary
    assert f"{sender} {is_}" in caught.value.summary
    assert "`access.operator`" in caught.value.hint


def test_a_permit_cannot_be_made_by_hand():
    person = Person(PEOPLE[Role.ADMIN], ROOM)
    with pytest.raises(TypeError, match=r"only commands\.access"):
        Permit(person, Role.ADMIN, PROD, asked_by(person.mxid), object())
    with pytest.raises(TypeError):
        Permit(person, Role.ADMIN, PROD, asked_by(person.mxid))


def test_a_permit_says_who_as_what_and_where():
    given = permit(asked_by(PEOPLE[Role.OPERATOR]), Role.VIEWER, POLICY)
    assert given.person == Person(PEOPLE[Role.OPERATOR], ROOM)
    assert given.role is Role.OPERATOR
    assert given.place == PROD
    assert given.operation == asked_by(PEOPLE[Role.OPERATOR])


def test_an_environment_limits_even_an_admin():
    given = permit(asked_by(PEOPLE[Role.ADMIN]), Role.OPERATOR, POLICY)
    given.allow([])
    given.allow(["eu", "us"])
    with pytest.raises(NotPermitted) as caught:
        given.allow(["eu", "mars"])
    assert "`mars` is not a target of prod" in caught.value.summary
    assert "eu or us" in caught.value.hint


def test_a_room_without_an_environment_changes_nothing_even_for_an_admin():
    given = permit(asked_by(PEOPLE[Role.ADMIN], ELSEWHERE), Role.OPERATOR, POLICY)
    for attempt in (lambda: given.place, lambda: given.allow(["eu"])):
        with pytest.raises(NotPermitted, match="bound to no environment"):
            attempt()


def test_the_bots_own_operations_are_an_operators_of_their_room():
    own = own_permit(asked_by("keeper"), POLICY)
    assert (own.role, own.place) == (Role.OPERATOR, PROD)
    with pytest.raises(NotPermitted):
        own.allow(["mars"])
    with pytest.raises(NotPermitted):
        own_permit(asked_by("keeper", ELSEWHERE), POLICY).allow(["eu"])


@pytest.mark.parametrize("role", list(Role))
def test_help_lists_what_one_may_say_and_nothing_hidden(role):
    (table, _) = overview(VERBS, role)
    assert isinstance(table, Table)
    listed = {row[0].strip("`!").split()[0] for row in table.rows}
    assert listed == {name for name in VERBS if allowed(role, name)} - {"repair"}


def test_help_about_one_command_tells_options_examples_and_the_role_it_takes():
    told = plain(detail(VERBS["deploy"]))
    verb = VERBS["deploy"]
    for words in ("`!deploy NAME [SOURCE]", "--replicas N", "role operator", *verb.examples):
        assert words in told


def weighed(verb, vouched, device="PHONE", **rules):
    """Whether an operator may say something, by device; the hint if not."""
    operation = replace(asked_by(PEOPLE[Role.OPERATOR]), vouched=vouched, device=device)
    policy = replace(POLICY, **rules)
    try:
        permit(operation, VERBS[verb].role, policy, alters=Parsed(VERBS[verb], None).alters)
    except NotPermitted as error:
        return error.hint
    return ""


@pytest.mark.parametrize("verb", sorted({*CHANGING, "lock", "unlock"}))
def test_what_alters_something_takes_a_device_that_is_vouched_for_where_that_is_set(verb):
    assert "verify that session" in weighed(verb, vouched=False, vouched_only=True)
    assert "encrypted room" in weighed(verb, vouched=False, device=None, vouched_only=True)
    assert not weighed(verb, vouched=True, vouched_only=True)
    assert not weighed(verb, vouched=False)


@pytest.mark.parametrize("verb", sorted(LOOKING | {"logs"}))
def test_looking_and_cancelling_take_any_device(verb):
    assert not weighed(verb, vouched=False, vouched_only=True)


def test_the_bots_own_repairs_come_from_no_device():
    policy = replace(POLICY, vouched_only=True)
    assert own_permit(asked_by("@gantry:example.org"), policy).role is Role.OPERATOR
