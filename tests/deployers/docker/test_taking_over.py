"""Projects that run already, taken over as they run, on a real engine with the real Compose."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deployers.docker.marks import TAKEN_OVER
from deployers.protocol import Deployer, Foretelling, Overview
from domain.errors import OpsError, Refused, Unhealthy
from domain.plans import Strategy
from domain.replicas import Observed, Phase
from domain.services import Placement, ServiceSpec
from domain.terms import Terms
from fleet.store.database import Store
from tests.contract.dying_bot import die
from tests.contract.stages import TARGET, deaf, ignore, make_plan
from tests.contract.test_interruptions import Interrupt, cancelled
from tests.deployers.docker.projects import PROJECT, Host, spec
from tests.fleet.world import World
from tests.sshd import Sshd

pytestmark = [pytest.mark.docker, pytest.mark.engine]


def up(host: Host, text: str = PROJECT, folder: str = "chatty") -> Path:
    """Somebody has brought it up by hand."""
    place = host.write(text, folder)
    host.compose("-f", str(place), "up", "--detach", "--quiet-pull")
    return place


def lives(host: Host) -> dict[str, tuple[str, str, str]]:
    """What tells each container, and each run of it, from any other."""
    return {
        name: (each["Id"], each["State"]["StartedAt"], each["State"]["Status"])
        for name, each in host.containers().items()
    }


def marks(host: Host) -> set[str]:
    client = host.engine.client()
    try:
        return {str(each.name) for each in client.volumes.list(filters={"label": TAKEN_OVER})}
    finally:
        client.close()


def taking(place: Path, name: str = "chat", **fields: Any) -> ServiceSpec:
    return spec(place, name, take_over=True, **fields)


@pytest.fixture
async def world(host: Host, tmp_path: Path) -> AsyncIterator[World]:
    """A fleet on that host."""
    store = await Store.open(tmp_path / "gantry.db")
    made = World(store, tmp_path)
    made.deployers = {TARGET: host.open()}
    made.new_fleet()
    yield made
    await store.aclose()


async def change(deployer: Deployer, want: ServiceSpec, operation: str) -> Observed:
    async with asyncio.timeout(90):
        await deployer.apply(await make_plan(deployer, want, operation), ignore)
    return await deployer.observe(want.name)


async def foretold(deployer: Deployer, want: ServiceSpec) -> str:
    assert isinstance(deployer, Foretelling)
    return "\n".join(await deployer.foretell(want))


async def test_what_runs_is_taken_over_and_nothing_of_it_stops_or_is_made_anew(host: Host):
    text = PROJECT.replace("restart: unless-stopped", "restart: always")
    place, deployer = up(host, text), host.open()
    before = lives(host)

    seen = await change(deployer, taking(place.parent), "op1")

    [replica] = seen.ready
    assert lives(host) == before
    assert host.containers()["my-server"]["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert place.read_text() == text
    assert dict(replica.made_of)["project"] == f"compose:{place.parent}"
    lines = [line.text async for line in deployer.logs(replica.id, tail=5, follow=False)]
    assert "stub: serving, 0 bytes eaten" in lines


async def test_through_ssh_it_is_the_same(host: Host, sshd_for_all: Sshd):
    far = {"host": f"{sshd_for_all.url}{host.engine.socket}", "ssh_config": sshd_for_all.config()}
    place = up(host)
    before = lives(host)

    seen = await change(host.open(**far), taking(place), "op1")

    assert len(seen.ready) == 1
    assert lives(host) == before


async def test_the_next_bot_finds_what_was_taken_over_without_any_state(host: Host):
    place = up(host)
    await change(host.open(), taking(place), "op1")
    before = lives(host)

    deployer = host.open()
    assert isinstance(deployer, Overview)
    again = await deployer.observe("chat")
    together = await deployer.observe_all(["chat"])

    assert [each.phase for each in again.replicas] == [Phase.READY]
    assert together["chat"].replicas == again.replicas
    assert len((await change(host.open(), taking(place), "op2")).ready) == 1
    assert lives(host) == before


async def test_without_leave_it_is_refused_with_what_runs_and_how_to_give_leave(host: Host):
    place, deployer = up(host), host.open()
    before = lives(host)

    with pytest.raises(Refused, match="it was not Gantry that started it") as foreseen:
        await foretold(deployer, spec(place))
    with pytest.raises(Refused, match="it was not Gantry that started it"):
        await change(deployer, spec(place), "op1")

    assert re.search(r"my-server runs since \d\d:\d\d UTC \(1 min\), ", foreseen.value.summary)
    assert "`--take-over yes`" in foreseen.value.hint
    assert lives(host) == before
    assert marks(host) == set()


async def test_a_plan_says_what_runs_and_what_becomes_of_it(host: Host):
    place, deployer = up(host), host.open()
    while host.containers()["my-server"]["State"]["Health"]["Status"] != "healthy":
        await asyncio.sleep(0.1)

    told = await foretold(deployer, taking(place))

    assert re.search(r"my-server runs since \d\d:\d\d UTC \(1 min\), healthy", told)
    assert "chatty-side-1 runs since" in told
    assert "my-server is taken over as it runs: nothing stops or is made anew" in told
    assert "other things" not in told
    place.write_text(re.sub("image: .*", "image: 127.0.0.1:1/nobody:1", PROJECT, count=1))
    assert "the project's files say other things of server by now" in await foretold(
        deployer, taking(place)
    )
    await change(deployer, taking(place), "op1")
    assert await foretold(deployer, taking(place)) == ""
    newer = taking(place, env=(("MORE", "1"),))
    assert "my-server, which was taken over, is made anew" in await foretold(deployer, newer)


async def test_a_plan_quotes_no_files_that_cannot_be_read(host: Host):
    place = host.write("services: [secret")

    assert await foretold(host.open(), taking(place)) == ""


async def test_one_that_gives_no_token_goes_on_as_it_was_and_is_nobodys(host: Host):
    place = up(host)
    before = lives(host)

    with pytest.raises(Unhealthy):
        await change(host.open(ask=deaf), taking(place, startup_budget=0.5), "op1")
    with pytest.raises(Unhealthy, match="nothing that is called other"):
        await change(host.open(), taking(place, "other"), "op2")

    assert lives(host) == before
    assert marks(host) == set()
    assert (await host.open().observe("chat")).replicas == ()


@pytest.mark.parametrize("interrupt", [cancelled, die], ids=["cancelled", "killed"])
async def test_cut_off_at_any_report_it_is_finished_or_given_back_by_the_next_bot(
    host: Host, interrupt: Interrupt
):
    stage, place = host.stage, up(host)
    stage.ours |= {"projects_dir": host.projects}
    stage.environment |= {"DOCKER_CONFIG": os.environ["DOCKER_CONFIG"]}
    before, want = lives(host), taking(place)
    for count in range(1, 20):
        plan = await make_plan(host.open(), want)
        broken_off = await interrupt(stage, plan, count)
        assert lives(host) == before

        await host.open().apply(plan, ignore)
        assert {each.id for each in (await host.open().observe("chat")).ready} == plan.wanted
        assert len(marks(host)) == 1
        assert lives(host) == before

        await change(host.open(), want.scaled(0), plan.operation)  # the way back of that change
        assert lives(host) == before
        assert marks(host) == set()
        if not broken_off:
            return
    pytest.fail("the plan never ends")


async def test_a_change_that_fails_after_it_was_taken_over_gives_it_back(host: Host, world: World):
    place = up(host)
    before = lives(host)
    world.deployers = {TARGET: host.open(ask=deaf)}
    world.new_fleet()

    with pytest.raises(OpsError) as caught:
        await world.change(taking(place, startup_budget=0.5), "deploy chat")

    assert "Nothing of chat runs" in (caught.value.standing or "")
    assert lives(host) == before
    assert marks(host) == set()


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


async def test_the_same_files_elsewhere_are_the_same_project_and_others_are_not(host: Host):
    up(host)
    copy, deployer = host.write(folder="copy"), host.open()
    other = host.write(PROJECT.replace("5 $$", "6 $$"), folder="other")

    with pytest.raises(Refused, match=r"was made by .*chatty/compose\.yaml, and not as"):
        await change(deployer, taking(other), "op1")
    assert len((await change(deployer, taking(copy), "op2")).ready) == 1


@pytest.mark.parametrize(
    ("words", "fields", "why"),
    [
        (("stop", "server"), {}, r"does not run \(exited\)"),
        (("pause", "server"), {}, r"does not run \(paused\)"),
        ((), {"env": (("MORE", "1"),)}, "can be given no `--env`"),
        ((), {"settings": (("service", "side"),)}, "side publishes no port"),
    ],
)
async def test_what_cannot_be_taken_over_is_refused_and_left_alone(host: Host, words, fields, why):
    place, deployer = up(host), host.open()
    if words:
        host.compose("-p", "chatty", *words)
    before = lives(host)

    with pytest.raises(Refused, match=why):
        await change(deployer, taking(place, **fields), "op1")

    assert lives(host) == before
    assert marks(host) == set()
    if "pause" in words:
        host.compose("-p", "chatty", "unpause", "server")


async def test_of_two_of_the_same_none_is_chosen(host: Host):
    place = host.write(PROJECT.replace("container_name: my-server\n", "\n"))
    host.compose("-f", str(place), "up", "--detach", "--scale", "server=2")
    before = lives(host)

    with pytest.raises(Refused, match="2 containers of server are there"):
        await change(host.open(), taking(place), "op1")

    assert lives(host) == before


async def test_a_port_that_only_the_file_publishes_by_now_is_said(host: Host):
    place = up(host, PROJECT.replace('["127.0.0.1::8080"]', "[]"))
    place.write_text(PROJECT)

    with pytest.raises(Refused, match="publishes no port 8080"):
        await change(host.open(), taking(place), "op1")


async def test_two_services_cannot_take_over_the_same_container(host: Host):
    place, deployer = up(host), host.open()
    await change(deployer, taking(place), "op1")

    with pytest.raises(Refused, match="my-server is chat's"):
        await change(deployer, taking(place, "other"), "op2")
    with pytest.raises(Refused, match="chat has adopted it"):
        await change(deployer, spec(place, "other"), "op3")

    assert len((await deployer.observe("chat")).ready) == 1


async def test_with_leave_a_project_that_is_not_there_comes_up_and_the_rest_stays_its_owners(
    host: Host,
):
    place, deployer = host.write(), host.open()

    seen = await change(deployer, taking(place), "op1")

    assert len(seen.ready) == 1
    side = host.containers()["chatty-side-1"]["Config"]["Labels"]
    assert not [name for name in side if name.startswith("gantry.")]
    await change(deployer, taking(place).scaled(0), "op2")
    assert set(host.containers()) == {"chatty-side-1"}


async def test_with_leave_a_project_that_fails_to_come_up_leaves_what_was_there(host: Host):
    place, deployer = up(host), host.open()
    client = host.engine.client()
    client.containers.get("my-server").remove(force=True)
    client.close()
    devices = "deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}"
    place.write_text(PROJECT.replace("restart: unless-stopped", devices))
    before = lives(host)

    with pytest.raises(Unhealthy):
        await change(deployer, taking(place), "op1")

    assert lives(host) == before


async def test_a_model_of_another_name_is_asked_for_by_it(host: Host, world: World):
    place = up(host)

    await world.change(taking(place, "other", settings=(("model", "chat"),)), "deploy other")

    [replica] = (await world.seen(TARGET, "other")).ready
    assert dict(replica.made_of)["model"] == "chat"
    assert [each.model for each in world.endpoints.of("other")] == ["chat"]
    assert world.measured == ["chat"]
