"""What a real engine tells of replicas to which something happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

import pytest

from domain.errors import Unhealthy, Unreachable
from domain.incidents import Incident, Kind
from domain.replicas import Phase
from tests.contract.stages import Stage, bring
from tests.engines import with_cards
from tests.engines.engine import DockerEngine
from tests.engines.gpu_proxy import GpuProxy

pytestmark = [pytest.mark.docker, pytest.mark.engine]

END = ["sh", "-c", "kill -TERM 1"]
"""Asked from inside, nobody outside did it."""

HUNGRY = ["python3", "-S", "-c", "held = [b'x' * (1 << 20) for _ in range(2000)]"]


class Host:
    """One replica, served, and an ear."""

    def __init__(self, stage: Stage, engine: DockerEngine, proxy: GpuProxy) -> None:
        self.stage, self.engine, self.proxy = stage, engine, proxy
        self.told: list[Incident] = []
        self.deployer = stage.open(
            host=proxy.unix, images={"llamacpp": with_cards.REFERENCE}, kind="docker"
        )

    @property
    def spec(self):
        return self.stage.spec(gpu="none")

    async def heard(self, kind: Kind, count: int = 1) -> Incident:
        """Wait for so many of a kind, and return the last."""
        async with asyncio.timeout(60):
            while len(found := [each for each in self.told if each.kind is kind]) < count:
                await asyncio.sleep(0.02)
        return found[-1]

    @property
    def caused(self) -> list[Kind]:
        """What was told but for health: on a machine with much to do a check of that may fail."""
        health = (Kind.UNHEALTHY, Kind.RECOVERED)
        return [each.kind for each in self.told if each.kind not in health]

    @asynccontextmanager
    async def listening(self, since: datetime | None = None) -> AsyncIterator[None]:
        """As the fleet listens: again from where it had heard, when it breaks off."""

        async def listen() -> None:
            upto = since or datetime.now(UTC)
            while True:
                try:
                    async with aclosing(self.deployer.incidents(upto)) as found:
                        async for each in found:
                            self.told.append(each)
                            upto = each.upto or upto
                except Unreachable:
                    await asyncio.sleep(0.1)

        task = asyncio.create_task(listen())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
        assert task.cancelled(), task.exception()

    async def act(self, name: str, *words, **more):
        """Call a method of the replica's container, beside the deployer."""
        client = self.engine.client()
        try:
            (container,) = client.containers.list(all=True, ignore_removed=True)
            return await asyncio.to_thread(getattr(container, name), *words, **more)
        finally:
            client.close()


@pytest.fixture(scope="session")
def engine(docker_engine: DockerEngine) -> DockerEngine:
    client = docker_engine.client()
    with_cards.load(client)
    client.close()
    return docker_engine


@pytest.fixture
async def host(engine: DockerEngine, tmp_path) -> AsyncIterator[Host]:
    with GpuProxy.before(engine.socket, tmp_path) as proxy:
        stage = Stage("docker", tmp_path, engine=engine)
        made = Host(stage, engine, proxy)
        await bring(made.deployer, made.spec)
        yield made
        await stage.close()


async def test_a_replica_that_ends_by_itself_is_told_with_its_exit_code_and_last_lines(host):
    async with host.listening():
        await host.act("exec_run", END)
        told = await host.heard(Kind.ENDED)
    assert "exit code 0" in told.text
    assert "its engine starts it again" in told.text
    assert "waiting for main loop exit" in "".join(told.evidence), told.evidence
    assert (told.failure, told.upto) == ("crashed", told.at)


async def test_a_loop_is_told_as_it_begins(host):
    async with host.listening():
        for count in (1, 2):
            await host.act("exec_run", END)
            await host.heard(Kind.ENDED, count)
            await until_again(host, count)
        await host.act("exec_run", END)
        told = await host.heard(Kind.RESTART_LOOP)
    assert told.text.startswith("ended 3 times in 10 minutes: ")
    assert told.for_a_person


async def test_a_process_that_is_ended_for_its_memory_is_told_with_the_limit(host):
    await host.act("update", mem_limit="160m", memswap_limit="160m")
    async with host.listening():
        await host.act("exec_run", HUNGRY)
        told = await host.heard(Kind.OUT_OF_MEMORY)
    assert told.failure == "out-of-memory"
    assert "(limit 168 MB)" in told.text


async def test_who_stops_it_beside_us_is_told_of(host):
    async with host.listening():
        await host.act("stop", timeout=5)
        told = await host.heard(Kind.STOPPED)
    assert told.text == "was stopped by somebody, not by Gantry (signal 15)"


async def test_unhealthy_and_well_again_are_told_and_the_first_is_not_the_end(host):
    async with host.listening():
        await host.act("exec_run", with_cards.FALL_ILL)
        await host.heard(Kind.UNHEALTHY)
        (replica,) = (await host.deployer.observe("tiny")).replicas
        assert replica.phase is Phase.READY
        await host.act("exec_run", with_cards.GET_WELL)
        await host.heard(Kind.RECOVERED)
    assert [each.kind for each in host.told] == [Kind.UNHEALTHY, Kind.RECOVERED]


async def test_what_we_do_ourselves_is_no_incident_nor_is_a_start_that_fails(host):
    async with host.listening():
        await bring(host.deployer, host.stage.spec(gpu="none", context=96))
        with pytest.raises(Unhealthy):
            await bring(host.deployer, host.stage.broken())
        await bring(host.deployer, host.stage.spec(0))
        await bring(host.deployer, host.spec)
        await host.act("stop", timeout=5)
        await host.heard(Kind.STOPPED)  # so what came before it was heard as well
    assert host.caused == [Kind.STOPPED]


async def test_a_way_that_breaks_loses_nothing_and_repeats_nothing(host):
    async with host.listening():
        await host.act("exec_run", END)
        first = await host.heard(Kind.ENDED)
        await until_again(host, 1)
        host.proxy.cut()
        await host.act("exec_run", END)
        second = await host.heard(Kind.ENDED, 2)
        host.proxy.cut()
        await until_again(host, 2)
        await host.act("stop", timeout=5)
        await host.heard(Kind.STOPPED)
    assert first.id != second.id
    assert len({each.id for each in host.told}) == len(host.told)
    assert host.caused == [Kind.ENDED, Kind.ENDED, Kind.STOPPED]


async def test_what_happened_while_nobody_listened_is_told_after(host):
    since = datetime.now(UTC)
    await host.act("exec_run", END)
    await until_again(host, 1)
    async with host.listening(since):
        told = await host.heard(Kind.ENDED)
    host.told.clear()
    async with host.listening(told.at):
        await host.act("stop", timeout=5)
        await host.heard(Kind.STOPPED)
    assert host.caused == [Kind.STOPPED]


async def until_again(host: Host, restarts: int) -> None:
    """Wait until it serves again, after so many restarts by its engine. Before that PID 1 has no
    handler, and ignores signals from inside."""
    client = host.engine.client()
    try:
        async with asyncio.timeout(60):
            while True:
                (container,) = client.containers.list(all=True, ignore_removed=True)
                ready = (await host.deployer.observe("tiny")).ready
                if container.attrs["RestartCount"] >= restarts and ready:
                    return
                await asyncio.sleep(0.05)
    finally:
        client.close()
