"""Projects that run already, taken over as they run, on a real engine with the real Compose."""

from __future__ import annotations

import asyncio
import os
import re

import pytest

from deployers.protocol import Overview
from domain.errors import OpsError, Refused, Unhealthy
from domain.replicas import Phase
from tests.contract.dying_bot import die
from tests.contract.stages import TARGET, deaf, ignore, make_plan
from tests.contract.test_interruptions import Interrupt, cancelled
from tests.deployers.docker.projects import PROJECT, Host, spec
from tests.deployers.docker.taking import change, foretold, lives, marks, taking, up
from tests.fleet.world import World
from tests.sshd import Sshd

pytestmark = [pytest.mark.docker, pytest.mark.engine]


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
