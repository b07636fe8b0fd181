"""What is free on a Docker host."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from deployers.docker.api import Api
from deployers.docker.client import memory_used
from deployers.docker.room import Room, measured, read, same_machine
from deployers.docker.ways.connection import Connection
from deployers.docker.ways.connections import connection
from domain.targets import DockerTarget
from tests.contract.stages import RealClock, Stage, bring
from tests.engines.engine import DockerEngine
from tests.engines.images import LLAMACPP

MEMINFO = "MemTotal:       16384 kB\nMemFree:         100 kB\nMemAvailable:    2048 kB\n"
DF = (
    "Filesystem     1024-blocks      Used Available Capacity Mounted on\n"
    "/dev/sda1         41152736  10485760      3072      27% /models\n"
)


def test_memory_and_disk_are_read_from_inside_a_container():
    assert read(MEMINFO + DF) == Room(2048 * 1024, 3072 * 1024)


@pytest.mark.parametrize("said", ["", "\n", "sh: cat: not found\n", DF, "MemAvailable: much kB\n"])
def test_what_is_no_answer_tells_nothing(said: str):
    assert read(said) is None


def test_memory_alone_is_something():
    assert read(MEMINFO) == Room(2048 * 1024, None)


@pytest.mark.parametrize(
    ("stats", "used"),
    [
        ({"memory_stats": {"usage": 900, "stats": {"total_inactive_file": 300}}}, 600),
        ({"memory_stats": {"usage": 900, "stats": {"inactive_file": 400}}}, 500),
        ({"memory_stats": {}}, 0),
        ({}, 0),
    ],
)
def test_what_a_container_uses_leaves_the_page_cache_out(stats: dict[str, object], used: int):
    assert memory_used(stats) == used


def test_another_kernel_or_name_is_another_machine():
    own = os.uname()
    here = {"Name": own.nodename, "KernelVersion": own.release}
    assert same_machine(here)
    assert not same_machine(here | {"KernelVersion": "6.10.14-linuxkit"})
    assert not same_machine(here | {"Name": "docker-desktop"})
    assert not same_machine({})


@pytest.fixture
async def api(docker_engine: DockerEngine, tmp_path: Path) -> AsyncIterator[Api]:
    settings = DockerTarget(kind="docker", host=docker_engine.unix)
    way: Connection = connection(settings, RealClock(), tmp_path)
    made = Api("here", way)
    yield made
    await made.aclose()
    docker_engine.remove_containers()


@pytest.mark.docker
async def test_an_engine_of_this_machine_has_what_this_machine_has(api: Api):
    room = await measured(api, await api.info(), local=True)

    assert room.memory is not None
    assert 0.5 < room.memory / psutil.virtual_memory().available < 2
    assert room.disk


@pytest.mark.docker
async def test_another_host_without_replicas_has_what_its_containers_leave(api: Api):
    info = await api.info()
    room = await measured(api, info, local=False)

    assert room == Room(info["MemTotal"], None)


@pytest.mark.docker
@pytest.mark.engine
async def test_another_host_is_looked_at_from_inside_a_replica(
    api: Api, docker_engine: DockerEngine, tmp_path: Path
):
    ours = {"host": docker_engine.unix, "images": {"llamacpp": LLAMACPP.reference}}
    stage = Stage("docker", tmp_path, ours, docker_engine)
    await bring(stage.open(), stage.good())
    room = await measured(api, await api.info(), local=False)
    await stage.close()

    assert room.memory is not None
    assert 0.5 < room.memory / psutil.virtual_memory().available < 2
    assert room.disk
