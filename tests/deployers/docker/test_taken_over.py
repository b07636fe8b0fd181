"""What becomes of a project that was taken over: stopped, removed, changed, dead."""

from __future__ import annotations

import asyncio
import re

import pytest

from domain.errors import OpsError, Refused
from domain.plans import Strategy
from domain.replicas import Phase
from domain.services import Placement
from domain.terms import Terms
from tests.contract.stages import ignore, make_plan
from tests.deployers.docker.projects import PROJECT, Host, spec
from tests.deployers.docker.taking import change, lives, marks, taking, up
from tests.fleet.world import World

pytestmark = [pytest.mark.docker, pytest.mark.engine]


async def test_stopped_it_is_that_one_container_and_it_starts_again(host: Host):
    place, deployer = up(host), host.open()
    await change(deployer, taking(place), "op1")
    before = lives(host)

    await change(deployer, taking(place).scaled(0), "op2")

    stopped = lives(host)
    assert stopped["my-server"][2] == "exited"
    assert stopped["chatty-side-1"] == before["chatty-side-1"]
    seen = await change(deployer, taking(place), "op3")
    assert len(seen.ready) == 1
    assert lives(host)["my-server"][0] == before["my-server"][0]
    assert lives(host)["chatty-side-1"] == before["chatty-side-1"]


async def test_removed_it_is_its_owners_again_with_everything_in_it(host: Host):
    place, deployer = up(host), host.open()
    await change(deployer, taking(place), "op1")
    before = lives(host)
    plan = await make_plan(deployer, taking(place).scaled(0), "op2")

    await deployer.apply(plan.forgetting(), ignore)

    assert (await deployer.observe("chat")).replicas == ()
    assert marks(host) == set()
    after = lives(host)
    assert after["my-server"][::2] == (before["my-server"][0], "exited")
    assert after["chatty-side-1"] == before["chatty-side-1"]
    assert "chatty_kept" in host.names("volumes")
    host.compose("-p", "chatty", "start")
    assert lives(host)["my-server"][::2] == (before["my-server"][0], "running")


async def test_a_service_that_moves_away_gives_it_back(host: Host):
    place, deployer = up(host), host.open()
    await change(deployer, taking(place), "op1")
    before = lives(host)
    elsewhere = (Placement(target="elsewhere", replicas=1),)

    seen = await change(deployer, taking(place).model_copy(update={"placements": elsewhere}), "op2")

    assert seen.replicas == ()
    assert marks(host) == set()
    after = lives(host)
    assert after["my-server"][::2] == (before["my-server"][0], "exited")
    assert after["chatty-side-1"] == before["chatty-side-1"]


@pytest.mark.parametrize("beside", ["running", "paused"])
async def test_a_change_makes_that_one_container_anew_and_no_other(host: Host, beside: str):
    """Though it depends on another, and the file says other things of that by now."""
    text = PROJECT.replace("restart:", "depends_on: [side]\n    restart:")
    place, deployer = up(host, text), host.open()
    await change(deployer, taking(place), "op1")
    if beside == "paused":
        host.compose("-p", "chatty", "pause", "side")
    before = lives(host)
    place.write_text(text.replace('["kept:/kept"]', '["kept:/kept"]\n    environment: {NEW: "1"}'))
    want = taking(place, env=(("MORE", "1"),))

    seen = await change(deployer, want, "op2")

    assert [each.id.revision for each in seen.replicas] == [want.revision]
    assert len(seen.ready) == 1
    assert "MORE=1" in host.containers()["my-server"]["Config"]["Env"]
    assert lives(host)["my-server"][0] != before["my-server"][0]
    assert lives(host)["chatty-side-1"] == before["chatty-side-1"]
    assert marks(host) == set()
    await change(deployer, want.scaled(0), "op3")
    assert lives(host) == {"chatty-side-1": before["chatty-side-1"]}


async def test_where_marks_are_not_looked_for_none_is_taken_away(host: Host):
    place = up(host)
    await change(host.open(), taking(place), "op1")
    before, blind = marks(host), host.open(projects_dir=None)
    plan = await make_plan(blind, taking(place).scaled(0), "op2")

    await blind.apply(plan.forgetting(), ignore)

    assert marks(host) == before
    assert len((await host.open().observe("chat")).ready) == 1


async def test_no_change_takes_a_volume_away_not_even_one_without_a_name(host: Host):
    text = PROJECT.replace("environment:", 'volumes: ["/nameless"]\n    environment:', 1)
    before = host.names("volumes") | {"chatty_kept"}
    place, deployer = up(host, text), host.open()
    kept = [each["Name"] for each in host.containers()["my-server"]["Mounts"]]
    await change(deployer, taking(place), "op1")

    for count in (1, 2):
        want = taking(place, env=(("COUNT", str(count)),))
        await change(deployer, want, f"op{count + 1}")
        kept += [each["Name"] for each in host.containers()["my-server"]["Mounts"]]
    await change(deployer, want.scaled(0), "op4")

    assert set(kept) <= host.names("volumes")
    client = host.engine.client()
    for name in host.names("volumes") - before:
        client.volumes.get(name).remove()
    client.close()


@pytest.mark.parametrize(
    ("bad", "same"), [({"EXIT_CODE": "3"}, False), ({"image": "127.0.0.1:1/nobody:1"}, True)]
)
async def test_a_change_that_fails_leaves_what_was_taken_over_serving(
    host: Host, world: World, bad: dict[str, str], same: bool
):
    """The very same container, as long as no other was made."""
    place = up(host)
    with pytest.raises(Refused, match="it was not Gantry that started it"):
        await world.change(spec(place), "deploy chat without leave")
    outcome = await world.change(taking(place), "deploy chat")
    assert any("my-server is taken over as it runs" in each for each in outcome.warnings)
    before = lives(host)
    if image := bad.pop("image", None):
        place.write_text(re.sub("image: .*", f"image: {image}", PROJECT, count=1))
    newer = taking(place, env=tuple(bad.items()) or (("MORE", "1"),))

    with pytest.raises(OpsError) as caught:
        await world.change(newer, "deploy it so", terms=Terms(strategy=Strategy.RECREATE))

    assert "serves, 1 of 1" in (caught.value.standing or "")
    after = lives(host)
    assert (after["my-server"][0] == before["my-server"][0]) is same
    assert after["my-server"][2] == "running"
    assert after["chatty-side-1"] == before["chatty-side-1"]
    assert world.asked("chat") == [f"chat-{taking(place).revision}-0"]


async def test_an_update_that_is_cut_off_once_it_stopped_starts_the_same_again(host: Host):
    place, deployer = up(host), host.open()
    await change(deployer, taking(place), "op1")
    before = lives(host)
    plan = await make_plan(deployer, taking(place, env=(("MORE", "1"),)), "op2")
    stop = next(step for step in plan.steps if str(step).startswith("stop"))
    await deployer.apply(plan.only(stop), ignore)
    assert lives(host)["my-server"][2] == "exited"

    seen = await change(host.open(), taking(place), "op2")

    assert len(seen.ready) == 1
    assert lives(host)["my-server"][0] == before["my-server"][0]


@pytest.mark.parametrize("lost", ["container", "mark"])
async def test_what_its_owner_made_anew_is_taken_over_again(host: Host, lost: str):
    """And so is what somebody pruned the mark of."""
    place, deployer = up(host), host.open()
    await change(deployer, taking(place), "op1")
    if lost == "container":
        host.compose("-f", str(place), "up", "--detach", "--force-recreate")
    for mark in marks(host) if lost == "mark" else ():
        client = host.engine.client()
        client.volumes.get(mark).remove()
        client.close()
    assert (await deployer.observe("chat")).replicas == ()
    before = lives(host)

    seen = await change(deployer, taking(place), "op2")

    assert len(seen.ready) == 1
    assert lives(host) == before
    assert len(marks(host)) == 1


async def test_what_dies_is_a_failure_and_is_started_again_as_it_is(host: Host):
    """With the rest of its project, where none of that runs."""
    dying = "trap 'exit 3' USR1; /app/stub-server --alias chat & wait"
    text = PROJECT.replace("restart: unless-stopped", f'entrypoint: [sh, -c, "{dying}"]')
    place, deployer = up(host, text), host.open()
    await change(deployer, taking(place), "op1")
    before = lives(host)
    host.compose("-p", "chatty", "kill", "--signal", "USR1", "server")
    host.compose("-p", "chatty", "kill", "side")
    while "running" in {each[2] for each in lives(host).values()}:
        await asyncio.sleep(0.05)
    [dead] = (await deployer.observe("chat")).replicas
    assert dead.phase is Phase.FAILED

    seen = await change(deployer, taking(place), "op2")

    assert len(seen.ready) == 1
    after = lives(host)
    assert {name: each[::2] for name, each in after.items()} == {
        name: (each[0], "running") for name, each in before.items()
    }
