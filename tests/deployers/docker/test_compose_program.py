"""The `docker compose` of this machine: found, run with nothing of ours, ended in time."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import psutil
import pytest

from deployers.docker.compose import program
from deployers.docker.compose.program import Program
from deployers.docker.ways.connection import Way
from domain.errors import Refused

WAY = Way("unix:///run/x.sock", environment={"DOCKER_HOST": "unix:///run/x.sock"})


class Machine:
    """What stands in the PATH and the home of the bot's user."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.bin, self.home = folder / "bin", folder / "home"
        self.bin.mkdir()
        patch.setenv("PATH", f"{self.bin}:/usr/bin:/bin")
        patch.setenv("HOME", str(self.home))
        patch.delenv("DOCKER_CONFIG", raising=False)
        patch.setattr(program, "_SYSTEM", (folder / "system",))
        patch.setattr(program.shutil, "which", self._which)
        self.system = folder / "system"

    def program(self, name: str, script: str = "") -> None:
        self.write(self.bin / name, script)

    def write(self, path: Path, script: str = "") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def _which(self, name: str) -> str | None:
        path = self.bin / name
        return str(path) if path.exists() else None


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.fixture
def compose(tmp_path: Path) -> Program:
    return Program(tmp_path / "state" / "docker-config")


def test_without_a_docker_command_it_is_missing(machine: Machine, compose: Program):
    assert compose.missing() == "there is no `docker` command on the bot's machine"


def test_the_first_compose_does_not_do(machine: Machine, compose: Program):
    machine.program("docker")
    assert compose.missing() == "the bot's machine has no `docker compose` (Compose v2)"

    machine.program("docker-compose")
    assert "has `docker-compose`, but no `docker compose`" in str(compose.missing())


@pytest.mark.parametrize("where", ["home", "named", "system"])
def test_a_plugin_is_found_where_docker_has_them(
    machine: Machine, compose: Program, where, tmp_path, monkeypatch
):
    machine.program("docker")
    if where == "named":
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "named"))
    folder = {
        "home": machine.home / ".docker" / "cli-plugins",
        "named": tmp_path / "named" / "cli-plugins",
        "system": machine.system,
    }[where]
    assert compose.missing()

    machine.write(folder / "docker-compose")

    assert compose.missing() is None


async def test_it_sees_the_way_to_the_engine_and_nothing_of_ours(
    machine: Machine, compose: Program, monkeypatch
):
    machine.program("docker", "env; pwd; echo $*; cat")
    machine.write(machine.home / ".docker" / "cli-plugins" / "docker-compose")
    (machine.home / ".docker" / "config.json").write_text('{"auths": {}}')
    for name in ("HTTP_PROXY", "MATRIX_PASSWORD", "COMPOSE_FILE", "DOCKER_CONTEXT"):
        monkeypatch.setenv(name, "ours")

    said = await compose.run(WAY, ("up",), given="name: x", within=20)

    lines = said.text.splitlines()
    seen = dict(line.split("=", 1) for line in lines if "=" in line)
    folder = str(compose.folder)
    assert {k: v for k, v in seen.items() if k not in ("PWD", "SHLVL", "_", "OLDPWD")} == {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "DOCKER_CONFIG": folder,
        "DOCKER_HOST": "unix:///run/x.sock",
    }
    assert lines[-3:] == ["/", "compose --env-file /dev/null up", "name: x"]
    kept = [path.relative_to(compose.folder) for path in compose.folder.rglob("*")]
    assert sorted(map(str, kept)) == ["cli-plugins", "cli-plugins/docker-compose"]


async def test_a_plugin_that_moved_is_followed(machine: Machine, compose: Program, monkeypatch):
    machine.program("docker", 'readlink "$DOCKER_CONFIG/cli-plugins/docker-compose"')
    first = machine.home / ".docker" / "cli-plugins" / "docker-compose"
    machine.write(first)
    assert (await compose.run(WAY, (), within=20)).text.strip() == str(first)

    monkeypatch.setenv("HOME", str(machine.home / "other"))
    second = machine.home / "other" / ".docker" / "cli-plugins" / "docker-compose"
    machine.write(second)
    assert (await compose.run(WAY, (), within=20)).text.strip() == str(second)

    second.unlink()
    assert (await compose.run(WAY, (), within=20)).text == ""


@pytest.mark.parametrize(
    "script",
    ["exit 125", "echo \"docker: 'compose' is not a docker command.\"", "kill -9 $$"],
)
async def test_one_that_does_not_run_is_told_with_how_to_get_it(machine, compose, script):
    machine.program("docker", script)
    machine.write(machine.system / "docker-compose")

    with pytest.raises(Refused, match="does not run") as caught:
        await compose.version()
    assert "docker-compose-plugin" in caught.value.hint


async def test_one_that_runs_tells_its_version(machine: Machine, compose: Program):
    machine.program("docker", "echo v2.40.1")
    machine.write(machine.system / "docker-compose")

    assert await compose.version() == "v2.40.1"


async def test_one_that_cannot_be_started_is_refused(machine: Machine, compose: Program):
    compose.folder.parent.mkdir()
    compose.folder.write_text("in the way")

    with pytest.raises(Refused, match="cannot be started"):
        await compose.run(WAY, (), within=20)


WAITS = """
sleep 600 &
echo $! $$ >{told}.draft
mv {told}.draft {told}
wait
"""


async def pids(told: Path) -> list[psutil.Process]:
    async with asyncio.timeout(20):
        while not told.exists():
            await asyncio.sleep(0.01)
    return [psutil.Process(int(word)) for word in told.read_text().split()]


async def test_one_that_takes_too_long_is_ended_with_all_that_it_started(
    machine: Machine, compose: Program, tmp_path
):
    machine.program("docker", WAITS.format(told=tmp_path / "told"))
    running = asyncio.create_task(compose.run(WAY, (), within=0.5))

    started = await pids(tmp_path / "told")
    with pytest.raises(TimeoutError):
        await running

    assert gone(started)


async def test_one_that_nobody_waits_for_is_ended(machine: Machine, compose: Program, tmp_path):
    machine.program("docker", WAITS.format(told=tmp_path / "told"))
    running = asyncio.create_task(compose.run(WAY, (), within=600))
    started = await pids(tmp_path / "told")

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert gone(started)


async def test_one_that_is_just_being_started_is_ended_whole(
    machine: Machine, compose: Program, tmp_path, monkeypatch
):
    machine.program("docker", WAITS.format(told=tmp_path / "told"))
    spawn, handed_over = asyncio.create_subprocess_exec, asyncio.Event()

    async def slowly(*words, **rest):
        process = await spawn(*words, **rest)
        await handed_over.wait()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slowly)
    running = asyncio.create_task(compose.run(WAY, (), within=600))
    started = await pids(tmp_path / "told")

    running.cancel()
    await asyncio.sleep(0)  # it hears of that while it is being started
    handed_over.set()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert gone(started)


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of them runs; whoever inherits a dead one may be slow to notice."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if all(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in processes):
            return True
        time.sleep(0.01)
    return False
