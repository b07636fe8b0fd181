"""Fifty containers on one engine: how long they take, and what everybody else notices."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.deploy import Ends
from bench.measures import Book, Figure, Measure
from bench.room import Tell
from bench.stage import Stage, open_stage
from tests.engines.engine import DockerEngine
from tests.engines.images import CALM, LLAMACPP

FIFTY = 50

_MANY = (
    f"!deploy many tiny://ops --engine custom --image {CALM.reference} "
    f"--set listens=8080 --replicas {FIFTY}"
)
_BESIDE, _GONE = "!deploy tiny tiny://ops", "!remove tiny"
_PATIENCE = 600.0
_LOOKS, _BESIDES = 10, 3


async def bench_many(book: Book, synapse: Path, tell: Tell, engine: DockerEngine) -> None:
    """In a room: the answers of the bot before, while they start, and once they run."""
    images = {"llamacpp": LLAMACPP.reference}
    target = {"kind": "docker", "host": engine.unix, "images": images}
    async with open_stage(synapse, target) as stage:
        many = Many(stage, Ends(stage.caller))
        await many.deployed_beside()  # warms the caches
        alone = [await many.deployed_beside() for _ in range(_BESIDES)]
        ping, status, targets = [await many.looks(each) for each in many.questions]
        tell(f"{FIFTY} containers are started ...")
        seconds, during = await many.started()
        tell(f"{FIFTY} containers in {seconds:.0f} s")
        book.note(Measure("docker.fifty_deployed", "s", 1, Figure(seconds)))
        _note(book, "fifty_ping_meanwhile", during, ping)
        for name, before in (("status", status), ("targets", targets)):
            _note(book, f"fifty_{name}", await many.looks(f"!{name}"), before)
        beside = [await many.deployed_beside() for _ in range(_BESIDES)]
        figures = Figure.median(beside), Figure.median(alone)
        book.note(Measure("docker.fifty_deploy_beside", "s", _BESIDES, *figures, "none of them"))


def _note(book: Book, name: str, ours: list[float], before: list[float]) -> None:
    """Milliseconds, beside those with no container there."""
    figures = [Figure.median([each * 1000 for each in seconds]) for seconds in (ours, before)]
    book.note(Measure(f"docker.{name}", "ms", len(ours), *figures, "none of them"))


class Many:
    """A room whose target comes to hold them."""

    questions = ("!ping", "!status", "!targets")

    def __init__(self, stage: Stage, ends: Ends) -> None:
        self._ends, self._room = ends, stage.gantry.room

    async def looks(self, question: str) -> list[float]:
        """Seconds of each of several answers."""
        return [await self._ends.seconds(self._room, question) for _ in range(_LOOKS)]

    async def deployed_beside(self) -> float:
        """Seconds of a deployment of something else, which is removed again."""
        took = await self._ends.seconds(self._room, _BESIDE)
        await self._ends.seconds(self._room, _GONE)
        return took

    async def started(self) -> tuple[float, list[float]]:
        """(seconds until all serve, seconds of each answer to `!ping` until then)."""
        starting = asyncio.create_task(self._ends.seconds(self._room, _MANY, _PATIENCE))
        pings: list[float] = []
        while not starting.done():
            pings.append(await self._ends.seconds(self._room, "!ping", _PATIENCE))
            await asyncio.wait([starting], timeout=0.5)
        return await starting, pings
