"""The folder a demo is kept in, and what is stopped when it ends."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
from pathlib import Path

import pytest

from bot.demo.children import Children
from bot.demo.leftovers import stop_leftovers
from bot.demo.state import demo_state
from domain.errors import Busy, Refused

SERVER = """
import fcntl, os, signal, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
os.write(lock, str(os.getpid()).encode())
print("locked", flush=True)
time.sleep(60)
"""


async def serving(state: Path, replica: str, *arguments: str) -> asyncio.subprocess.Process:
    """A process that holds a replica's lock, as a model server does."""
    folder = state / "targets" / "local" / replica.split("-")[0] / replica
    folder.mkdir(parents=True)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVER,
        str(folder / "lock"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    return process


async def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("three years of work")
    for fresh in (True, False):
        with pytest.raises(Refused, match="something else than a demo"):
            async with demo_state(tmp_path, fresh=fresh):
                pass
    assert thesis.read_text() == "three years of work"


async def test_fresh_forgets_the_demo_of_last_time(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    async with demo_state(folder, fresh=False):
        (folder / "gantry.db").write_text("old")
        (folder / "synapse").mkdir()
    async with demo_state(folder, fresh=False):
        assert (folder / "gantry.db").exists()
    async with demo_state(folder, fresh=True):
        assert [entry.name for entry in folder.iterdir()] == ["demo.lock"]


async def test_fresh_does_not_follow_a_link_out_of_the_folder(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "demo", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    async with demo_state(folder, fresh=False):
        (folder / "models").symlink_to(elsewhere)
    async with demo_state(folder, fresh=True):
        assert not (folder / "models").exists()
    assert (elsewhere / "kept").exists()


async def test_a_second_demo_on_the_same_folder_is_told_who_runs(tmp_path: Path) -> None:
    async with demo_state(tmp_path / "demo", fresh=False):
        with pytest.raises(Busy, match=f"process {os.getpid()}, since"):
            async with demo_state(tmp_path / "demo", fresh=True):
                pass
    async with demo_state(tmp_path / "demo", fresh=False):
        pass


async def test_model_servers_end_with_the_demo(tmp_path: Path) -> None:
    gentle = await serving(tmp_path, "tiny-3fa9c1-0")
    deaf = await serving(tmp_path, "tiny-3fa9c1-1", "deaf")

    assert await stop_leftovers(tmp_path, patience=1) == 2

    assert await gentle.wait() == -signal.SIGTERM
    assert await deaf.wait() == -signal.SIGKILL
    assert await stop_leftovers(tmp_path, patience=1) == 0


async def test_a_pid_nobody_vouches_for_is_left_alone(tmp_path: Path) -> None:
    """After a reboot the number may be anybody's."""
    bystander = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)
    folder = tmp_path / "targets" / "local" / "tiny" / "tiny-3fa9c1-0"
    folder.mkdir(parents=True)
    (folder / "lock").write_text(str(bystander.pid))

    assert await stop_leftovers(tmp_path, patience=1) == 0

    assert bystander.returncode is None
    await bystander.communicate(b"\n")


async def test_a_child_that_will_not_end_is_ended(tmp_path: Path) -> None:
    children = Children()
    lock = tmp_path / "lock"
    argv = [sys.executable, "-c", SERVER, str(lock), "deaf"]
    async with asyncio.timeout(30), children.running("deaf", argv, tmp_path / "log") as child:
        while "locked" not in child.output():
            await asyncio.sleep(0.02)
        children.hurry()
    assert child.exit_code == -signal.SIGKILL
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
