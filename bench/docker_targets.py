"""The first `!targets` over twenty real Docker targets of which five are dead, each in its way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bench.fleet_stage import FleetStage, Opened, open_fleet
from bench.measures import Book, Bound, Figure, Measure
from bench.room import Tell
from bench.targets import DEAD, FIRST, HOSTS
from bot.matrix.content import told
from commands.replies import Table
from commands.targets import Targets, targets
from deployers import registry
from deployers.docker.ways.connection import Certificates
from deployers.guard import guarded
from deployers.protocol import Deployer, Tools
from domain.operations import State
from tests.engines.engine import DockerEngine, free_port
from tests.sshd import Sshd

Settings = Mapping[str, Any]


async def bench_docker_targets(book: Book, tell: Tell, times: int) -> None:
    """Each time with deployers that never asked anybody. How many of the living were told of in
    that first answer counts too: one that is told too late is as good as dead."""
    tell(f"{HOSTS} Docker targets, {DEAD} of them dead ...")
    first, living = [], []
    async with _hosts() as hosts:
        for _ in range(max(3, times)):
            async with open_fleet(0, tuple(hosts), _opening(hosts)) as stage:
                seconds, rows = await _asked(stage)
                first.append(seconds)
                living.append(float(sum(row[2] == "✓" for row in rows)))
    tell("\n".join(f"  {row[0]} {row[2]} {row[-1]}" for row in rows))
    figure = Figure.median(first)
    book.note(Measure("targets.docker_first", "s", len(first), figure, bound=Bound(slack=FIRST)))
    everybody = Bound(slack=HOSTS - DEAD, at_least=True)
    figure = Figure.median(living)
    book.note(Measure("targets.docker_living_told", "", len(living), figure, bound=everybody))


async def _asked(stage: FleetStage) -> tuple[float, tuple[tuple[str, ...], ...]]:
    begun = time.perf_counter()
    reply = await targets(Targets(), stage.permit, stage.deps, lambda _: None)
    told(reply.blocks, stage.permit.operation, State.SUCCEEDED, "!")
    took = time.perf_counter() - begun
    [table] = reply.blocks
    assert isinstance(table, Table)
    return took, tuple(table.rows)


def _opening(hosts: Mapping[str, Settings]) -> Opened:
    kind = registry.kind("docker")

    def opened(name: str, tools: Tools) -> Deployer:
        settings = kind.settings.model_validate({"kind": "docker", **hosts[name]})
        return guarded(name, "docker", kind.open(name, settings, tools), tools.clock)

    return opened


@asynccontextmanager
async def _hosts() -> AsyncIterator[dict[str, Settings]]:
    """One engine fifteen times, a third each by its socket, by TLS and by SSH; and the dead."""
    async with AsyncExitStack() as stack:
        engine = stack.enter_context(DockerEngine.started(tls=True))
        sshd = stack.enter_context(Sshd.started())
        assert engine.tls is not None
        ways: tuple[Settings, ...] = (
            {"host": engine.unix},
            {"host": engine.tcp, "tls": _files(engine.tls.client)},
            {"host": f"{sshd.url}{engine.socket}", "ssh_config": str(sshd.config())},
        )
        live = {f"host{n:02}": ways[n % len(ways)] for n in range(HOSTS - DEAD)}
        yield {**await _dead(stack, engine), **live}


async def _dead(stack: AsyncExitStack, engine: DockerEngine) -> dict[str, Settings]:
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    await stack.enter_async_context(silent)
    frozen = stack.enter_context(Sshd.started())
    frozen.freeze()
    stopped = stack.enter_context(DockerEngine.started(tls=False))
    stopped.kill()
    assert engine.tls is not None
    mute = silent.sockets[0].getsockname()[1]
    return {
        "dead-refused": {"host": f"tcp://127.0.0.1:{free_port()}", "insecure": True},
        "dead-silent": {"host": f"tcp://127.0.0.1:{mute}", "insecure": True},
        "dead-sshd": {"host": f"{frozen.url}/docker.sock", "ssh_config": str(frozen.config())},
        "dead-dockerd": {"host": stopped.unix},
        "dead-certificate": {"host": engine.tcp, "tls": _files(engine.tls.stranger)},
    }


def _files(who: Certificates) -> dict[str, str]:
    return {"ca": str(who.ca), "cert": str(who.cert), "key": str(who.key)}
