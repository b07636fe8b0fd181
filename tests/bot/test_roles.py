"""Named roles, other environments and facts about people, from a message to its answer."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from bot.matrix.answers import Forbidden
from bot.matrix.standing import Standing
from domain.access import Environment, Policy
from domain.arguments import parse_condition
from domain.defaults import Defaults
from domain.errors import Refused, Unreachable
from domain.operations import State
from domain.people import Person, Role, Unknown
from domain.rules import NamedRole, Rule
from domain.subjects import Subjects
from fleet.errands import errand
from fleet.keeper import SENDER
from tests.fleet.world import until

from .homeserver import ANN, OTHER, ROOM
from .test_worker import BOB

SUE, ROOT, PAT = "@sue:y", "@root:x", "@pat:y"
DEV = Environment("dev", ("a",), "a", Defaults(replicas=2, gpu="none", settings=(("n", "1"),)))
PROD = Environment("prod", ("b",), "b")
LOBBY = "!lobby:x"
ONCALL = "room:#oncall:x"
SCALER = NamedRole(
    "scaler",
    Subjects((SUE, ONCALL)),
    (
        Rule(("scale",), when=(parse_condition("replicas<=4"),), origin="roles.scaler.may.0"),
        Rule(("stop",), ("prod",), origin="roles.scaler.may.1"),
    ),
)
POLICY = Policy(
    {
        Role.VIEWER: Subjects(("@*:example.org",)),
        Role.OPERATOR: Subjects((ANN, "power:50")),
        Role.ADMIN: Subjects((ROOT,)),
    },
    {ROOM: DEV, OTHER: PROD},
    environments={"dev": DEV, "prod": PROD},
    named=(SCALER,),
)


class Rooms:
    """What a homeserver says of rooms, or does not."""

    user_id = "@gantry:x"

    def __init__(self):
        self.powers, self.members, self.asked = {}, {"!oncall": {self.user_id}}, []
        self.trouble = None

    async def state(self, room, kind, key=""):
        self.asked.append((room, kind, key))
        if self.trouble:
            raise self.trouble
        if kind == "m.room.create":
            return {"sender": "@maker:x", "content": {"room_version": "12"}}
        if kind == "m.room.power_levels":
            return {"content": {"users": self.powers}}
        if room not in self.members:
            raise Forbidden("the homeserver says no")
        joined = "join" if key in self.members[room] else "leave"
        return {"content": {"membership": joined}}

    async def room_id(self, alias):
        if alias != "#oncall:x":
            raise Refused("no such alias")
        return "!oncall"


@pytest.fixture
async def rooms(desk):
    made = Rooms()
    desk.policy = POLICY
    await desk.restart()
    desk.standing = Standing(made, desk.deps.rooms).of
    await desk.crash()
    desk.open()
    return made


async def test_power_as_of_now_decides_from_one_command_to_the_next(desk, rooms, world):
    command = "!deploy tiny tiny://ops"
    assert "takes the role" in await desk.says(command, sender=PAT)
    rooms.powers[PAT] = 50
    assert "✓ tiny is live" in await desk.says(command, sender=PAT)
    rooms.powers[PAT] = 49
    assert "takes the role operator, and @pat:y has no" in await desk.says("!stop tiny", sender=PAT)
    assert "✓ tiny is stopped" in await desk.says("!stop tiny", sender="@maker:x")


async def test_who_leaves_the_room_leaves_the_role(desk, rooms):
    await desk.says("!deploy tiny tiny://ops")
    assert "takes the role" in await desk.says("!scale tiny 1", sender=PAT)
    rooms.members["!oncall"].add(PAT)
    assert "✓ tiny is live" in await desk.says("!scale tiny 1", sender=PAT)
    rooms.members["!oncall"].remove(PAT)
    assert "takes the role" in await desk.says("!scale tiny 2", sender=PAT)


@pytest.mark.parametrize("trouble", [Unreachable("no answer"), Refused("what room?")])
async def test_what_cannot_be_had_is_neither_a_grant_nor_a_denial(desk, rooms, world, trouble):
    rooms.trouble = trouble
    with capture_logs() as logs:
        told = await desk.says("!deploy tiny tiny://ops", sender=BOB)
    assert "whether you may cannot be told now: your" in told
    assert trouble.summary in told
    assert "power here cannot be looked up" in told
    assert "membership of #oncall:x cannot be looked up" in told
    assert "Nothing was done; say it again in a moment" in told
    assert [line["fact"] for line in logs if line["event"] == "fact not had"] == ["power", ONCALL]
    assert (await world.seen()).replicas == ()
    assert "pong" in await desk.says("!ping", sender=BOB)
    assert "✓ tiny is live" in await desk.says("!deploy tiny tiny://ops", sender=ANN)
    assert "Not known now: your power here" in await desk.says("!whoami", sender=BOB)
    assert "Perhaps: whether you may" in await desk.says("!can stop tiny", sender=BOB)


async def test_a_room_the_bot_is_not_in_tells_it_nothing(desk, rooms):
    """The homeserver would answer as of when it left."""
    rooms.members["!oncall"] = {PAT}
    assert "I am not in #oncall:x" in await desk.says("!scale tiny 1", sender=PAT)


async def test_nothing_is_asked_that_could_change_nothing(desk, rooms):
    for sender in (ROOT, SUE):
        await desk.says("!deploy tiny tiny://ops", sender=sender)
    assert {kind for _, kind, _ in rooms.asked} == {
        *("m.room.power_levels", "m.room.create", "m.room.member")
    }
    rooms.asked.clear()
    desk.policy = replace(POLICY, named=())
    desk.standing = None
    await desk.restart()
    standing = Standing(rooms, desk.deps.rooms)
    assert await standing.of(ANN, ROOM) == Person(ANN, ROOM)
    assert await standing.of(ROOT, ROOM) == Person(ROOT, ROOM)
    assert await standing.of(PAT, LOBBY) == Person(PAT, LOBBY)
    assert await standing.of("webhook:ci", ROOM) == Person("webhook:ci", ROOM)
    assert rooms.asked == []
    assert await standing.of(PAT, ROOM) == Person(PAT, ROOM, 0)
    assert await standing.of(PAT, ROOM) == Person(PAT, ROOM, 0)
    assert [kind for _, kind, _ in rooms.asked] == [
        *("m.room.create", "m.room.power_levels", "m.room.power_levels")
    ]


async def test_an_alias_that_stands_for_nothing_leaves_it_open(desk, rooms):
    asked = "room:#gone:x"
    desk.policy = replace(POLICY, named=(NamedRole("r", Subjects((asked,))),))
    await desk.restart()
    person = await Standing(rooms, desk.deps.rooms).of(BOB, ROOM)
    why = "your membership of #gone:x cannot be looked up: no such alias"
    assert person.unknown == (Unknown(asked, why),)


async def test_a_room_that_was_upgraded_is_asked_where_it_goes_on(desk, rooms):
    desk.policy = replace(POLICY, named=(NamedRole("r", Subjects(("room:!old",))),))
    await desk.restart()
    desk.deps.rooms.succeeded("!old", "!new")
    rooms.members = {"!old": {PAT, rooms.user_id}, "!new": {BOB, rooms.user_id}}
    standing = Standing(rooms, desk.deps.rooms)
    assert not (await standing.of(PAT, ROOM)).rooms
    assert (await standing.of(BOB, ROOM)).rooms == {"room:!old"}


async def test_a_bound_is_told_with_the_rule_that_sets_it(desk, rooms, world):
    await desk.says("!deploy tiny tiny://ops")
    told = await desk.says("!scale tiny 9", sender=SUE)
    assert "as scaler you may `scale` while replicas<=4; replicas would be 9" in told
    assert "`roles.scaler.may.0` in the configuration; who edits it or `access.operator`" in told
    assert len(await world.running()) == 2
    assert "✓ tiny is live" in await desk.says("!scale tiny 4", sender=SUE)
    assert len(await world.running()) == 4


@pytest.mark.parametrize(
    ("sender", "line", "told"),
    [
        (SUE, "scale tiny 9", "No: as scaler you may `scale` while replicas<=4; replicas would be"),
        (SUE, "scale tiny 4", "Yes: as scaler you may `scale` while replicas<=4 (`roles.scaler."),
        (SUE, "scale", "Yes: as scaler you may `scale` while replicas<=4 (`roles.scaler.may.0`)."),
        (SUE, "scale tiny 4", "It would act on a (dev). Nothing was done."),
        (SUE, "deploy --target b", "No: that takes the role operator, and @sue:y is viewer."),
        (SUE, "stop tiny", "and @sue:y is viewer; as scaler you may in prod."),
        (SUE, "stop shop --environment prod", "Yes: as scaler you may `stop` (`roles.scaler.may.1"),
        (
            ANN,
            "deploy --target b",
            "No: `b` is not a target of dev, which this room acts on. Use a",
        ),
        (ANN, "deploy --target a", "Yes: `deploy` takes the role operator, and you are operator."),
        (ANN, "stop shop --environment prod", "No: to act in prod from this room takes the role"),
        (ANN, "stop", "Yes: `stop` takes the role operator, and you are operator."),
        (ANN, "stop nothing", "But there is no service `nothing`."),
        (ROOT, "stop shop --environment prod", "Yes: `stop` takes the role operator, and you are"),
        (ROOT, "stop shop --environment prd", "there is no environment `prd`. Did you mean `prod`"),
        (ROOT, "deploy --target b", "Use a, say `--environment prod`, or ask in that target's"),
    ],
)
async def test_can_tells_the_rule_that_decides(desk, rooms, world, sender, line, told):
    await desk.says("!deploy tiny tiny://ops")
    await desk.says("!deploy shop tiny://ops", room=OTHER)
    before = await world.seen()
    assert told in await desk.says(f"!can {line}", sender=sender)
    assert (await world.seen()).replicas == before.replicas


async def test_whoami_lists_roles_and_what_they_allow(desk, rooms):
    told = await desk.says("!whoami", sender=SUE)
    assert "You are @sue:y, with the role viewer, and scaler." in told
    assert "As scaler you may `scale` while replicas<=4." in told
    assert "As scaler you may `stop`, in prod." in told
    assert "scaler" not in await desk.says("!whoami", sender=ANN)


@pytest.mark.parametrize(
    ("sender", "room", "may", "may_not"),
    [
        (SUE, ROOM, ["scale", "stop", "status"], ["deploy", "lock", "logs"]),
        (SUE, LOBBY, ["stop", "status"], ["scale", "deploy"]),
        (ANN, ROOM, ["scale", "deploy", "lock", "logs"], ["repair"]),
        (ANN, LOBBY, ["status"], ["scale", "deploy"]),
        (ROOT, LOBBY, ["scale", "deploy", "lock"], []),
        (BOB, ROOM, ["status", "infer"], ["scale", "stop"]),
    ],
)
async def test_help_shows_what_the_asker_may_say_in_this_room(
    desk, rooms, sender, room, may, may_not
):
    told = await desk.says("!help", sender=sender, room=room)
    assert [each for each in may if f"!{each}" not in told] == []
    assert [each for each in may_not if f"!{each} " in told] == []


async def test_another_environment_is_acted_in_where_a_role_allows_it(desk, rooms, world):
    command = "!deploy shop tiny://ops --environment prod"
    assert "to act in prod from this room takes" in await desk.says(command, sender=ANN)
    assert "✓ shop is live on b" in await desk.says(command, sender=ROOT)
    assert "✓ shop is stopped" in await desk.says("!stop shop --environment prod", sender=SUE)
    assert "no environment `moon`" in await desk.says("!stop shop --environment moon", sender=ROOT)
    locked = await desk.says("!lock all --environment prod", sender=ROOT)
    assert locked.startswith("✓ all of prod is locked")


async def test_what_was_deployed_into_another_environment_is_repaired_there(desk, rooms, world):
    await desk.says("!deploy shop tiny://ops --environment prod", sender=ROOT)
    async with world.store.transaction() as tx:
        wanted = await tx.services.get("shop")
    operation = errand(SENDER, "repair", wanted, world.clock.now())
    await desk.intake.file_own(operation)
    assert (await desk.ends(operation.id)).state is State.SUCCEEDED


async def test_a_new_service_is_what_its_environment_says_unless_something_else_is_said(
    desk, rooms, world
):
    told = await desk.says("!deploy tiny tiny://ops --plan")
    assert "gpu: auto → none" in told.replace("`", "")
    assert "setting n: default → 1" in told.replace("`", "")
    await desk.says("!deploy tiny tiny://ops")
    spec = await world.wanted()
    assert (spec.replicas, spec.gpu, spec.settings) == (2, "none", (("n", "1"),))
    await desk.says("!deploy own tiny://ops --replicas 1 --gpu auto --set m=2")
    spec = await world.wanted("own")
    assert (spec.replicas, spec.gpu, spec.settings) == (1, "auto", (("m", "2"), ("n", "1")))
    await desk.says("!deploy shop tiny://ops", room=OTHER)
    spec = await world.wanted("shop")
    assert (spec.replicas, spec.gpu, spec.settings) == (1, "auto", ())


async def test_what_was_begun_goes_on_after_a_restart_though_the_power_is_gone(desk, rooms, world):
    """It was permitted, and its plan is kept: to leave it half-way would help nobody."""
    rooms.powers[PAT] = 50
    world.clock.flows = False
    name = await desk.hears("!deploy tiny tiny://ops", sender=PAT)
    await until(lambda: world.clock.waiting)
    rooms.powers[PAT] = 0
    await desk.restart()
    await until(lambda: world.clock.waiting)
    world.clock.flow()
    assert (await desk.ends(name)).state is State.SUCCEEDED


async def test_others_operations_are_cancelled_in_a_room_of_their_environment(desk, rooms, world):
    rooms.powers[PAT] = 50
    world.clock.flows = False
    name = await desk.hears("!deploy tiny tiny://ops")
    rooms.trouble = Unreachable("no answer")
    assert "cannot be told now" in await desk.says(f"!cancel {name}", sender=PAT)
    rooms.trouble = None
    told = await desk.says(f"!cancel {name}", sender=PAT, room=OTHER)
    assert "cancelling it takes the role operator in dev. Say it in a room of dev" in told
    assert "is being cancelled" in await desk.says(f"!cancel {name}", sender=PAT)
    world.clock.flow()
    assert (await desk.ends(name)).state is State.CANCELLED


async def test_what_acts_elsewhere_is_cancelled_by_operators_of_there(desk, rooms, world):
    rooms.powers[PAT] = 50
    world.clock.flows = False
    name = await desk.hears("!deploy shop tiny://ops --environment prod", sender=ROOT)
    await until(lambda: world.clock.waiting)
    told = await desk.says(f"!cancel {name}", sender=ANN)
    assert "cancelling it takes the role operator in prod" in told
    assert "is being cancelled" in await desk.says(f"!cancel {name}", sender=PAT, room=OTHER)
    world.clock.flow()
    assert (await desk.ends(name)).state is State.CANCELLED


async def test_help_about_a_command_says_whether_it_is_for_the_asker(desk, rooms):
    assert "You may not say it in this room." in await desk.says("!help deploy", sender=SUE)
    assert "You may not" not in await desk.says("!help scale", sender=SUE)


async def test_a_team_changes_what_is_in_its_namespaces_and_takes_nothing_from_others(
    desk, world, rooms
):
    rule = Rule(
        ("deploy", "scale", "rollback"),
        when=(parse_condition("namespace=team-a*"),),
        origin="roles.team.may.0",
    )
    desk.policy = replace(POLICY, named=(NamedRole("team", Subjects((SUE,)), (rule,)),))
    await desk.restart()
    deploy = "!deploy mine tiny://ops --namespace"
    assert "namespace would be none" in await desk.says("!deploy mine tiny://ops", sender=SUE)
    assert "namespace would be team-b" in await desk.says(f"{deploy} team-b", sender=SUE)
    assert "✓ mine is live" in await desk.says(f"{deploy} team-a1", sender=SUE)
    assert "✓ mine is live" in await desk.says("!deploy mine --namespace team-a2", sender=SUE)
    assert "namespace would be none" in await desk.says("!deploy mine --namespace none", sender=SUE)

    await desk.says("!deploy theirs tiny://ops --namespace team-a")
    await desk.says("!deploy theirs --namespace team-b")
    before = await world.wanted("theirs")
    taking = "!deploy theirs --namespace team-a"
    for command in (taking, "!rollback theirs 1"):
        told = await desk.says(command, sender=SUE)
        assert "while namespace=team-a*; namespace is team-b now" in told, command
        assert "That is `roles.team.may.0` in the configuration" in told
    assert "namespace is team-b now" in await desk.says(f"!can {taking[1:]}", sender=SUE)
    assert "namespace would be team-b" in await desk.says("!scale theirs 3", sender=SUE)
    assert await world.wanted("theirs") == before

    wider = Rule(("deploy",), when=(parse_condition("namespace=team-*"),), origin="roles.all.may.0")
    both = (*desk.policy.named, NamedRole("all", Subjects((SUE,)), (wider,)))
    desk.policy = replace(desk.policy, named=both)
    await desk.restart()
    assert "`roles.all.may.0`" in await desk.says(f"!can {taking[1:]}", sender=SUE)
