"""Runs the bot as a process: signals in, exit codes out."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import structlog

from bot import journal
from bot.discretion import Discretion
from bot.memory import settle_memory
from bot.serving import serve
from domain.errors import ConfigError, OpsError
from ops_config.load import load
from ops_config.settings import Settings

log = structlog.get_logger()


def run_until_stopped(config: Path, log_level: str) -> None:
    """Run, and leave with the right exit code: 2 for the configuration, 1 for the rest."""
    discretion = Discretion.of_environment()
    journal.start(discretion, log_level)
    try:
        settle_memory()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(load(config), discretion))
    except ConfigError as error:
        _leave(error, 2, discretion)
    except OpsError as error:
        _leave(error, 1, discretion)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it installs: an answer takes some fifty turns of the loop."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(settings: Settings, discretion: Discretion) -> None:
    stop, opened = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    serving = asyncio.create_task(serve(settings, discretion, stop, opened), name="serve")
    stopping = asyncio.create_task(stop.wait(), name="stop before start")
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if stop.is_set() and not opened.is_set():
        serving.cancel()  # it waits for the homeserver, perhaps for hours
    await asyncio.wait({serving})
    if not serving.cancelled():
        serving.result()


def _leave(error: OpsError, code: int, discretion: Discretion) -> None:
    log.error("cannot go on", why=error.summary, hint=error.hint)
    told = f"gantry: {error.summary}" + (f"\n{error.hint}" if error.hint else "")
    print(discretion.masked(told), file=sys.stderr)  # noqa: T201
    sys.exit(code)
