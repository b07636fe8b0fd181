"""The command line: which bench to run."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from bench.deploy import bench_deploy
from bench.fleet import bench_fleet
from bench.footprint import bench_memory, bench_start
from bench.gateway.faults import bench_faults
from bench.gateway.speed import bench_gateway
from bench.limits import bench_limits
from bench.measures import Book
from bench.peers import bench_peers, install_peers
from bench.room import bench_room
from bench.stage import open_stage
from bench.targets import bench_targets
from domain.errors import OpsError

_SYNAPSE = Path(".venv-synapse/bin/python")


def tell(text: str) -> None:
    """Say how it goes, apart from the results."""
    click.echo(text, err=True)


@click.command()
@click.argument(
    "name",
    type=click.Choice(
        [
            *("room", "peers", "limits", "footprint", "deploy", "fleet", "targets"),
            *("docker", "docker-faults", "docker-targets", "gateway", "gateway-faults", "all"),
        ]
    ),
)
@click.option(
    "--pings",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    help="How many each bot gets at each number in flight.",
)
@click.option(
    "--times",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="How often a start or a deployment is repeated.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0.5, max=25),
    default=20,
    show_default=True,
    help="How long the operation of `limits` takes.",
)
@click.option(
    "--synapse-python",
    "synapse",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="GANTRY_SYNAPSE_PYTHON",
    default=_SYNAPSE,
    show_default=True,
    show_envvar=True,
    help="A Python that has Synapse; script/bench installs one.",
)
def bench(name: str, pings: int, times: int, minutes: float, synapse: Path) -> None:
    """Measure, one JSON line a figure. Exits with 1 only if something could not be measured."""
    book = Book(click.echo, lambda: os.getloadavg()[0])
    try:
        if name in ("room", "all"):
            asyncio.run(_room(book, synapse, pings))
        if name == "peers":
            _peers(book, synapse, pings)
        if name == "limits":
            book.begin()
            asyncio.run(bench_limits(book, synapse, tell, minutes))
        if name in ("footprint", "all"):
            book.begin()
            bench_start(book, tell, times)
            asyncio.run(_memory(book, synapse))
        if name in ("fleet", "all"):
            book.begin()
            bench_fleet(book, tell)
        if name in ("targets", "all"):
            book.begin()
            bench_targets(book, tell)
        if name == "docker":
            book.begin()
            asyncio.run(_docker(book, synapse, times))
        if name in ("gateway", "gateway-faults"):  # not among `all`: LiteLLM is installed for them
            book.begin()
            asyncio.run((bench_gateway if name == "gateway" else bench_faults)(book, tell))
        if name == "docker-faults":
            book.begin()
            asyncio.run(_docker_faults(book, synapse, times))
        if name == "docker-targets":
            book.begin()
            asyncio.run(_docker_targets(book, times))
        if name in ("deploy", "all"):
            asyncio.run(_deploy(book, synapse, times))
    except OpsError as error:
        tell(f"could not be measured: {error.summary}")
        sys.exit(1)
    finally:
        tell("\n" + book.table())


async def _room(book: Book, synapse: Path, pings: int) -> None:
    book.begin()
    async with open_stage(synapse) as stage:
        await bench_room(book, stage, tell, pings)


def _peers(book: Book, synapse: Path, pings: int) -> None:
    """Not among `all`: it installs what others wrote, and takes by far the longest."""
    for sealed in (False, True):
        pythons = install_peers(book, tell, sealed=sealed)
        book.begin()
        asyncio.run(bench_peers(book, synapse, pythons, tell, pings, sealed=sealed))


async def _memory(book: Book, synapse: Path) -> None:
    async with open_stage(synapse) as stage:
        await bench_memory(book, stage, tell)


async def _docker(book: Book, synapse: Path, times: int) -> None:
    """Not among `all`: it needs root, dockerd and sshd, which it starts as the tests do."""
    from bench.docker import bench_docker

    await bench_docker(book, synapse, tell, times)


async def _docker_faults(book: Book, synapse: Path, times: int) -> None:
    """Not among `all`, for the same reason."""
    from bench.docker_faults import bench_docker_faults

    await bench_docker_faults(book, synapse, tell, times)


async def _docker_targets(book: Book, times: int) -> None:
    from bench.docker_targets import bench_docker_targets

    await bench_docker_targets(book, tell, times)


async def _deploy(book: Book, synapse: Path, times: int) -> None:
    book.begin()
    async with open_stage(synapse) as stage:
        await bench_deploy(book, stage, tell, times)


if __name__ == "__main__":
    bench(prog_name="bench")
