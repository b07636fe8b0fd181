"""Who may do what to what, where and to which end: subjects x commands x rooms x targets x
arguments, each with the reason that is given."""

from dataclasses import replace

import pytest

from commands.access import own_permit, permit
from commands.grammar import Grammar
from commands.verbs import all_verbs
from domain.access import Environment, Policy
from domain.arguments import parse_condition
from domain.backends import Backend
from domain.errors import NotPermitted, RequestError, Undecided
from domain.operations import Operation
from domain.people import Person, Role, Unknown
from domain.routes import Member, Route
from domain.rules import COMMANDS, NamedRole, Rule
from domain.subjects import Subjects
from fleet.store.services import Wanted
from tests.fleet.world import spec

DEV = Environment("dev", ("gpu-1", "gpu-2", "cpu"), "gpu-1")
PROD = Environment("prod", ("eu",), "eu")
LAB, SHOP, LOBBY = "!lab:x", "!shop:x", "!lobby:x"
ONCALL = "room:#oncall:x"


def rule(role, number, commands, *when, environments=None, targets=("*",)):
    made = tuple(map(parse_condition, when))
    return Rule(tuple(commands.split()), environments, targets, made, f"roles.{role}.may.{number}")


POLICY = Policy(
    {
        Role.VIEWER: Subjects(("@*:x",)),
        Role.OPERATOR: Subjects(("@ann:x", "power:50", "webhook:cd")),
        Role.ADMIN: Subjects(("@root:x",)),
    },
    {LAB: DEV, SHOP: PROD},
    environments={"dev": DEV, "prod": PROD},
    named=(
        NamedRole(
            "scaler",
            Subjects(("@sue:*", ONCALL)),
            (
                rule("scaler", 0, "scale restart lock", "replicas<=4", targets=("gpu-*",)),
                rule("scaler", 1, "deploy", "source=hf://org/*", "gpu=none"),
                rule("scaler", 2, "stop", environments=("prod",)),
            ),
        ),
        NamedRole("builds", Subjects(("webhook:ci",)), (rule("builds", 0, "deploy rollback"),)),
        NamedRole("keys", Subjects(("@kim:x",)), (rule("keys", 0, "*", environments=("*",)),)),
    ),
)
GRAMMAR = Grammar(all_verbs())
BOB, ANN, ROOT, KIM = "@bob:x", "@ann:x", "@root:x", "@kim:x"
SUE, EVE = "@sue:y", "@eve:y"
POTENT = Person("@pat:x", "", power=50)
WEAK = Person("@pat:x", "", power=49)
AWAY = Person("@pat:x", "", unknown=(Unknown("power", "the homeserver is away"),))
ONCALLER = Person("@olaf:y", "", rooms=frozenset([ONCALL]))
LOST = Person("@olaf:y", "", unknown=(Unknown(ONCALL, "I am not in #oncall:x"),))


@pytest.fixture
async def deps(desk, world):
    """Services `tiny` and `big` in dev, `shop` in prod; `gone` had nine replicas in dev."""
    world.deployers |= {name: world.target(name) for name in (*DEV.targets, *PROD.targets)}
    await desk.restart()
    running = [
        (LAB, spec(name="tiny", **{"gpu-1": 1})),
        (LAB, spec(name="slow", cpu=1)),
        (LAB, spec(name="big", **{"gpu-1": 2, "gpu-2": 7})),
        (SHOP, spec(name="shop", eu=1)),
        (LAB, spec(name="gone", **{"gpu-1": 9})),
    ]
    async with world.store.transaction() as tx:
        for room, each in running:
            await tx.services.put(Wanted(each, room, "op", world.clock.now()))
        await tx.services.remove("gone")
    return desk.deps


async def verdict(deps, who, room, line):
    """ "yes", or why not, as the handler would find it."""
    person = replace(who, room=room) if isinstance(who, Person) else Person(who, room)
    parsed = GRAMMAR.parse(line)
    said = Operation("op", "$1", room, person.mxid, line, deps.clock.now(), parsed.changes)
    try:
        given = permit(
            said,
            parsed.role,
            POLICY,
            command=parsed.verb.name,
            environment=parsed.environment,
            person=person,
        )
        if parsed.verb.weigh:
            await parsed.verb.weigh(parsed.request, given, deps)
    except NotPermitted as error:
        return f"no: {error.summary}. {error.hint}"
    except Undecided as error:
        return f"perhaps: {error.summary}. {error.hint}"
    return "yes"


OPERATOR = "no: that takes the role operator, and "
SCALE = "no: as scaler you may `scale` on gpu-* while replicas<=4; "
RESTART, LOCK = SCALE.replace("scale`", "restart`"), SCALE.replace("scale`", "lock`")
UNKNOWN = "perhaps: whether you may cannot be told now: "
DEPLOY = "no: as scaler you may `deploy` while source=hf://org/* and gpu=none; "
FOREIGN = "no: `eu` is not a target of dev, which this room acts on"
TO_PROD = "no: to act in prod from this room takes the role admin, and "
UNBOUND = "no: this room is bound to no environment"
HF = "hf://org/m/m.gguf"
OTHER = "hf://other/m/m.gguf"

MATRIX = [
    # nobody
    (EVE, LAB, "ping", "no: that takes the role viewer, and @eve:y has no role here"),
    (EVE, LAB, "scale tiny 2", OPERATOR + "@eve:y has no role here. who edits `access.operator`"),
    (EVE, LAB, "scale tiny 2 --plan", "no: that takes the role viewer"),
    ("@ann:y", LAB, "scale tiny 2", OPERATOR),
    ("keeper", LAB, "scale tiny 2", OPERATOR + "keeper has no role here"),
    ("webhook:other", LAB, "scale tiny 2", OPERATOR),
    # viewers
    (BOB, LAB, "ping", "yes"),
    (BOB, LOBBY, "ping", "yes"),
    (BOB, LAB, "scale tiny 2", OPERATOR + "@bob:x is viewer"),
    (BOB, LAB, "scale tiny 2 --plan", "yes"),
    (BOB, LAB, "stop shop --plan --environment prod", "yes"),
    (BOB, LAB, "stop shop --environment prod", TO_PROD + "@bob:x is viewer"),
    # operators: everything, in the environment of the room
    (ANN, LAB, "scale tiny 64", "yes"),
    (ANN, LAB, f"deploy new {OTHER} --target cpu:3", "yes"),
    (ANN, LAB, "rollback gone", "yes"),
    (ANN, LAB, "lock all", "yes"),
    (ANN, LAB, "lock eu", FOREIGN),
    (ANN, LAB, "stop shop", FOREIGN),
    (ANN, LAB, f"deploy tiny {OTHER} --target eu", FOREIGN),
    (ANN, LAB, f"deploy new {OTHER} --target gpu-1,eu", FOREIGN),
    (ANN, SHOP, "stop shop", "yes"),
    (ANN, SHOP, "stop tiny", "no: `gpu-1` is not a target of prod"),
    (ANN, LAB, "stop shop --environment prod", TO_PROD + "@ann:x is operator"),
    (ANN, LAB, "stop tiny --environment dev", "yes"),
    (ANN, LOBBY, "stop tiny", UNBOUND),
    (ANN, LOBBY, "stop tiny --environment dev", "no: to act in dev from this room takes the role"),
    ("webhook:cd", LAB, "restart tiny", "yes"),
    # power: in rooms that act on something, the facts being as of now
    (POTENT, LAB, "restart tiny", "yes"),
    (POTENT, SHOP, "restart tiny", "no: `gpu-1` is not a target of prod"),
    (POTENT, SHOP, "restart tiny --environment dev", "no: to act in dev from this room takes"),
    (WEAK, LAB, "restart tiny", OPERATOR + "@pat:x is viewer"),
    (AWAY, LAB, "restart tiny", UNKNOWN + "the homeserver is away"),
    (AWAY, LAB, "ping", "yes"),
    (AWAY, LAB, "stop shop", UNKNOWN),
    (AWAY, LAB, "stop shop --environment prod", TO_PROD),
    # admins: everywhere
    (ROOT, LAB, "stop shop --environment prod", "yes"),
    (ROOT, LAB, "stop shop", FOREIGN + ". use gpu-1 or gpu-2 or cpu, say `--environment prod`"),
    (ROOT, LAB, "stop tiny --environment prod", "no: `gpu-1` is not a target of prod. use eu"),
    (ROOT, LOBBY, "stop tiny --environment dev", "yes"),
    (ROOT, LOBBY, "stop tiny", UNBOUND),
    # named roles: commands, targets, arguments, environments
    (SUE, LAB, "ping", "yes"),
    (SUE, LAB, "scale tiny 4", "yes"),
    (SUE, LAB, "scale tiny 9", SCALE + "replicas would be 9. that is `roles.scaler.may.0`"),
    (SUE, LAB, "scale tiny 9 --plan", "yes"),
    (SUE, LAB, "scale slow 1", SCALE + "this is on cpu."),
    (SUE, LAB, "scale slow 9", SCALE + "this is on cpu and replicas would be 9."),
    (SUE, LAB, "scale big 0", "yes"),
    (SUE, LAB, "restart big", RESTART + "replicas would be 9"),
    (SUE, LAB, "remove tiny", OPERATOR + "@sue:y is viewer"),
    (SUE, LAB, "rollback gone", OPERATOR + "@sue:y is viewer"),
    (SUE, LAB, "lock tiny", "yes"),
    (SUE, LAB, "lock big", LOCK + "replicas would be 9"),
    (SUE, LAB, "lock all", LOCK + "this is on cpu and this is not about one"),
    (SUE, LAB, "lock gpu-1", LOCK + "this is not about one service"),
    (SUE, LAB, "unlock tiny", OPERATOR),
    (SUE, LAB, f"deploy new {HF} --gpu none", "yes"),
    (SUE, LAB, f"deploy new {HF}", DEPLOY + "gpu would be auto."),
    (SUE, LAB, f"deploy new {OTHER} --gpu none", DEPLOY + f"source would be {OTHER}."),
    (SUE, LAB, "deploy tiny --gpu none", DEPLOY + "source would be tiny://ops."),
    (SUE, LAB, f"deploy tiny {HF} --gpu none --target cpu:64", "yes"),
    (SUE, LAB, f"deploy new {HF} --gpu none --target eu", FOREIGN),
    (SUE, LAB, "stop tiny", OPERATOR + "@sue:y is viewer; as scaler you may in prod"),
    (SUE, LAB, "stop shop --environment prod", "yes"),
    (SUE, SHOP, "stop shop", "yes"),
    (SUE, SHOP, "scale shop 1", SCALE + "this is on eu."),
    (SUE, SHOP, "scale tiny 1 --environment dev", "no: to act in dev from this room takes the role "
        "admin, and @sue:y is viewer; as scaler you may in the room's own environment"),
    (SUE, LOBBY, "scale tiny 1", OPERATOR),
    (SUE, LOBBY, "stop shop --environment prod", "yes"),
    (ONCALLER, LAB, "scale tiny 4", "yes"),
    (ONCALLER, LAB, "scale tiny 9", SCALE),
    (LOST, LAB, "scale tiny 4", UNKNOWN + "I am not in #oncall:x"),
    (LOST, LAB, "scale tiny 9", "perhaps: "),
    (LOST, LAB, "remove tiny", OPERATOR),
    (LOST, LAB, "ping", "perhaps: "),
    # roles of senders without an account, and of all commands everywhere
    ("webhook:ci", LAB, f"deploy new {OTHER} --replicas 64", "yes"),
    ("webhook:ci", LAB, "rollback gone", "yes"),
    ("webhook:ci", LAB, "stop tiny", OPERATOR + "webhook:ci is viewer"),
    (KIM, LAB, "remove shop --environment prod", "yes"),
    (KIM, LAB, "unlock all", "yes"),
    (KIM, LOBBY, "remove shop", OPERATOR + "@kim:x is viewer; as keys you may in every"),
    (KIM, LAB, "repair tiny", OPERATOR),
    # logs, of what is there and of what is no more
    (BOB, LAB, "logs tiny", OPERATOR),
    (ANN, LAB, "logs shop", "yes"),
    (ANN, LOBBY, "logs tiny", "yes"),
    (SUE, LAB, "logs tiny", OPERATOR),
    (KIM, LAB, "logs tiny", "yes"),
    (KIM, LAB, "logs shop", FOREIGN),
    (KIM, LAB, "logs forgotten", "yes"),
    (KIM, LOBBY, "logs tiny", OPERATOR),
    (BOB, LAB, "batch tiny", OPERATOR),
    (ANN, LAB, "batch shop", "yes"),
    (ANN, LOBBY, "batch tiny", "yes"),
    (KIM, LAB, "batch tiny", "yes"),
    (KIM, LAB, "batch shop", FOREIGN),
    (KIM, LAB, "batch studio/small", "yes"),
]  # fmt: skip


@pytest.mark.parametrize(("who", "room", "line", "expected"), MATRIX)
async def test_the_verdict_and_its_reason(deps, who, room, line, expected):
    assert (await verdict(deps, who, room, line)).startswith(expected)


@pytest.mark.parametrize(
    "line",
    [
        "scale tiny 5",
        "scale gone 1",
        "deploy tiny --replicas 5",
        "deploy tiny --target gpu-1:5",
        "deploy tiny --target gpu-1:2,gpu-2:3",
        "deploy big",
        "deploy big --ctx 512",
        "deploy new tiny://ops --target gpu-2:5",
        "rollback gone",
        "restart big",
    ],
)
async def test_a_bound_holds_for_the_outcome_however_it_is_said(deps, line):
    bounded = rule("r", 0, "*", "replicas<=4")
    policy = replace(POLICY, named=(NamedRole("r", Subjects((SUE,)), (bounded,)),))
    parsed = GRAMMAR.parse(line)
    said = Operation("op", "$1", LAB, SUE, line, deps.clock.now(), changes=True)
    given = permit(said, parsed.role, policy, command=parsed.verb.name)
    with pytest.raises(RequestError) as caught:
        await parsed.verb.weigh(parsed.request, given, deps)
    assert isinstance(caught.value, NotPermitted) or "no service `gone`" in caught.value.summary
    operator = own_permit(replace(said, sender="keeper"), POLICY)
    if line != "scale gone 1":
        await parsed.verb.weigh(parsed.request, operator, deps)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("batch tiny", "yes"),
        ("batch big", "replicas would be 9"),
        ("batch studio", "this is not about one service"),
        ("batch chat", "this is not about one service"),
        ("batch far", "not a target of dev"),
    ],
)
async def test_whom_a_batch_may_ask_by_a_rule_with_bounds(deps, desk, line, told):
    routes = {"chat": ("tiny", "big"), "far": ("tiny", "shop")}
    desk.router.routes = {
        name: Route(name, tuple(map(Member, members))) for name, members in routes.items()
    }
    for name in ("tiny", "big", "shop"):
        desk.world.endpoints.expect(name, 1)
    desk.world.endpoints.admit_backend(Backend("studio", "openai", "http://studio"))
    bounded = rule("r", 0, "batch", "replicas<=4")
    policy = replace(POLICY, named=(NamedRole("r", Subjects((SUE,)), (bounded,)),))
    parsed = GRAMMAR.parse(line)
    said = Operation("op", "$1", LAB, SUE, line, deps.clock.now(), changes=False)
    given = permit(said, parsed.role, policy, command=parsed.verb.name)
    try:
        await parsed.verb.weigh(parsed.request, given, deps)
    except NotPermitted as error:
        verdict = error.summary
    else:
        verdict = "yes"
    assert told in verdict


def test_what_a_role_can_be_given_is_what_takes_more_than_a_viewer():
    verbs = all_verbs().values()
    assert set(COMMANDS) == {v.name for v in verbs if v.role is Role.OPERATOR and not v.hidden}
    assert all(verb.weigh for verb in verbs if verb.name in COMMANDS)


EVERY = [
    "deploy tiny --ctx 128",
    "scale tiny 2",
    "stop tiny",
    "restart tiny",
    "remove tiny",
    "rollback gone",
    "keep tiny",
    "lock tiny",
    "lock all",
    "unlock tiny",
    "unlock all",
    "unlock forgotten",
    "logs tiny",
    "logs forgotten",
    "where tiny://ops",
    "batch tiny",
]


@pytest.mark.parametrize("line", EVERY)
async def test_no_handler_goes_on_where_the_weighing_says_no(deps, desk, world, line):
    """A role that lets somebody begin every command, and end none, for its targets fit nothing."""
    nothing = Rule(("*",), targets=("mars",))
    named = (NamedRole("r", Subjects((SUE,)), (nothing, rule("r", 1, "*", "replicas>=64"))),)
    desk.policy = replace(POLICY, named=named)
    await desk.restart()
    before = await everything(world)
    assert {line.split()[0] for line in EVERY} == set(COMMANDS)
    assert "as r you may" in await desk.says(f"!{line}", sender=SUE, room=LAB)
    assert await everything(world) == before


async def everything(world):
    async with world.store.transaction() as tx:
        return await tx.services.all(), await tx.locks.active(world.clock.now())
