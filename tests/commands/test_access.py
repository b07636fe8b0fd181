"""Who may say what, and where. Default deny."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.access import Permit, own_permit, permit
from commands.grammar import Parsed
from commands.help import detail, overview
from commands.replies import Table, plain
from commands.verbs import all_verbs
from domain.access import Environment, Policy
from domain.errors import NotPermitted
from domain.operations import Operation
from domain.people import Person, Role
from domain.rules import NamedRole, Rule
from domain.subjects import Subjects

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
LOOKING |= {"usage", "ping", "whoami", "version", "help", "approve", "deny", "apply"}
CHANGING = {"deploy", "scale", "stop", "restart", "remove", "rollback", "repair", "apply"}
CHANGING |= {"expire"}
FOR_ADMINS = {"audit", "key"}
ALTERING = {*CHANGING, "lock", "unlock", "keep", "approve", "key"}
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
    least = Role.ADMIN if verb in FOR_ADMINS else least
    assert allowed(role, verb) is (role >= least)


def test_whatever_changes_something_takes_an_operator():
    assert {name for name, verb in VERBS.items() if verb.changes} == CHANGING
    judged_by_the_planned_command = {"apply"}
    for name in CHANGING - judged_by_the_planned_command:
        assert VERBS[name].role >= Role.OPERATOR


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


def test_what_is_known_of_somebody_else_or_of_another_room_gives_no_leave():
    for other in (Person(PEOPLE[Role.ADMIN], ROOM), Person(PEOPLE[Role.VIEWER], ELSEWHERE)):
        with pytest.raises(TypeError, match="somebody else"):
            permit(asked_by(PEOPLE[Role.VIEWER]), Role.VIEWER, POLICY, person=other)


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


def test_the_bots_own_operations_are_an_operators_of_any_environment():
    """What was deployed from another room with `--environment` is repaired as well."""
    own = own_permit(asked_by("keeper"), POLICY)
    assert (own.role, own.place) == (Role.OPERATOR, PROD)
    own_permit(asked_by("keeper", ELSEWHERE), POLICY).allow(["eu"])
    for room in (ROOM, ELSEWHERE):
        with pytest.raises(NotPermitted):
            own_permit(asked_by("keeper", room), POLICY).allow(["mars"])


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ADMIN])
def test_help_lists_what_one_may_say_and_nothing_hidden(role):
    (table, _) = overview(VERBS, permit(asked_by(PEOPLE[role]), Role.VIEWER, POLICY))
    assert isinstance(table, Table)
    listed = {row[0].strip("`!").split()[0] for row in table.rows}
    assert listed == {name for name in VERBS if allowed(role, name)} - {"repair", "expire"}


def test_help_about_one_command_tells_options_examples_and_the_role_it_takes():
    told = plain(detail(VERBS["deploy"]))
    verb = VERBS["deploy"]
    for words in ("`!deploy NAME [SOURCE]", "--replicas N", "role operator", *verb.examples):
        assert words in told


def test_a_permit_holds_built_in_roles_by_order_and_named_ones_by_membership():
    named = (NamedRole("oncall", Subjects(("@bob:example.org",))), NamedRole("leads", Subjects()))
    policy = Policy(POLICY.roles, POLICY.rooms, named=named)
    bob = permit(asked_by(PEOPLE[Role.VIEWER]), Role.VIEWER, policy)
    root = permit(asked_by(PEOPLE[Role.ADMIN]), Role.VIEWER, policy)
    held = {role for role in ("viewer", "operator", "admin", "oncall", "leads") if bob.holds(role)}
    assert held == {"viewer", "oncall"}
    assert root.holds("operator")
    assert not root.holds("oncall")
    assert not root.holds("nobody")
    assert not root.holds("")


PATTERNS = ["@*:in.org", "@ann:in.org", "*:in.org", "power:50", "power:1", "room:#on:in.org"]
PATTERNS += ["room:!1", "webhook:*", "schedule:ci", "ann", "keeper*", "**", "@", "", "."]
lists = st.lists(st.sampled_from(PATTERNS), max_size=4).map(tuple).map(Subjects)
rules = st.builds(
    Rule,
    st.lists(st.sampled_from(["*", "deploy", "stop", "logs"]), min_size=1).map(tuple),
    st.sampled_from([None, ("*",), ("prod",)]),
)
policies = st.builds(
    Policy,
    st.dictionaries(st.sampled_from(list(Role)[1:]), lists),
    st.sampled_from([{}, {ROOM: PROD}]),
    st.sampled_from([None, PROD]),
    st.just({"prod": PROD}),
    st.lists(st.builds(NamedRole, st.just("r"), lists, st.lists(rules).map(tuple))).map(tuple),
)
strangers = st.builds(
    Person,
    st.text(max_size=12)
    .filter(lambda text: not text.startswith(("webhook:", "schedule:ci")))
    .map(lambda text: text.replace(":in.org", "") + ":out.org")
    | st.just("keeper")
    | st.just("@ann:in.org:out.org"),
    st.sampled_from([ROOM, ELSEWHERE]),
    st.none() | st.floats(max_value=0.5, allow_nan=False),
    st.frozensets(st.sampled_from(["room:#other:in.org", "room:!12", "!1", "power:50"])),
)
changing = st.sampled_from([verb for verb in VERBS.values() if verb.role > Role.VIEWER])


@given(policies, strangers, changing, st.sampled_from([None, "prod"]))
def test_who_is_in_no_list_never_gets_leave_to_change_anything(policy, person, verb, environment):
    said = asked_by(person.mxid, person.room)
    for command in (verb.name, ""):
        with pytest.raises(NotPermitted):
            permit(said, verb.role, policy, command=command, environment=environment, person=person)
    assert policy.role(person) is Role.NOBODY
    begun = permit(said, verb.role, policy, command=verb.name, person=person, begun=True)
    with pytest.raises(NotPermitted):
        begun.allow(PROD.targets)


def weighed(verb, vouched, device="PHONE", **rules):
    """Whether who has the role for it may say something, by device; the hint if not."""
    role = Role.ADMIN if verb in FOR_ADMINS else Role.OPERATOR
    operation = replace(asked_by(PEOPLE[role]), vouched=vouched, device=device)
    policy = replace(POLICY, **rules)
    try:
        permit(operation, VERBS[verb].role, policy, alters=Parsed(VERBS[verb], None).alters)
    except NotPermitted as error:
        return error.hint
    return ""


@pytest.mark.parametrize("verb", sorted(ALTERING))
def test_what_alters_something_takes_a_device_that_is_vouched_for_where_that_is_set(verb):
    assert "verify that session" in weighed(verb, vouched=False, vouched_only=True)
    assert "encrypted room" in weighed(verb, vouched=False, device=None, vouched_only=True)
    assert not weighed(verb, vouched=True, vouched_only=True)
    assert not weighed(verb, vouched=False)


@pytest.mark.parametrize("verb", sorted((LOOKING | {"logs"}) - ALTERING))
def test_looking_and_cancelling_take_any_device(verb):
    assert not weighed(verb, vouched=False, vouched_only=True)


def test_the_bots_own_repairs_come_from_no_device():
    policy = replace(POLICY, vouched_only=True)
    assert own_permit(asked_by("@gantry:example.org"), policy).role is Role.OPERATOR
