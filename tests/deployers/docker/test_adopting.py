"""Projects of somebody else's, adopted on a real engine with the real Compose."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from dataclasses import replace

import pytest
from aiohttp.test_utils import unused_port

from domain.errors import OpsError, Refused, Unhealthy, UnknownName, Unsupported
from domain.plans import Step, StepKind, Strategy
from domain.terms import Terms
from fleet.fitting import Interrupts
from fleet.store.database import Store
from tests.contract.dying_bot import die
from tests.contract.stages import TARGET, bring, ignore, make_plan
from tests.contract.test_interruptions import Interrupt, cancelled
from tests.deployers.docker.projects import PROJECT, Host, spec
from tests.engines.images import STUB
from tests.fleet.world import World
from tests.sshd import Sshd

pytestmark = [pytest.mark.docker, pytest.mark.engine]


async def test_a_project_serves_by_its_own_file_which_stays_as_it_is(host: Host):
    place = host.write()
    (place.parent / ".env").write_text("FROM_DOT_ENV=there\n")
    deployer = host.open()

    seen = await bring(deployer, spec(place.parent, env=(("MORE", "a$b"),)))

    [replica] = seen.ready
    made = host.containers()
    assert set(made) == {"my-server", "chatty-side-1"}
    env = made["my-server"]["Config"]["Env"]
    assert {"PRICE=5 $", "OWN=there", "MORE=a$b"} <= set(env)
    assert place.read_text() == PROJECT
    assert sorted(each.name for each in place.parent.iterdir()) == [".env", "compose.yaml"]
    assert dict(replica.made_of)["project"] == f"compose:{place.parent}"
    lines = [line.text async for line in deployer.logs(replica.id, tail=5, follow=False)]
    assert "stub: serving, 0 bytes eaten" in lines
    policy = made["my-server"]["HostConfig"]["RestartPolicy"]["Name"]
    assert policy == "unless-stopped"
    [listed] = json.loads(host.compose("ls", "--format", "json"))
    assert listed["Name"] == "chatty"
    assert str(place) in listed["ConfigFiles"]


async def test_through_ssh_it_is_the_bots_files_and_the_hosts_containers(
    host: Host, sshd_for_all: Sshd
):
    far = {"host": f"{sshd_for_all.url}{host.engine.socket}", "ssh_config": sshd_for_all.config()}
    want, deployer = spec(host.write()), host.open(**far)

    seen = await bring(deployer, want)

    assert len(seen.ready) == 1
    assert set(host.containers()) == {"my-server", "chatty-side-1"}
    await bring(deployer, want.scaled(0))
    assert host.containers() == {}


async def test_a_revision_that_fails_gives_way_to_the_one_before(host: Host):
    place, deployer = host.write(), host.open()
    good, bad = spec(place), spec(place, env=(("EXIT_CODE", "3"),))
    await bring(deployer, good)
    with pytest.raises(Unhealthy):
        await bring(deployer, bad)

    seen = await bring(deployer, good)

    assert [each.id.revision for each in seen.replicas] == [good.revision]
    assert len(seen.ready) == 1
    assert {each["State"]["Status"] for each in host.containers().values()} == {"running"}


async def test_a_change_that_fails_brings_the_project_back_as_it_was(host: Host, tmp_path):
    place = host.write()
    good, bad = spec(place), spec(place, env=(("EXIT_CODE", "3"),))
    store = await Store.open(tmp_path / "gantry.db")
    world = World(store, tmp_path)
    world.deployers = {TARGET: host.open()}
    world.new_fleet()
    await world.change(good, "deploy chat")

    with pytest.raises(Interrupts, match="a Compose project is on a host once"):
        await world.change(bad, "deploy chat EXIT_CODE=3")
    with pytest.raises(OpsError) as caught:
        await world.change(bad, "deploy it so", terms=Terms(strategy=Strategy.RECREATE))

    assert "serves, 1 of 1" in (caught.value.standing or "")
    seen = await world.seen(TARGET, "chat")
    assert [each.id.revision for each in seen.ready] == [good.revision]
    assert world.asked("chat") == [str(seen.ready[0].id)]
    await store.aclose()


async def test_a_service_that_is_forgotten_takes_what_is_left_of_its_project_along(host: Host):
    want, deployer = spec(host.write()), host.open()
    await bring(deployer, want)
    client = host.engine.client()
    client.containers.get("my-server").remove(force=True)
    client.close()
    plan = await make_plan(deployer, want.scaled(0))

    await deployer.apply(replace(plan, steps=(Step(StepKind.FORGET),)), ignore)

    assert host.containers() == {}
    assert "chatty_default" not in host.names("networks")


async def test_what_is_adopted_is_there_for_the_next_bot_and_not_made_twice(host: Host):
    want = spec(host.write())
    await bring(host.open(), want)
    before = host.containers()["my-server"]["Id"]

    seen = await bring(host.open(), want)

    assert len(seen.ready) == 1
    assert host.containers()["my-server"]["Id"] == before


async def test_with_the_service_the_whole_project_ends_but_for_its_volumes(host: Host):
    want, deployer = spec(host.write()), host.open()
    await bring(deployer, want)
    assert "chatty_default" in host.names("networks")

    seen = await bring(deployer, want.scaled(0))

    assert seen.replicas == ()
    assert host.containers() == {}
    assert "chatty_default" not in host.names("networks")
    assert "chatty_kept" in host.names("volumes")


async def test_a_project_whose_file_is_gone_can_still_be_stopped(host: Host):
    place, deployer = host.write(), host.open()
    want = spec(place)
    await bring(deployer, want)
    shutil.rmtree(place.parent)

    await bring(deployer, want.scaled(0))

    assert host.containers() == {}


async def test_another_revision_takes_the_place_of_the_one_before(host: Host):
    place, deployer = host.write(), host.open()
    old = await bring(deployer, spec(place))
    want = spec(place, env=(("MORE", "1"),))

    seen = await bring(deployer, want)

    assert [each.id.revision for each in seen.ready] == [want.revision]
    assert seen.ready[0].id != old.ready[0].id
    assert len(host.containers()) == 2


async def test_a_replica_that_somebody_removed_comes_again_in_its_project(host: Host):
    want, deployer = spec(host.write()), host.open()
    await bring(deployer, want)
    client = host.engine.client()
    client.containers.get("my-server").remove(force=True)
    client.close()
    assert (await deployer.observe("chat")).replicas == ()

    seen = await bring(deployer, want)

    assert len(seen.ready) == 1


async def test_what_is_brought_up_by_hand_meanwhile_is_a_strangers_from_then_on(host: Host):
    place, deployer = host.write(), host.open()
    await bring(deployer, spec(place))
    host.compose("-f", str(place), "up", "--detach")
    assert (await deployer.observe("chat")).replicas == ()

    with pytest.raises(Refused, match="was not Gantry that started it"):
        await bring(deployer, spec(place))

    assert {each["State"]["Status"] for each in host.containers().values()} == {"running"}
    host.compose("-p", "chatty", "down")
    assert len((await bring(deployer, spec(place))).ready) == 1


@pytest.mark.parametrize("interrupt", [cancelled, die], ids=["cancelled", "killed"])
async def test_an_update_cut_off_at_any_report_is_finished_by_the_next_bot(
    host: Host, interrupt: Interrupt
):
    stage, place = host.stage, host.write()
    stage.ours |= {"projects_dir": host.projects}
    stage.environment |= {"DOCKER_CONFIG": os.environ["DOCKER_CONFIG"]}
    await bring(host.open(), spec(place))
    for count in range(1, 40):
        plan = await make_plan(host.open(), spec(place, env=(("COUNT", str(count)),)))
        broken_off = await interrupt(stage, plan, count)

        await host.open().apply(plan, ignore)

        seen = await host.open().observe("chat")
        assert {each.id for each in seen.ready} == {each.id for each in seen.replicas}
        assert {each.id for each in seen.ready} == plan.wanted
        assert {each["State"]["Status"] for each in host.containers().values()} == {"running"}
        if not broken_off:
            return
    pytest.fail("the plan never ends")


async def test_what_runs_already_by_itself_is_a_strangers_and_left_alone(host: Host):
    place = host.write()
    host.compose("-f", str(place), "up", "--detach")
    before = {name: each["Id"] for name, each in host.containers().items()}

    with pytest.raises(Refused, match="chatty is on that host already") as caught:
        await bring(host.open(), spec(place))

    assert "docker compose -p chatty down" in caught.value.hint
    after = host.containers()
    assert {name: each["Id"] for name, each in after.items()} == before
    assert all(each["State"]["Status"] == "running" for each in after.values())


async def test_two_services_cannot_adopt_the_same_project(host: Host):
    place, deployer = host.write(), host.open()
    first = await bring(deployer, spec(place))

    with pytest.raises(Refused, match="chat has adopted it") as caught:
        await bring(deployer, spec(place, "other"))
    assert caught.value.hint == "`!remove chat` takes it down, and leaves its volumes"

    assert (await deployer.observe("chat")).ready[0].id == first.ready[0].id


async def test_of_two_that_publish_one_is_named(host: Host):
    place = host.write(PROJECT.replace('["kept:/kept"]', '["kept:/kept"]\n    ports: ["8080"]'))
    deployer = host.open()

    with pytest.raises(Refused, match="publish ports: server, side"):
        await bring(deployer, spec(place))
    assert host.containers() == {}
    assert len((await bring(deployer, spec(place, settings=(("service", "server"),)))).ready) == 1


async def test_a_model_of_another_name_is_told_at_once_and_the_project_halted(host: Host):
    place, deployer = host.write(), host.open()

    with pytest.raises(Unhealthy, match="serves chat, and nothing that is called other"):
        await bring(deployer, spec(place, "other"))

    [failed] = (await deployer.observe("other")).replicas
    assert "serves chat" in (failed.reason or "")
    assert {each["State"]["Status"] for each in host.containers().values()} == {"exited"}


@pytest.mark.parametrize(
    "policy", ["restart: always", "deploy: {restart_policy: {condition: any}}"]
)
async def test_one_that_dies_as_it_starts_is_not_started_in_a_loop(host: Host, policy):
    dying = PROJECT.replace("restart: unless-stopped", policy)
    place = host.write(dying.replace("PRICE:", 'EXIT_CODE: "3", PRICE:'))
    deployer = host.open()

    with pytest.raises(Unhealthy):
        await bring(deployer, spec(place))

    made = host.containers()
    assert made["my-server"]["RestartCount"] == 0
    assert {each["State"]["Status"] for each in made.values()} == {"exited"}


async def test_a_card_that_is_refused_leaves_nothing(host: Host):
    devices = "deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}"
    place = host.write(PROJECT.replace("restart: unless-stopped", devices))

    with pytest.raises(Unhealthy):
        await bring(host.open(), spec(place))

    assert host.containers() == {}
    assert "chatty_default" not in host.names("networks")


async def test_an_image_that_is_nowhere_is_refused_before_anything_is_made(host: Host):
    place = host.write(PROJECT.replace(STUB.reference, "127.0.0.1:1/nobody:1"))

    with pytest.raises(OpsError, match=r"127\.0\.0\.1:1/nobody"):
        await bring(host.open(), spec(place))

    assert host.containers() == {}
    assert "chatty_default" not in host.names("networks")


async def test_a_port_that_is_taken_leaves_nothing_and_says_so(host: Host):
    port = unused_port()
    place = host.write(PROJECT.replace("127.0.0.1::8080", f"127.0.0.1:{port}:8080"))
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)

    async with taken:
        with pytest.raises(Unhealthy) as caught:
            await bring(host.open(), spec(place))

    assert caught.value.failure.kind == "port-taken"
    assert host.containers() == {}


async def test_a_strangers_container_of_the_same_name_is_left_alone(host: Host):
    client = host.engine.client()
    theirs = client.containers.create(STUB.reference, name="my-server")
    client.close()

    with pytest.raises(Refused, match="not Gantry's"):
        await bring(host.open(), spec(host.write()))

    assert [each["Id"] for each in host.containers().values()] == [theirs.id]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("services: [", "cannot read"),
        ("", "cannot read"),
        ("services:\n  a: {image: x, prots: [1]}\n", "prots"),
        ("services:\n  a: {image: 'x:${V:?say which}', ports: ['1']}\n", "say which"),
        ("services:\n  a: {image: x}\n", "publishes a port"),
        ("services:\n  a: {build: ., ports: ['1']}\n", "names no image"),
    ],
)
async def test_a_bad_file_is_refused_with_what_compose_says_of_it(host: Host, text, why):
    with pytest.raises(Refused, match=why):
        await bring(host.open(), spec(host.write(text)))

    assert host.containers() == {}


async def test_what_is_no_project_is_refused(host: Host):
    host.write()
    (host.projects / "empty").mkdir()
    for place in ("missing", "empty", "empty/compose.yaml"):
        with pytest.raises(Refused, match="there is no Compose project at"):
            await bring(host.open(), spec(host.projects / place))


async def test_a_path_that_no_system_takes_is_refused(host: Host):
    host.write()

    with pytest.raises(Refused, match="cannot be read: File name too long"):
        await bring(host.open(), spec(host.projects / ("x" * 300)))


async def test_a_link_does_not_lead_out_of_the_folder(host: Host, tmp_path):
    secret = tmp_path / "secret.yaml"
    secret.write_text("password: hunter2\n")
    host.projects.mkdir()
    (host.projects / "compose.yaml").symlink_to(secret)

    with pytest.raises(Refused, match="leads out of the folder") as caught:
        await bring(host.open(), spec(host.projects))

    assert "hunter2" not in f"{caught.value}{caught.value.hint}"


async def test_without_a_folder_or_compose_none_is_adopted(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path
):
    want = spec(host.write())
    with pytest.raises(Unsupported, match="adopts no Compose projects"):
        await make_plan(host.open(projects_dir=None), want)
    for name in ("DOCKER_CONFIG", "HOME", "PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(Unsupported, match="no Compose project can be adopted") as caught:
        await make_plan(host.open(), want)
    assert "docker-compose-plugin" in caught.value.hint


async def test_who_stops_waiting_finds_it_there_whole_or_not_at_all(host: Host):
    want, deployer = spec(host.write()), host.open()
    plan = await make_plan(deployer, want)
    going = asyncio.create_task(deployer.apply(plan, ignore))
    while "my-server" not in host.containers():
        await asyncio.sleep(0.005)

    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going

    assert {each["State"]["Status"] for each in host.containers().values()} == {"running"}
    assert len((await bring(host.open(), want)).ready) == 1


async def test_logs_of_a_project_that_was_stopped_are_not_remembered(host: Host):
    place, deployer = host.write(), host.open()
    seen = await bring(deployer, spec(place))
    await bring(deployer, spec(place).scaled(0))

    with pytest.raises(UnknownName):
        async for _ in deployer.logs(seen.ready[0].id, tail=5, follow=False):
            pass
