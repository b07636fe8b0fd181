"""Sets the scene: a homeserver, two users, a room, and the bot as anybody would run it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from bot.demo.bot_log import is_ready, last_words
from bot.demo.children import Child, Children
from bot.demo.homeserver import Account, Homeserver
from bot.demo.leftovers import stop_leftovers
from bot.matrix.crypto.keyring import KeyStore
from bot.matrix.crypto.recovery_key import RecoveryKey
from bot.matrix.guest import Guest
from bot.matrix.guest_login import StoreLost
from bot.private_file import write_private
from domain.errors import OpsError, Refused

_PATIENCE = 90.0
"""Seconds the bot gets to log in and join."""
_LOOK_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is needed to talk to the bot, and to tell others how."""

    guest: Guest
    room: str
    alias: str
    bot: str
    """The bot's user id."""
    homeserver: Homeserver
    bot_process: Child
    you: Account
    encrypted: bool
    """Whether the room is."""

    async def collapsed(self) -> OpsError:
        """Wait until the bot or the homeserver ends by itself, and say so."""
        ends = {
            asyncio.create_task(self.bot_process.wait(), name="bot ended"): _bot_ended,
            asyncio.create_task(self.homeserver.wait(), name="homeserver ended"): _server_ended,
        }
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return ends[done.pop()](self)
        finally:
            for end in ends:
                end.cancel()


@asynccontextmanager
async def open_scene(
    folder: Path,
    synapse: Path,
    children: Children,
    tell: Callable[[str], None],
    *,
    plain: bool = False,
) -> AsyncIterator[Scene]:
    """Everything up and the bot in its room, until the block ends; then nothing is left running.

    A new room is encrypted unless it shall be `plain`; the room of last time stays as it is.
    Raises OpsError, with the last log lines of whatever failed.
    """
    async with AsyncExitStack() as stack:
        tell("Starting a homeserver ...")
        homeserver = await stack.enter_async_context(
            Homeserver.start(folder / "synapse", python=synapse, children=children)
        )
        bot = await homeserver.register("gantry")
        guest, you = await stack.enter_async_context(_you(folder, homeserver))
        alias = f"#ops:{homeserver.name}"
        room = await _room(guest, alias, bot.user_id, plain=plain)
        encrypted = await guest.encrypted(room)
        config = _write_config(folder, homeserver, bot, you)
        stack.push_async_callback(_clear_away, folder, children, tell)
        tell("Starting the bot ...")
        argv = [sys.executable, "-m", "bot", "run", "--config", str(config)]
        process = await stack.enter_async_context(
            children.running("bot", argv, folder / "bot.log", farewell=signal.SIGTERM)
        )
        scene = Scene(guest, room, alias, bot.user_id, homeserver, process, you, encrypted)
        await _bot_is_in(scene)
        yield scene


def demo_config(folder: Path, homeserver: Homeserver, bot: str, you: str) -> dict[str, Any]:
    """What the bot is told: its room, who may do what, one real target and one for show."""
    return {
        "matrix": {
            "homeserver": homeserver.url,
            "user_id": bot,
            "password_file": str(folder / "bot-password"),
            "recovery_key_file": str(folder / "recovery-key"),
            "welcome": False,  # the demo has its own first words
        },
        "state": {"url": f"sqlite:///{folder / 'gantry.db'}"},
        "environments": {"demo": {"targets": ["local", "stage"], "default_target": "local"}},
        "rooms": {f"#ops:{homeserver.name}": {"environment": "demo"}},
        "access": {"viewer": ["*"], "operator": [you], "admin": [you]},
        "targets": {"local": {"kind": "process"}, "stage": {"kind": "rehearsal"}},
    }


def _write_config(folder: Path, homeserver: Homeserver, bot: Account, you: Account) -> Path:
    password, config = folder / "bot-password", folder / "gantry.yaml"
    write_private(password, bot.password + "\n")
    recovery = folder / "recovery-key"
    if not recovery.exists():
        write_private(recovery, RecoveryKey.generate().encode().get_secret_value() + "\n")
    told = demo_config(folder, homeserver, bot.user_id, you.user_id)
    note = "# Written by `gantry demo` each time it starts; changes here are lost.\n"
    config.write_text(note + yaml.safe_dump(told, sort_keys=False))
    return config


@asynccontextmanager
async def _you(folder: Path, homeserver: Homeserver) -> AsyncIterator[tuple[Guest, Account]]:
    """The person at the keyboard, with the device of last time if its keys are still there."""
    async with AsyncExitStack() as stack:
        try:
            you = await homeserver.register("you")
            guest = await stack.enter_async_context(_arrival(folder, homeserver, you))
        except StoreLost:
            you = await homeserver.register("you", new_device=True)
            guest = await stack.enter_async_context(_arrival(folder, homeserver, you))
        yield guest, you


def _arrival(
    folder: Path, homeserver: Homeserver, you: Account
) -> AbstractAsyncContextManager[Guest]:
    keys = KeyStore(folder / "you", SecretStr(you.password))
    return Guest.arrive(homeserver.url, you.user_id, you.device_id, you.access_token, keys)


async def _room(guest: Guest, alias: str, bot: str, *, plain: bool) -> str:
    """The room of last time, or a new one; the bot is in it or invited."""
    room = await guest.find_room(alias)
    if room is None:
        name = alias.removeprefix("#").partition(":")[0]
        return await guest.create_room(name, "Gantry demo", (bot,), encrypted=not plain)
    if bot not in await guest.members(room):
        await guest.invite(room, bot)
    return room


async def _bot_is_in(scene: Scene) -> None:
    """Wait until the bot says it is ready and has joined the room."""
    ended = asyncio.create_task(scene.bot_process.wait(), name="bot ended")
    try:
        async with asyncio.timeout(_PATIENCE):
            while not ended.done() and not await _joined(scene):
                await asyncio.wait({ended}, timeout=_LOOK_EVERY)
    except TimeoutError:
        lines = last_words(scene.bot_process.last_lines())
        said = "\n  ".join([f"the bot was not ready within {_PATIENCE:.0f} s; it said:", *lines])
        raise Refused(said) from None
    finally:
        ended.cancel()
    if scene.bot_process.exit_code is not None:
        raise _bot_ended(scene)


async def _joined(scene: Scene) -> bool:
    ready = is_ready(scene.bot_process.output())
    return ready and scene.bot in await scene.guest.members(scene.room)


async def _clear_away(folder: Path, children: Children, tell: Callable[[str], None]) -> None:
    stopped = await stop_leftovers(folder, children.patience)
    if stopped:
        tell(f"Stopped {stopped} model server{'s' if stopped > 1 else ''}.")


def _bot_ended(scene: Scene) -> OpsError:
    child = scene.bot_process
    lines = last_words(child.last_lines())
    what = f"the bot ended by itself (exit code {child.exit_code}); its last words:"
    return Refused("\n  ".join([what, *lines]), hint=f"all of its log is in {child.log}")


def _server_ended(scene: Scene) -> OpsError:
    what = "the homeserver ended by itself; its last words:"
    return Refused("\n  ".join([what, *scene.homeserver.last_lines()]))
