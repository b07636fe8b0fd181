"""Changes that people are asked about first."""

import asyncio
from dataclasses import replace

import pytest

from bot.matrix.gestures import Reaction, Redaction
from bot.matrix.session import Reading
from commands.verbs import all_verbs
from domain.access import Policy, Subjects
from domain.decisions import Approval
from domain.expiries import Expiry
from domain.operations import EXPIRING, KEEPER, State, operation_id
from domain.people import Role
from tests.fleet.world import filed, spec, until

from .desk import PROD
from .homeserver import ANN, ROOM

BOB, CY, EVE = "@bob:example.org", "@cy:example.org", "@eve:evil.org"
DEE = "@dee:example.org"
TEAM = {
    Role.VIEWER: Subjects(("@*:example.org",)),
    Role.OPERATOR: Subjects((ANN, BOB, CY)),
}


def asking(desk, **approvals):
    """Have people asked before these commands, from now on."""
    place = replace(PROD, approvals=approvals)
    desk.policy = Policy(TEAM, {ROOM: place})
    desk.deps.rooms.__init__(desk.policy)


async def waits(desk, body="!deploy tiny tiny://ops", sender=ANN):
    """A command that waits to be decided, and the event in which it is asked."""
    desk.world.clock.flows = False
    name = await desk.hears(body, sender)
    async with asyncio.timeout(10):
        while (
            not (await desk.operation(name)).waits or (event := await question(desk, name)) is None
        ):
            assert not (await desk.operation(name)).state.ended, (
                await desk.operation(name)
            ).summary
            await asyncio.sleep(0.001)
    return name, event


async def question(desk, name):
    async with desk.world.store.transaction() as tx:
        message = await tx.messages.get(f"operation:{name}:ask")
    return message and message.event_id


async def reacts(desk, to, key="👍", sender=BOB, event="$r1"):
    reaction = Reaction(event, ROOM, sender, to, key, desk.world.clock.now())
    await desk.intake.file(Reading("s9", reactions=(reaction,)))
    return operation_id(event)


async def over(desk, name):
    async with asyncio.timeout(10):
        while not (operation := await desk.operation(name)).state.ended:
            await asyncio.sleep(0.001)
    return operation


async def says(desk, body, sender):
    return await over(desk, await desk.hears(body, sender))


async def ends(desk, name):
    """Second by second, until it has ended."""
    async with asyncio.timeout(10):
        while not (operation := await desk.operation(name)).state.ended:
            desk.world.clock.passes(1)
            await asyncio.sleep(0.001)
    return operation


def shown(desk, part):
    return [text for text in desk.homeserver.shown() if part in text]


async def test_a_change_that_takes_a_yes_waits_and_tells_what_it_would_do(desk, world, homeserver):
    asking(desk, deploy=Approval())
    name, _ = await waits(desk)
    [told] = homeserver.shown()
    assert told.startswith(f"❓ {ANN} asks for `deploy tiny tiny://ops`; plan `")
    assert "New: tiny://ops on a" in told
    assert f"somebody with the role operator other than {ANN}, until 01:00 UTC" in told
    assert f"`!approve {name}`" in told
    content = next(iter(homeserver.events.values()))[2]
    assert (content["msgtype"], set(content["m.mentions"]["user_ids"])) == ("m.text", {BOB, CY})
    assert (await world.seen()).replicas == ()
    assert (name, "waiting") in [(row.id, str(row.state)) for row in await unended(desk)]


async def unended(desk):
    async with desk.world.store.transaction() as tx:
        return await tx.operations.unended()


@pytest.mark.parametrize("way", ["typed", "reaction"])
async def test_a_yes_has_it_done(desk, world, way):
    asking(desk, deploy=Approval())
    name, event = await waits(desk)
    if way == "typed":
        assert (await says(desk, f"!approve {name}", BOB)).state is State.SUCCEEDED
    else:
        await over(desk, await reacts(desk, event, "👍🏽"))
    assert (await ends(desk, name)).state is State.SUCCEEDED
    assert len(await world.running()) == 1
    assert shown(desk, f"✓ Approved by {BOB}: `deploy tiny tiny://ops`")


@pytest.mark.parametrize("way", ["typed", "reaction"])
async def test_a_no_ends_it_with_its_reason(desk, world, way):
    asking(desk, deploy=Approval())
    name, event = await waits(desk)
    if way == "typed":
        await says(desk, f"!deny {name} not on a Friday", CY)
    else:
        await over(desk, await reacts(desk, event, "👎", CY))
    operation = await ends(desk, name)
    assert operation.state is State.FAILED
    why = ": not on a Friday" if way == "typed" else ""
    assert f"{CY} said no{why}" in operation.summary
    assert (await world.seen()).replicas == ()
    assert shown(desk, f"✗ Denied by {CY}")


@pytest.mark.parametrize(
    ("sender", "approval", "why"),
    [
        (ANN, Approval(), "somebody other than whoever asked"),
        (DEE, Approval(), "takes the role operator"),
        (BOB, Approval(by="admin"), "takes the role admin"),
        (BOB, Approval(by="requester"), f"only {ANN}"),
        (EVE, Approval(), "takes the role viewer"),
        (BOB, Approval(typed=True), "typed in an encrypted room"),
    ],
)
async def test_who_does_not_count_is_told_why_and_it_goes_on_waiting(desk, sender, approval, why):
    asking(desk, deploy=approval)
    name, event = await waits(desk)
    refused = await says(desk, f"!approve {name}", sender)
    assert refused.state is State.FAILED
    assert why in refused.summary
    await over(desk, await reacts(desk, event, sender=sender))
    assert (await desk.operation(name)).waits


async def test_a_quorum_takes_different_people_and_shows_who_was_for_it(desk):
    asking(desk, deploy=Approval(quorum=2))
    name, event = await waits(desk)
    await says(desk, f"!approve {name}", BOB)
    await over(desk, await reacts(desk, event, sender=BOB))
    await until(lambda: shown(desk, f"Yes so far: {BOB}"))
    assert (await desk.operation(name)).waits
    await says(desk, f"!approve {name}", CY)
    assert (await ends(desk, name)).state is State.SUCCEEDED


async def test_a_reaction_that_is_taken_away_counts_no_more(desk):
    asking(desk, deploy=Approval(quorum=2))
    name, event = await waits(desk)
    await over(desk, await reacts(desk, event, sender=BOB))
    await until(lambda: shown(desk, f"Yes so far: {BOB}"))
    await desk.intake.file(Reading("s9", redactions=(Redaction(ROOM, "$r1"),)))
    await until(lambda: not shown(desk, "Yes so far"))
    await says(desk, f"!approve {name}", CY)
    assert (await desk.operation(name)).waits


async def test_nor_does_one_taken_away_before_it_was_counted(desk):
    asking(desk, deploy=Approval())
    name, event = await waits(desk)
    take_up = desk.intake._around.work
    desk.intake._around = replace(desk.intake._around, work=_nothing)
    vote = await reacts(desk, event)
    await desk.intake.file(Reading("s9", redactions=(Redaction(ROOM, "$r1"),)))
    await take_up([await desk.operation(vote)])
    await over(desk, vote)
    assert (await desk.operation(name)).waits


async def _nothing(operations):
    """Leave them for later."""


async def test_silence_is_a_no(desk, world):
    asking(desk, deploy=Approval(within=600))
    name, _ = await waits(desk)
    await until(lambda: world.clock.waiting >= 1)
    world.clock.passes(600)
    operation = await over(desk, name)
    assert "not approved within 10 min" in operation.summary
    assert (await world.seen()).replicas == ()
    late = await says(desk, f"!approve {name}", BOB)
    assert "was decided before" in late.summary


async def test_the_first_decision_stays(desk, world):
    asking(desk, deploy=Approval())
    name, _ = await waits(desk)
    await says(desk, f"!deny {name}", BOB)
    late = await says(desk, f"!approve {name}", CY)
    assert f"was decided before: ✗ Denied by {BOB}" in late.summary
    assert (await ends(desk, name)).state is State.FAILED


async def test_a_restart_while_people_are_asked_changes_nothing(desk, world):
    asking(desk, deploy=Approval(quorum=2))
    name, event = await waits(desk)
    await says(desk, f"!approve {name}", BOB)
    await desk.restart()
    assert (await desk.operation(name)).waits
    assert await question(desk, name) == event
    await says(desk, f"!approve {name}", CY)
    assert (await ends(desk, name)).state is State.SUCCEEDED
    assert len(shown(desk, "`deploy tiny tiny://ops`")) == 1


async def test_what_was_decided_while_the_bot_was_away_counts(desk, world):
    asking(desk, deploy=Approval(within=600))
    name, _ = await waits(desk)
    await desk.crash()
    world.clock.passes(601)
    desk.open()
    await desk.worker.resume()
    assert "not approved within 10 min" in (await over(desk, name)).summary
    await until(lambda: shown(desk, "✗ Not approved in time"))


async def test_confirming_is_up_to_whoever_asked(desk):
    asking(desk, deploy=Approval(by="requester"))
    name, event = await waits(desk)
    assert shown(desk, f"{ANN} has to confirm it")
    await over(desk, await reacts(desk, event, "✅", ANN))
    assert (await ends(desk, name)).state is State.SUCCEEDED


async def test_who_asked_may_take_it_back_and_anybody_who_may_cancels(desk):
    asking(desk, deploy=Approval())
    first, event = await waits(desk)
    await over(desk, await reacts(desk, event, "👎", ANN))
    assert f"{ANN} said no" in (await over(desk, first)).summary
    second, event = await waits(desk, "!deploy tiny tiny://other")
    await over(desk, await reacts(desk, event, "❌", BOB, "$r2"))
    assert (await over(desk, second)).state is State.CANCELLED
    await until(lambda: shown(desk, "✗ No longer asked: `deploy tiny tiny://other`"))


async def test_what_waits_holds_nobody_up_and_is_not_done_once_the_world_has_changed(desk, world):
    await desk.says("!deploy tiny tiny://ops")
    asking(desk, scale=Approval())
    name, _ = await waits(desk, "!scale tiny 3")
    other = await desk.hears("!deploy tiny tiny://other", sender=BOB)
    assert (await ends(desk, other)).state is State.SUCCEEDED
    await says(desk, f"!approve {name}", BOB)
    operation = await over(desk, name)
    assert operation.state is State.FAILED
    assert "since this was planned, operation `" in operation.summary
    assert "changed tiny from" in operation.summary
    assert (await world.wanted()).replicas == 1


async def test_a_replica_that_went_away_meanwhile_is_a_changed_world_too(desk, world):
    await desk.says("!deploy tiny tiny://ops")
    asking(desk, scale=Approval())
    name, _ = await waits(desk, "!scale tiny 3")
    [lost] = (await world.seen()).alive
    world.deployers["a"]._memory.note(lost.id, None)
    await says(desk, f"!approve {name}", BOB)
    assert f"{lost.id} went away from a" in (await over(desk, name)).summary


async def test_a_lock_taken_meanwhile_holds(desk, world):
    await desk.says("!deploy tiny tiny://ops")
    asking(desk, scale=Approval())
    name, _ = await waits(desk, "!scale tiny 3")
    await says(desk, "!lock tiny --reason demo", BOB)
    await says(desk, f"!approve {name}", CY)
    assert f"tiny is locked by {BOB}" in (await over(desk, name)).summary


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("!approve nobody", "there is no operation `nobody`"),
        ("!approve", "needs an OP"),
        ("!approve {ping}", "nobody is asked about"),
        ("!deny {ping} because", "nobody is asked about"),
    ],
)
async def test_what_nobody_asked_cannot_be_decided(desk, body, why):
    ping = await desk.hears("!ping")
    await desk.ends(ping)
    assert why in await desk.says(body.format(ping=ping))


async def test_a_star_stands_for_every_other_command(desk):
    asking(desk, **{"*": Approval(), "scale": Approval(quorum=0)})
    await waits(desk)
    assert "there is no service" in (await says(desk, "!scale tiny 2", BOB)).summary


async def test_a_thumb_under_what_asks_nothing_means_nothing(desk, homeserver):
    await desk.says("!ping")
    event = next(iter(homeserver.events.values()))[0]
    assert await desk.operation(await reacts(desk, event)) is None


async def test_what_was_decided_is_on_record_with_the_plan_and_who_was_for_it(desk, world):
    asking(desk, deploy=Approval(quorum=2))
    name, _ = await waits(desk)
    await says(desk, f"!approve {name}", BOB)
    await says(desk, f"!approve {name}", CY)
    await ends(desk, name)
    async with world.store.transaction() as tx:
        entries = await tx.audit.after(0, 50)
        plan = (await tx.decisions.get(name)).question.plan
    [decision] = [e.record for e in entries if e.record.kind == "decision"]
    assert (decision.mxid, decision.outcome, decision.plan) == (CY, "granted", plan)
    assert (decision.approvers, decision.targets) == ((BOB, CY), ("a",))
    [deploy] = [e.record for e in entries if e.record.operation == name and e.record != decision]
    assert (deploy.operation, deploy.plan, deploy.approvers) == (name, plan, (BOB, CY))


# Applying plans


async def test_a_plan_is_applied_as_it_was_told(desk, world):
    plan = await desk.hears("!deploy tiny tiny://ops --replicas 2 --plan", sender=DEE)
    await desk.ends(plan)
    assert f"`!apply {plan}`" in desk.homeserver.shown()[-1]
    assert "✓ tiny is live on a: 2 replicas" in await desk.says(f"!apply {plan}")
    assert len(await world.running()) == 2


async def test_it_takes_what_the_planned_command_takes(desk):
    asking(desk, deploy=Approval())
    plan = await desk.hears("!deploy tiny tiny://ops --plan")
    await desk.ends(plan)
    assert "takes the role operator" in await desk.says(f"!apply {plan}", sender=DEE)
    name, _ = await waits(desk, f"!apply {plan}")
    await says(desk, f"!approve {name}", BOB)
    assert (await ends(desk, name)).state is State.SUCCEEDED


async def test_a_plan_whose_world_has_changed_is_refused_with_what_changed(desk, world):
    await desk.says("!deploy tiny tiny://ops")
    plan = await desk.hears("!scale tiny 3 --plan")
    await desk.ends(plan)
    await desk.says("!deploy tiny tiny://other")
    told = await desk.says(f"!apply {plan}")
    assert "since this was planned, operation `" in told
    assert (await world.wanted()).replicas == 1


async def test_an_old_plan_is_made_again_rather_than_applied(desk, world):
    plan = await desk.hears("!deploy tiny tiny://ops --plan")
    await desk.ends(plan)
    world.clock.seconds += 901
    assert "is older than 15 min" in await desk.says(f"!apply {plan}")


@pytest.mark.parametrize("what", ["!ping", "!deploy tiny tiny://ops"])
async def test_what_is_no_plan_cannot_be_applied(desk, what):
    name = await desk.hears(what)
    await desk.ends(name)
    assert f"there is no plan `{name}`" in await desk.says(f"!apply {name}")


# Nothing without a decision

EVERY = {
    "deploy": "!deploy tiny tiny://other",
    "scale": "!scale tiny 2",
    "stop": "!stop tiny",
    "restart": "!restart tiny",
    "remove": "!remove tiny",
    "rollback": "!rollback tiny",
    "apply": "!apply {plan}",
    "repair": "repair tiny",
    "expire": "expire tiny",
}


@pytest.mark.parametrize("verb", [name for name, verb in all_verbs().items() if verb.changes])
async def test_nothing_is_carried_out_without_a_decision_that_grants_it(desk, world, verb):
    await desk.says("!deploy tiny tiny://first")
    await desk.says("!deploy tiny tiny://ops")
    plan = await desk.hears("!scale tiny 2 --plan")
    await desk.ends(plan)
    if verb == "repair":
        [one] = (await world.seen()).alive
        world.deployers["a"]._memory.note(one.id, None)
    if verb == "expire":
        now = world.clock.now()
        async with world.store.transaction() as tx:
            await tx.expiries.put(Expiry("tiny", ANN, 3600.0, now, "asked", now))
    granted = watched(world)
    if verb in ("repair", "expire"):
        by = {"repair": KEEPER, "expire": EXPIRING}[verb]
        operation = replace(filed(EVERY[verb], world.clock.now()), sender=by, room=ROOM)
        await desk.intake.file_own(operation)
    else:
        operation = await desk.operation(await desk.hears(EVERY[verb].format(plan=plan)))
    assert (await desk.ends(operation.id)).state is State.SUCCEEDED
    assert granted
    assert set(granted) == {(operation.id, True)}


async def test_what_asks_is_not_carried_out_before_the_yes(desk, world):
    asking(desk, **{"*": Approval()})
    granted = watched(world)
    name, _ = await waits(desk)
    assert granted == []
    await says(desk, f"!approve {name}", BOB)
    await ends(desk, name)
    assert set(granted) == {(name, True)}


async def test_a_plan_that_is_not_the_one_approved_is_not_carried_out(world):
    operation = await world.operation("deploy tiny")
    asked = world.asking(operation)

    class Forged:
        async def settled(self, rollout):
            other = replace(rollout, want=spec("tiny://other"))
            return await asked.settled(other)

    with pytest.raises(Exception, match="was approved, and this is"):
        await world.fleet.change("tiny", operation, lambda _: spec(), Forged(), world.news.append)
    assert (await world.seen()).replicas == ()


async def test_nor_is_one_that_nobody_decided_about(world):
    operation = await world.operation("deploy tiny")

    class Silent:
        async def settled(self, rollout):
            return True

    with pytest.raises(Exception, match="there is no decision"):
        await world.fleet.change("tiny", operation, lambda _: spec(), Silent(), world.news.append)
    assert (await world.seen()).replicas == ()


def watched(world):
    """What is done on target `a` from now on: (operation, whether a decision grants it)."""
    seen, target = [], world.deployers["a"]
    apply = target.apply

    async def watching(plan, report):
        async with world.store.transaction() as tx:
            record = await tx.decisions.get(plan.operation)
        seen.append((plan.operation, bool(record and record.decision and record.decision.granted)))
        await apply(plan, report)

    target.apply = watching
    return seen
