"""What cannot be taken over as it runs, and what leave to do so means where nothing runs."""

from __future__ import annotations

import pytest

from domain.errors import Refused, Unhealthy
from tests.contract.stages import TARGET
from tests.deployers.docker.projects import PROJECT, Host, spec
from tests.deployers.docker.taking import change, lives, marks, taking, up
from tests.fleet.world import World

pytestmark = [pytest.mark.docker, pytest.mark.engine]


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
