"""What goes wrong on Docker hosts, in seconds: noticed after, whole again after."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.docker_fleet import DockerFleet, opened
from bench.docker_many import bench_many
from bench.measures import Book, Bound, Figure, Measure
from bench.room import Tell
from domain.errors import OpsError, TargetError, Unhealthy
from domain.replicas import Observed, Phase
from domain.services import ServiceSpec
from tests.deployers.docker.followers import followed_by
from tests.deployers.docker.warehouse import small_volume
from tests.engines.engine import DockerEngine, free_port
from tests.engines.images import CALM, LLAMACPP, STUB
from tests.sshd import Sshd

FOLLOWERS = 40
"""Of one log."""

_LOADS = "4"
"""Seconds for which a model loads, in whose middle something happens."""
_PATIENCE = 120.0
_LOOK_EVERY = 0.02
_LOOKS = 20


async def bench_docker_faults(book: Book, synapse: Path, tell: Tell, times: int) -> None:
    """Each thing so many times, on an engine and an sshd of its own; then fifty containers."""
    with DockerEngine.started(tls=False) as engine, Sshd.started() as sshd:
        client = engine.client()
        for image in (LLAMACPP, STUB, CALM):
            image.load(client)
        client.close()
        faults = Faults(book, tell, engine, sshd, max(3, times))
        await faults.sessions()
        await faults.daemon()
        await faults.refusals()
        await faults.image_removed()
        await faults.followers()
        await bench_many(book, synapse, tell, engine)


class Faults:
    """One method for each kind of them."""

    def __init__(
        self, book: Book, tell: Tell, engine: DockerEngine, sshd: Sshd, times: int
    ) -> None:
        self._book, self._tell, self._engine, self._sshd = book, tell, engine, sshd
        self._times = times
        self._unix = {"host": engine.unix}
        self._ssh = {"host": f"{sshd.url}{engine.socket}", "ssh_config": str(sshd.config())}

    async def sessions(self) -> None:
        """The SSH session is killed, or falls silent, in the middle of a deployment."""
        for name, how in (("killed", signal.SIGKILL), ("frozen", signal.SIGSTOP)):
            looked, whole, failed = [], [], 0
            for _ in range(self._times):
                async with self._fleet(self._ssh) as fleet:
                    deploying = asyncio.create_task(_failed(fleet.change(_stub(fleet, _LOADS))))
                    await self._runs()
                    since = time.perf_counter()
                    self._sshd.signal_sessions(how)
                    await _until(fleet, lambda _: True)
                    looked.append(time.perf_counter() - since)
                    failed += await deploying
                    await _until(fleet, lambda _: True)
                    whole.append(time.perf_counter() - since)
            self._note(f"ssh_{name}_look", looked)
            self._note(f"ssh_{name}_deployed", whole)
            self._count(f"ssh_{name}_deploy_failed", failed, Bound(slack=0.0))

    async def daemon(self) -> None:
        """dockerd ends, in good order, and is started again."""
        noticed, back = [], []
        for _ in range(self._times):
            async with self._fleet(self._unix) as fleet:
                await fleet.change(_stub(fleet))
                self._engine.stop()
                since = time.perf_counter()
                assert await _failed(fleet.look())
                noticed.append(time.perf_counter() - since)
                self._engine.start()
                since = time.perf_counter()
                await _until(fleet, _ready)
                back.append(time.perf_counter() - since)
        self._note("daemon_stopped_noticed", noticed)
        self._note("daemon_started_serves", back)

    async def refusals(self) -> None:
        """A port that a stranger has, and a disk that is full: how soon a deployment fails, and
        what it leaves."""
        taken, full, left = [], [], 0
        for number in range(self._times):
            port = free_port()
            stranger = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
            async with stranger, self._fleet(self._unix) as fleet:
                settings = (("listens", "8080"), ("port", str(port)))
                want = _stub(fleet, settings=settings)
                taken.append(await _fails(fleet.change(want), "port-taken"))
                left += len(self._engine.running())
            volume = f"full-{os.getpid()}-{number}"
            small_volume(self._engine, volume, "1m")
            async with self._fleet(self._unix | {"volume": volume}) as fleet:
                full.append(await _fails(fleet.change(fleet.spec(1)), "disk"))
                left += len(self._engine.running())
        self._note("port_taken_told", taken)
        self._note("disk_full_told", full)
        self._count("refused_left_running", left, Bound(slack=0.0))

    async def image_removed(self) -> None:
        """The image is taken away under a replica: it serves on, and the next start is refused."""
        told, lost = [], 0
        for _ in range(self._times):
            async with self._fleet(self._unix) as fleet:
                await fleet.change(_stub(fleet))
                client = self._engine.client()
                client.images.remove(STUB.reference, force=True)
                lost += not _ready(await fleet.look())
                told.append(await _fails(fleet.change(_stub(fleet, "0.1")), "pulled"))
                lost += not _ready(await fleet.look())
                STUB.load(client)
                client.close()
        self._note("image_removed_told", told)
        self._count("image_removed_replica_lost", lost, Bound(slack=0.0))

    async def followers(self) -> None:
        """Forty follow one log: what a look and a whole question to the host take meanwhile."""
        for way, settings in (("unix", self._unix), ("ssh", self._ssh)):
            async with self._fleet(settings) as fleet:
                await fleet.change(_stub(fleet))
                alone = [await _seconds(_ask(fleet)) for _ in range(_LOOKS)]
                [replica] = (await fleet.look()).replicas
                async with followed_by(FOLLOWERS, fleet.deployer, replica.id):
                    beside = [await _seconds(_ask(fleet)) for _ in range(_LOOKS)]
            ours, peer = ([each * 1000 for each in times] for times in (beside, alone))
            figures = Figure.median(ours), Figure.median(peer)
            name = f"docker.followed_by_{FOLLOWERS}_{way}"
            self._book.note(Measure(name, "ms", _LOOKS, *figures, "nobody follows"))

    @asynccontextmanager
    async def _fleet(self, settings: dict[str, str]) -> AsyncIterator[DockerFleet]:
        """One over an engine without containers."""
        async with asyncio.timeout(_PATIENCE), opened({"docker": settings}) as fleet:
            try:
                yield fleet
            finally:
                self._engine.remove_containers()

    async def _runs(self) -> None:
        while not self._engine.running():  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY)

    def _note(self, name: str, seconds: list[float]) -> None:
        self._tell(f"{name}: {', '.join(f'{each:.2f}' for each in seconds)} s")
        figure = Figure.median(seconds)
        self._book.note(Measure(f"docker.{name}", "s", len(seconds), figure))

    def _count(self, name: str, count: int, bound: Bound) -> None:
        self._tell(f"{name}: {count}")
        figure = Figure(float(count))
        self._book.note(Measure(f"docker.{name}", "", self._times, figure, bound=bound))


def _stub(fleet: DockerFleet, loads: str = "0", **fields: Any) -> ServiceSpec:
    """A service of the stub, whose model loads for so many seconds."""
    said = {"engine": "custom", "image": STUB.reference, "context": None}
    env, settings = (("READY_DELAY", loads),), (("listens", "8080"),)
    return fleet.spec(1, **{**said, "env": env, "settings": settings, **fields})


def _ready(seen: Observed) -> bool:
    return [each.phase for each in seen.alive] == [Phase.READY]


async def _ask(fleet: DockerFleet) -> None:
    """What `!targets` and `!status` ask of a host."""
    await asyncio.gather(fleet.deployer.inspect(), fleet.look())


async def _until(fleet: DockerFleet, holds: Callable[[Observed], bool]) -> None:
    """Look until a look is answered, with what is waited for."""
    while True:
        try:
            if holds(await fleet.look()):
                return
        except TargetError:
            pass
        await asyncio.sleep(_LOOK_EVERY)


async def _failed(work: Awaitable[object]) -> bool:
    try:
        await work
    except OpsError:
        return True
    return False


async def _fails(work: Awaitable[object], why: str) -> float:
    """Seconds until it failed. Raises OpsError if it did not, or for another reason."""
    begun = time.perf_counter()
    try:
        await work
    except OpsError as error:
        kind = error.failure.kind if isinstance(error, Unhealthy) else ""
        if why not in f"{kind} {error.summary}":
            raise
        return time.perf_counter() - begun
    raise OpsError(f"nothing failed, though it should have: {why}")


async def _seconds(work: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun
