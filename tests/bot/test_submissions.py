"""Webhooks and schedules: what asks without an account goes the way of everybody else."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.ending import Ending
from bot.keeping import question
from bot.matrix.content import attributed
from bot.submissions import Submission
from commands.replies import Reply, Verbatim
from commands.verbs import all_verbs
from domain.access import Policy
from domain.arguments import parse_condition
from domain.chain import verify
from domain.decisions import Approval, Question, objection
from domain.errors import Refused
from domain.expiries import Expiry
from domain.operations import Operation, State
from domain.people import Actor, Role
from domain.rules import NamedRole, Rule
from domain.subjects import Subjects
from tests.fleet.world import until

from .desk import POLICY, PROD
from .homeserver import ANN, OTHER, ROOM
from .test_decisions import over, waits
from .test_worker import BOB

CI, NIGHTLY = "webhook:ci", "schedule:nightly"
BOTH = pytest.mark.parametrize("actor", [CI, NIGHTLY])
TRUSTED = Policy(
    {
        Role.VIEWER: Subjects(("@*:example.org",)),
        Role.OPERATOR: Subjects((ANN, BOB, CI, NIGHTLY)),
    },
    {ROOM: PROD},
)
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def tiny(desk):
    """A service of Ann's; webhook and schedule are operators."""
    allow(desk, TRUSTED)
    await desk.says("!deploy tiny tiny://ops")


def allow(desk, policy):
    """Have that policy from now on."""
    desk.policy = policy
    desk.deps.rooms.__init__(policy)


async def done(desk, actor, text, **more):
    """What it came to, once it and what there was to say had ended."""
    return await desk.ends((await desk.submits(actor, text, **more)).id)


async def records(desk):
    async with desk.world.store.transaction() as tx:
        entries = await tx.audit.after(0, 1000)
    assert verify(entries) is None
    return [entry.record for entry in entries]


def contents(homeserver, room=ROOM):
    """What stands in a room in the end, a message each."""
    latest = {}
    for event_id, where, content in homeserver.events.values():
        relation = content.get("m.relates_to", {})
        edited = relation["event_id"] if relation.get("rel_type") == "m.replace" else None
        if where == room:
            latest[edited or event_id] = content.get("m.new_content", content)
    return list(latest.values())


@BOTH
async def test_what_it_asks_for_is_done_and_told_in_its_name(desk, world, homeserver, actor):
    allow(desk, TRUSTED)
    operation = await done(desk, actor, "deploy tiny tiny://ops", delivery="d1")
    assert (operation.state, operation.sender) == (State.SUCCEEDED, actor)
    assert (operation.changes, operation.service) == (True, "tiny")
    assert len(await world.running()) == 1
    (content,) = contents(homeserver)
    assert content["body"].startswith(f"{actor}: ✓ tiny is live on a: 1 replica")
    assert (content["msgtype"], content["m.mentions"]) == ("m.notice", {})
    assert "m.relates_to" not in content
    (record,) = await records(desk)
    assert (record.mxid, record.room, record.event) == (actor, ROOM, None)
    assert (record.verb, record.arguments, record.outcome) == (
        "deploy",
        "tiny tiny://ops",
        "succeeded",
    )
    assert record.operation == operation.id
    assert actor in await desk.says("!ops")


@BOTH
async def test_who_is_in_no_list_may_nothing(desk, world, actor):
    """`*` among the viewers is every account, and no webhook is one."""
    wide = Policy({Role.OPERATOR: Subjects(("*", "power:-1"))}, {ROOM: PROD})
    allow(desk, wide)
    for text in ("deploy tiny tiny://ops", "status", "lock a"):
        operation = await done(desk, actor, text)
        assert operation.state is State.FAILED
        assert f"and {actor} has no role here" in operation.summary
    assert await world.wanted() is None
    assert [(each.mxid, each.outcome) for each in await records(desk)] == [(actor, "denied")] * 3


@BOTH
async def test_a_role_of_its_own_lets_through_what_its_rules_do(desk, world, actor):
    rule = Rule(("deploy",), when=(parse_condition("service=preview-*"),), origin="roles.b.may.0")
    allow(desk, replace(POLICY, named=(NamedRole("builds", Subjects((actor,)), (rule,)),)))
    operation = await done(desk, actor, "deploy preview-1 tiny://ops")
    assert operation.state is State.SUCCEEDED
    operation = await done(desk, actor, "deploy tiny tiny://ops")
    assert "while service=preview-*; service would be tiny" in operation.summary
    assert (await done(desk, actor, "stop preview-1")).state is State.FAILED
    assert len(await world.running(name="preview-1")) == 1


async def test_a_room_without_an_environment_has_nothing_to_change(desk):
    allow(desk, TRUSTED)
    operation = await done(desk, CI, "deploy tiny tiny://ops", room=OTHER)
    assert "bound to no environment" in operation.summary


@BOTH
@pytest.mark.parametrize("scope", ["tiny", "a", "all"])
async def test_what_is_locked_is_left_alone(desk, world, tiny, actor, scope):
    await desk.says(f'!lock {scope} --reason "demo at three" --for 2h')
    locked = "all of prod" if scope == "all" else scope
    before, running = await world.wanted(), await world.running()
    for text in ("scale tiny 2", "restart tiny", "stop tiny", "remove tiny", "repair tiny"):
        operation = await done(desk, actor, text)
        assert operation.state is State.FAILED
        assert f"{locked} is locked by {ANN} since 01 Jan 00:00 UTC" in operation.summary
        assert "until 01 Jan 02:00 UTC: demo at three" in operation.summary
    assert (await world.wanted(), await world.running()) == (before, running)
    assert "is locked" in (await records(desk))[-1].why
    await desk.says(f"!unlock {scope}")
    assert (await done(desk, actor, "scale tiny 2")).state is State.SUCCEEDED
    assert len(await world.running()) == 2


@BOTH
async def test_it_ends_and_takes_over_nobodys_lock(desk, world, tiny, actor):
    await desk.says("!lock tiny --reason mine")
    for text in ("lock tiny --steal", "lock tiny", "unlock tiny"):
        operation = await done(desk, actor, text)
        assert f"tiny is locked by {ANN}" in operation.summary
        assert "It takes a person to end it or to take it over" in operation.summary
    assert f"tiny is locked by {ANN}" in await desk.says("!locks")


@BOTH
async def test_its_own_lock_is_its_own_until_a_person_takes_it(
    desk, homeserver, world, tiny, actor
):
    await done(desk, actor, "lock tiny --reason backup")
    assert f"tiny is locked by {actor}" in await desk.says("!scale tiny 2")
    assert (await done(desk, actor, "scale tiny 2")).state is State.SUCCEEDED
    assert f"✓ tiny is locked by {ANN}" in await desk.says("!lock tiny --steal")
    told = contents(homeserver)[-1]
    assert told["body"] == f"{actor}: {ANN} took your lock of tiny over"
    assert (told["msgtype"], told["m.mentions"]) == ("m.notice", {})
    assert (await done(desk, actor, "scale tiny 1")).state is State.FAILED
    await desk.says("!unlock tiny")
    await done(desk, actor, "lock tiny")
    assert "is unlocked" in (await done(desk, actor, "unlock tiny")).summary


@BOTH
async def test_it_waits_for_its_turn_with_what_is_being_changed(desk, world, tiny, actor):
    world.clock.flows = False
    first = await desk.hears("!restart tiny")
    await until(lambda: len(world.fleet.survey.claims) == 2)
    second = await desk.submits(actor, "scale tiny 2")
    async with asyncio.timeout(10):
        while (await desk.operation(second.id)).state is not State.RUNNING:
            await asyncio.sleep(0.001)
    await until(lambda: world.clock.waiting >= 3)  # who tells that it waits, waits to say so
    async with world.store.transaction() as tx:
        assert await tx.operations.rollout(second.id) is None
    assert {claim.operation.id for claim in world.fleet.survey.claims} == {first}
    world.clock.flow()
    assert (await desk.ends(first)).state is State.SUCCEEDED
    assert (await desk.ends(second.id)).state is State.SUCCEEDED
    want = await world.wanted()
    assert (want.restarts, want.replicas) == (1, 2)


@BOTH
@pytest.mark.parametrize("approval", [Approval(), Approval(by="requester", requester=True)])
async def test_what_takes_a_yes_waits_for_a_person(desk, world, tiny, actor, approval):
    """Also where whoever asks would only have to confirm it: nobody is there to do that."""
    allow(desk, Policy(TRUSTED.roles, {ROOM: replace(PROD, approvals={"scale": approval})}))
    world.clock.flows = False
    name = (await desk.submits(actor, "scale tiny 2")).id
    async with asyncio.timeout(10):
        while not (await desk.operation(name)).waits:
            await asyncio.sleep(0.001)
    async with world.store.transaction() as tx:
        asked = (await tx.decisions.get(name)).question
    assert (asked.requester, asked.approval.by) == (actor, "operator")
    for other in (CI, NIGHTLY):
        vote = await over(desk, (await desk.submits(other, f"approve {name}")).id)
        assert f"it takes a person to decide, and {other} is none" in vote.summary
    assert (await desk.operation(name)).waits
    assert len(await world.running()) == 1
    assert (await over(desk, await desk.hears(f"!approve {name}", BOB))).state is State.SUCCEEDED
    world.clock.flow()
    assert (await desk.ends(name)).state is State.SUCCEEDED
    assert len(await world.running()) == 2
    told = f"✓ Approved by {BOB}: `scale tiny 2`"
    assert [text for text in desk.homeserver.shown() if text.startswith(told)]
    decision, carried_out = [each for each in await records(desk) if each.operation == name]
    assert (decision.mxid, carried_out.mxid, carried_out.approvers) == (BOB, actor, (BOB,))


async def test_it_decides_about_nobodys_change(desk, world, tiny):
    allow(desk, Policy(TRUSTED.roles, {ROOM: replace(PROD, approvals={"deploy": Approval()})}))
    name, _ = await waits(desk, "!deploy new tiny://ops")
    for text in (f"approve {name}", f"deny {name}"):
        vote = await over(desk, (await desk.submits(CI, text)).id)
        assert f"it takes a person to decide, and {CI} is none" in vote.summary
    assert (await desk.operation(name)).waits


async def test_it_may_take_back_what_it_asked_for(desk, world, tiny):
    allow(desk, Policy(TRUSTED.roles, {ROOM: replace(PROD, approvals={"scale": Approval()})}))
    world.clock.flows = False
    names = [(await desk.submits(CI, f"scale tiny {count}")).id for count in (2, 3)]
    async with asyncio.timeout(10):
        while not all([(await desk.operation(name)).waits for name in names]):
            await asyncio.sleep(0.001)
    await over(desk, (await desk.submits(CI, f"deny {names[0]} built anew")).id)
    await over(desk, (await desk.submits(CI, f"cancel {names[1]}")).id)
    assert "said no: built anew" in (await over(desk, names[0])).summary
    assert (await over(desk, names[1])).state is State.CANCELLED


def test_the_requester_is_asked_only_where_there_is_a_person():
    confirm, typed = Approval(by="requester", requester=True), Approval(2, "admin", typed=True)
    assert confirm.of(ANN) is confirm
    assert confirm.of(CI) == Approval(by="operator")
    assert replace(typed, requester=True).of(CI) == typed
    assert Approval(quorum=0).of(CI).asks is False
    own = Question("op", "plan", CI, "prod", Approval(), AT, AT + timedelta(hours=1))
    assert objection(own, CI, holds=True, typed=True, yes=False) is None
    assert "takes a person" in objection(own, NIGHTLY, holds=True, typed=True, yes=False)


@BOTH
async def test_a_delivery_that_comes_again_is_the_same_operation(desk, world, tiny, actor):
    first = await desk.submits(actor, "scale tiny 2", delivery="d1")
    await desk.ends(first.id)
    again = await desk.submits(actor, "scale tiny 3", delivery="d1")
    assert (again.id, again.text, again.state) == (first.id, "scale tiny 2", State.SUCCEEDED)
    assert len(await world.running()) == 2
    other = await desk.submits(NIGHTLY if actor == CI else CI, "scale tiny 1", delivery="d1")
    assert other.id != first.id
    await desk.ends(other.id)


async def test_what_was_accepted_before_a_kill_is_done_after_it(desk, world, tiny):
    world.clock.flows = False
    operation = await desk.submits(CI, "scale tiny 2")
    await until(lambda: world.fleet.survey.claims)
    await desk.crash()
    world.clock.flow()
    desk.open()
    await desk.worker.resume()
    ended = await desk.ends(operation.id)
    assert (ended.state, ended.sender) == (State.SUCCEEDED, CI)
    assert len(await world.running()) == 2


async def test_what_was_sent_long_ago_is_not_run(desk, world, tiny):
    operation = await done(desk, CI, "scale tiny 2", age=601)
    assert operation.state is State.EXPIRED
    assert len(await world.running()) == 1


async def test_a_secret_is_refused_kept_nowhere_and_not_told_in_the_room(desk, homeserver):
    allow(desk, TRUSTED)
    token = "hf_" + "a1B2c3D4e5" * 4
    with pytest.raises(Refused, match="deploy was not run: it holds what looks like"):
        await desk.submits(CI, f"deploy tiny tiny://ops --env TOKEN={token}")
    assert contents(homeserver) == []
    async with desk.world.store.transaction() as tx:
        assert await tx.operations.unended() == []
    (record,) = await records(desk)
    assert (record.mxid, record.outcome, record.event) == (CI, "declined", None)
    assert token not in str(record)


async def test_verified_sessions_are_asked_of_people_alone(desk, world):
    """A webhook has no session: that its receiver knows it by its signature is what it has."""
    allow(desk, replace(TRUSTED, vouched_only=True))
    assert "only from verified sessions" in await desk.says("!deploy tiny tiny://ops")
    assert (await done(desk, CI, "deploy tiny tiny://ops")).state is State.SUCCEEDED


@pytest.mark.parametrize(("sender", "called"), [(ANN, True), (CI, False), (NIGHTLY, False)])
async def test_after_a_long_time_whoever_asked_is_called_if_there_is_somebody(
    world, sender, called
):
    text, origin = "deploy tiny tiny://ops", "$1" if sender == ANN else f"{sender}:d1"
    operation = Operation("op", origin, ROOM, sender, text, AT, changes=True, started_at=AT)
    ending = Ending(operation, Reply.done("✓ tiny is live"), State.SUCCEEDED, "!")
    async with world.store.transaction() as tx:
        said = await ending.keep(tx, AT + timedelta(seconds=61))
    whom = [message.wanted["m.mentions"] for message in said]
    assert whom == [{}, {"user_ids": [ANN]}][: 1 + called]


def test_a_room_is_asked_about_what_a_webhook_deployed_and_nobody_mentioned():
    asked = Expiry("tiny", CI, 8 * 3600.0, AT + timedelta(hours=8), "q", AT + timedelta(hours=8))
    content = question(asked, AT, "!")
    assert content["body"].startswith(f"{CI}: tiny was deployed for 8 h")
    assert (content["msgtype"], content["m.mentions"]) == ("m.text", {})


async def test_an_api_key_is_handed_to_people_alone(desk):
    allow(desk, Policy({Role.ADMIN: Subjects((CI,))}, {ROOM: PROD}))
    operation = await done(desk, CI, "key create app")
    assert f"a key is handed to a person, and {CI} is none" in operation.summary


def test_an_answer_names_the_first_line_of_what_it_answers():
    text = "infer tiny what is new?\nSay it in `one` line."
    operation = Operation("op", f"{NIGHTLY}:d1", ROOM, NIGHTLY, text, AT, changes=False)
    first, answer = attributed([Verbatim("Nothing.")], operation)
    assert (first, answer) == (f"{NIGHTLY}: `infer tiny what is new?`", Verbatim("Nothing."))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("keeper", "x"),
        ("expiry", ""),
        ("@ann", "example.org"),
        ("webhook", ""),
        ("webhook", "*"),
        ("webhook", "a:b"),
        ("webhook", "ci\n"),
        ("schedule", "-x"),
        ("schedule", "x" * 65),
    ],
)
def test_nothing_else_is_an_actor(kind, name):
    with pytest.raises(ValueError, match="is neither a webhook nor a schedule"):
        Actor(kind, name)


@pytest.mark.parametrize(
    ("delivery", "text"), [("", "status"), ("x" * 201, "status"), ("d", " \n")]
)
def test_a_submission_has_a_delivery_and_a_text(delivery, text):
    with pytest.raises(ValueError, match="webhook:ci: a submission has a delivery and a text"):
        Submission(Actor("webhook", "ci"), delivery, ROOM, text, AT)


def test_no_submission_passes_for_a_message():
    said = Submission(Actor("webhook", "ci"), "$event\0\ud800", ROOM, "status \0", AT)
    assert said.message.event_id == "webhook:ci:$event\ufffd?"
    assert said.message.body == "status \ufffd"
    assert (said.message.device, said.message.vouched) == (None, False)


EVERY = [
    "deploy tiny --ctx 128",
    "scale tiny 2",
    "stop tiny",
    "restart tiny",
    "remove tiny",
    "rollback tiny",
    "repair tiny",
    "expire tiny",
    "apply {plan}",
]


@pytest.mark.parametrize("text", EVERY)
async def test_no_command_gets_past_a_lock(desk, world, tiny, text):
    """Of all that changes what runs."""
    verbs = all_verbs().values()
    assert {each.split()[0] for each in EVERY} == {verb.name for verb in verbs if verb.changes}
    await desk.says("!deploy tiny --ctx 64")
    async with world.store.transaction() as tx:
        past = Expiry("tiny", ANN, 1.0, world.clock.now(), "q", world.clock.now())
        await tx.expiries.put(past)
    plan = (await desk.submits(CI, "scale tiny 2 --plan")).id
    await desk.ends(plan)
    await desk.says("!lock tiny")
    before, running = await world.wanted(), await world.running()
    operation = await done(desk, CI, text.format(plan=plan))
    assert f"tiny is locked by {ANN}" in operation.summary
    assert (await world.wanted(), await world.running()) == (before, running)
