"""What the benches share: a real homeserver, Gantry, its peer, and somebody who talks to them."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from bench.caller import Caller, Talker
from bot.demo.bot_log import is_ready
from bot.demo.children import Child, Children
from bot.demo.homeserver import Homeserver
from bot.demo.leftovers import stop_leftovers
from bot.private_file import write_private
from domain.errors import OpsError

_PATIENCE = 60.0
_LOOK_EVERY = 0.2
_PEER = "echo bot"


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot in a room of its own."""

    name: str
    room: str
    process: psutil.Process


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs."""

    folder: Path
    caller: Caller
    gantry: Bot
    echo: Bot
    synapse: psutil.Process


@asynccontextmanager
async def open_stage(
    synapse: Path, target: Mapping[str, Any] | None = None
) -> AsyncIterator[Stage]:
    """All up and each bot in its room; at the end nothing is left, not even the folder."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gantry-bench-")))
        children = Children()
        homeserver = await stack.enter_async_context(
            Homeserver.start(folder / "synapse", python=synapse, children=children)
        )
        caller = await stack.enter_async_context(
            Caller.arrive(homeserver.url, await homeserver.register("caller"))
        )
        stack.push_async_callback(stop_leftovers, folder, 10)
        yield Stage(
            folder,
            caller,
            await start_gantry(stack, children, folder, homeserver, caller, target),
            await start_echo(stack, children, folder, homeserver, caller),
            _homeserver_process(),
        )


async def start_gantry(
    stack: AsyncExitStack,
    children: Children,
    folder: Path,
    homeserver: Homeserver,
    caller: Talker,
    target: Mapping[str, Any] | None = None,
) -> Bot:
    """The bot as anybody runs it: its own process, its own state, logging as it does."""
    account = await homeserver.register("gantry")
    room = await caller.create_room("ops", account.user_id)
    password, config = folder / "bot-password", folder / "gantry.yaml"
    write_private(password, account.password)
    told = {
        "matrix": {
            "homeserver": homeserver.url,
            "user_id": account.user_id,
            "password_file": str(password),
        },
        "state": {"url": f"sqlite:///{folder / 'gantry.db'}"},
        "environments": {"bench": {"targets": ["local"]}},
        "rooms": {room: {"environment": "bench"}},
        "access": {"admin": [caller.user_id]},
        "targets": {"local": dict(target or {"kind": "process"})},
    }
    config.write_text(yaml.safe_dump(told))
    argv = [sys.executable, "-m", "bot", "run", "--config", str(config)]
    child = await stack.enter_async_context(
        children.running("gantry", argv, folder / "bot.log", farewell=signal.SIGTERM)
    )
    await is_in(child, account.user_id, caller, room)
    return Bot("gantry", room, psutil.Process(child.pid))


async def start_echo(
    stack: AsyncExitStack,
    children: Children,
    folder: Path,
    homeserver: Homeserver,
    caller: Talker,
    *,
    sealed: bool = False,
) -> Bot:
    """The bare bot, with encryption only where its room is `sealed`."""
    account = await homeserver.register("echo")
    room = await caller.create_room("echo", account.user_id)
    login = folder / "echo.json"
    known = {
        "homeserver": homeserver.url,
        "user_id": account.user_id,
        "device_id": account.device_id,
        "access_token": account.access_token,
        "room": room,
        "store": str(folder) if sealed else "",
    }
    write_private(login, json.dumps(known))
    argv = [sys.executable, "-m", "bench.echo_bot", str(login)]
    child = await stack.enter_async_context(children.running(_PEER, argv, folder / "echo.log"))
    await is_in(child, account.user_id, caller, room)
    return Bot(_PEER, room, psutil.Process(child.pid))


async def is_in(child: Child, user_id: str, caller: Talker, room: str) -> None:
    """Wait until a bot is ready and in its room. Raises OpsError with its last words."""
    deadline = time.monotonic() + _PATIENCE
    while not is_ready(child.output()) or user_id not in await caller.joined(room):
        await asyncio.sleep(_LOOK_EVERY)
        if time.monotonic() < deadline and child.exit_code is None:
            continue
        words = "\n  ".join(child.last_lines())
        raise OpsError(f"the {child.name} was not ready in {_PATIENCE:.0f} s:\n  {words}")


def _homeserver_process() -> psutil.Process:
    mine = psutil.Process().children()
    return next(process for process in mine if "synapse.app.homeserver" in process.cmdline())
