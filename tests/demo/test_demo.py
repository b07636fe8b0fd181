"""`gantry demo` as a person starts it."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
from pathlib import Path

import pytest

from bot.demo.homeserver import Homeserver
from tests.demo.guests import arrived, on_the_wire

pytestmark = pytest.mark.room


async def demo(state: Path, synapse: Path, *arguments: str) -> list[str]:
    """Run a demo to its end. What was said in the room from the first command on."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "demo", "--json", "--state", str(state)),
        *("--synapse-python", str(synapse), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(180):
        said, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    bodies = [json.loads(line)["body"] for line in said.splitlines()]
    return bodies[bodies.index("!ping") :]


async def test_a_demo_is_encrypted_and_goes_on_so(tmp_path: Path, synapse_python: Path) -> None:
    """--plain comes too late for a room that is there."""
    state = tmp_path / "demo"
    assert await demo(state, synapse_python, "--say", "!ping") == ["!ping", "pong"]
    assert await demo(state, synapse_python, "--plain", "--say", "!ping") == ["!ping", "pong"]

    recovery = state / "recovery-key"
    assert recovery.read_text().startswith("Es")
    assert stat.S_IMODE(recovery.stat().st_mode) == 0o600
    async with Homeserver.start(state / "synapse", python=synapse_python) as homeserver:
        you = await homeserver.register("you", new_device=True)
        async with arrived(homeserver, you) as guest:
            room = await guest.find_room(f"#ops:{homeserver.name}")
            assert room is not None
            wire = await on_the_wire(homeserver, you, room)
    assert len(wire) >= 4
    assert {event["type"] for event in wire} == {"m.room.encrypted"}


async def test_a_plain_demo_stays_plain(tmp_path: Path, synapse_python: Path) -> None:
    state = tmp_path / "demo"
    assert await demo(state, synapse_python, "--plain", "--say", "!ping") == ["!ping", "pong"]
    assert await demo(state, synapse_python, "--say", "!ping") == ["!ping", "pong"]
