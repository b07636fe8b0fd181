"""What Gantry adds to Docker: a deployment against `docker run`, an update under load, SSH."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

from bench.deploy import Ends
from bench.docker_fleet import DockerFleet, opened
from bench.measures import Book, Bound, Figure, Measure
from bench.model_file import NAME, model_file
from bench.room import Tell
from bench.stage import open_stage
from domain.errors import OpsError
from domain.services import ServiceSpec
from inference.asking import Models
from inference.client import Turn, open_session
from inference.gateway.opening import Ways, open_gateway
from inference.probe import Prober
from tests.contract.stages import RealClock
from tests.engines.engine import DockerEngine
from tests.engines.images import CACHE, CALM, LLAMACPP
from tests.sshd import Sshd

RATE = 50.0
"""Requests a second while a service is updated."""

_DEPLOY, _REMOVE = "!deploy tiny tiny://ops", "!remove tiny"
_SLOW = f"{_DEPLOY} --engine custom --image {CALM.reference} --set listens=8080 --env READY_DELAY=4"
"""A stub that says that it loads for four seconds: what a deployment adds does not grow with it."""
_MODELS = CACHE / "models"
_STARTS = {
    "deploy": _DEPLOY,
    "model": f"!deploy tiny path:{_MODELS / NAME}",
    "slow": _SLOW,
}
"""The bundled model; one of a size that people deploy, by the same server; the stub."""
_LOOK_EVERY = 0.01


async def bench_docker(book: Book, synapse: Path, tell: Tell, times: int) -> None:
    """On an engine of its own, with the real llama.cpp server in its containers."""
    with DockerEngine.started(tls=False) as engine:
        client = engine.client()
        for image in (LLAMACPP, CALM):
            image.load(client)
        client.close()
        await _deployments(book, synapse, tell, engine, times)
        await _updates(book, tell, engine)
        await _ways(book, tell, engine, times)


async def _deployments(
    book: Book, synapse: Path, tell: Tell, engine: DockerEngine, times: int
) -> None:
    """Turn about, after one of each that only warms the caches."""
    images = {"llamacpp": LLAMACPP.reference}
    target = {"kind": "docker", "host": engine.unix, "images": images, "models_dir": str(_MODELS)}
    await asyncio.to_thread(model_file, _MODELS)
    async with open_stage(synapse, target) as stage, open_session() as http:
        ends, prober = Ends(stage.caller), Prober(http, RealClock())
        for kind, deploy in _STARTS.items():
            runs: dict[str, list[float]] = {"ready": [], "told": [], "by_hand": [], "ping": []}
            for _ in range(times + 1):
                said = time.time()
                runs["told"].append(await ends.seconds(stage.gantry.room, deploy))
                runs["ready"].append(_ready_at(engine, said) - said)
                recipe = _recipe(engine)
                await ends.seconds(stage.gantry.room, _REMOVE)
                runs["by_hand"].append(await _by_hand(engine, recipe, prober))
                runs["ping"].append(await ends.seconds(stage.gantry.room, "!ping"))
                tell(", ".join(f"{name} {values[-1]:.2f} s" for name, values in runs.items()))
            _note_deployments(book, kind, {name: values[1:] for name, values in runs.items()})


def _note_deployments(book: Book, kind: str, runs: Mapping[str, Sequence[float]]) -> None:
    """Until ready, which the bound is for, and until the room is told; what a bare answer takes."""
    by_hand, times = runs["by_hand"], len(runs["by_hand"])
    peer = Figure.median(by_hand)
    for name in ("ready", "told"):
        bounded = name == "ready"
        figure, bound = Figure.median(runs[name]), Bound(factor=1.1) if bounded else None
        measure = f"docker.{kind}_{name}"
        book.note(Measure(measure, "s", times, figure, peer, "by hand", bound))
        ratios = [mine / theirs for mine, theirs in zip(runs[name], by_hand, strict=True)]
        figure, bound = Figure.median(ratios), Bound(slack=1.1) if bounded else None
        book.note(Measure(f"{measure}_pairs", "x", times, figure, bound=bound))
    book.note(Measure(f"docker.{kind}_ping", "s", times, Figure.median(runs["ping"])))


async def _updates(book: Book, tell: Tell, engine: DockerEngine) -> None:
    """A service of one replica and of two, updated and rolled back while it is asked."""
    for replicas in (1, 2):
        async with opened({"docker": {"host": engine.unix}}) as fleet:
            first, second = fleet.spec(replicas), fleet.spec(replicas, context=96)
            await fleet.change(first)
            for name, want in (("update", second), ("rollback", first)):
                failed, asked = await _asked_during(fleet, want)
                tell(f"{name} of {replicas}: {failed} of {asked} requests failed")
                figure = Figure(float(failed))
                measure = f"docker.{name}_{replicas}_failed"
                book.note(Measure(measure, "", asked, figure, bound=Bound(slack=0.0)))
            await fleet.change(first.scaled(0))


async def _asked_during(fleet: DockerFleet, want: ServiceSpec) -> tuple[int, int]:
    """(requests that failed, requests made) over a change, and a second before and after it."""
    asking: list[asyncio.Task[bool]] = []
    clock, rng = RealClock(), Random(1)  # noqa: S311
    async with open_gateway(fleet.endpoints, Ways(), clock, rng) as gateway:
        models = Models(gateway.relay, clock, lambda served: None)

        async def ask() -> bool:
            try:
                async for _ in models.ask("tiny", (Turn("user", "hi"),), max_tokens=2):
                    pass
            except OpsError:
                return False
            return True

        async def keep_asking() -> None:
            while True:
                asking.append(asyncio.create_task(ask()))
                await asyncio.sleep(1 / RATE)

        load = asyncio.create_task(keep_asking())
        await asyncio.sleep(1)
        await fleet.change(want)
        await asyncio.sleep(1)
        load.cancel()
        answered = await asyncio.gather(*asking)
    return answered.count(False), len(answered)


async def _ways(book: Book, tell: Tell, engine: DockerEngine, times: int) -> None:
    """The same over SSH as over the socket: a deployment, and a look at what runs."""
    with Sshd.started() as sshd:
        ssh = {"host": f"{sshd.url}{engine.socket}", "ssh_config": str(sshd.config())}
        deploys: dict[str, list[float]] = {"unix": [], "ssh": []}
        looks: dict[str, list[float]] = {"unix": [], "ssh": []}
        async with AsyncExitStack() as stack:
            ways = {
                "unix": await stack.enter_async_context(opened({"docker": {"host": engine.unix}})),
                "ssh": await stack.enter_async_context(opened({"docker": ssh})),
            }
            for _ in range(min(times, 5) + 1):
                for way, fleet in ways.items():
                    deploys[way].append(await _timed(lambda f=fleet: f.change(f.spec(1))))
                    looks[way] += [await _timed(fleet.look) for _ in range(10)]
                    await fleet.change(fleet.spec(0))
        tell(f"over ssh in {deploys['ssh'][-1]:.2f} s, over unix in {deploys['unix'][-1]:.2f} s")
    for name, unit, runs, scale in (("deploy", "s", deploys, 1), ("observe", "ms", looks, 1000)):
        mine, theirs = ([each * scale for each in runs[way][1:]] for way in ("ssh", "unix"))
        figures = Figure.median(mine), Figure.median(theirs)
        book.note(Measure(f"docker.ssh_{name}", unit, len(mine), *figures, "unix"))


async def _timed(act: Callable[[], Awaitable[object]]) -> float:
    begun = time.perf_counter()
    await act()
    return time.perf_counter() - begun


def _recipe(engine: DockerEngine) -> list[str]:
    """The words with which `docker run` starts the container that Gantry started."""
    client = engine.client()
    try:
        [made] = client.containers.list()
        config, host = made.attrs["Config"], made.attrs["HostConfig"]
        environment = (word for each in config["Env"] for word in ("-e", each))
        command = config["Cmd"] or ()
        mounts = (word for each in host["Mounts"] for word in ("--mount", _mount(each)))
        return [*environment, *mounts, config["Image"], *command]
    finally:
        client.close()


def _mount(told: Mapping[str, Any]) -> str:
    """As `--mount` has it."""
    place = f"type={told['Type']},source={told['Source']},target={told['Target']}"
    return f"{place},readonly" if told.get("ReadOnly") else place


def _ready_at(engine: DockerEngine, since: float) -> float:
    """When (seconds, epoch) the engine was told to keep a replica up: it had just given its first
    token."""
    client = engine.client()
    try:
        filters = {"type": "container", "event": "update"}
        told = client.events(since=since, until=time.time(), filters=filters, decode=True)
        return float(next(iter(told))["timeNano"]) / 1e9
    finally:
        client.close()


async def _by_hand(engine: DockerEngine, recipe: list[str], prober: Prober) -> float:
    """Seconds from `docker run` to the first token. It is removed again."""
    begun = time.perf_counter()
    made = await _docker(engine, "run", "-d", "-p", "127.0.0.1::8080", *recipe)
    try:
        where = (await _docker(engine, "port", made, "8080")).splitlines()[0]
        while not await prober(f"http://{where}", "tiny"):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY)
        return time.perf_counter() - begun
    finally:
        await _docker(engine, "rm", "-f", made)


async def _docker(engine: DockerEngine, *words: str) -> str:
    done = await asyncio.to_thread(
        subprocess.run,
        ("docker", *words),
        env={"PATH": os.environ["PATH"], "DOCKER_HOST": engine.unix},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise OpsError(f"docker {words[0]}: {done.stderr.decode().strip()}")
    return done.stdout.decode().strip()
