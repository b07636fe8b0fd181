"""A bot that is killed in the middle: carries out a plan and ends itself at the nth report."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

from domain.plans import Plan
from tests.contract.stages import Stage, at

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


async def die(stage: Stage, plan: Plan, count: int, **environment: str) -> bool:
    """Have another bot carry the plan out, with these variables besides; False if it was done
    before the nth report."""
    told = (stage.kind, stage.root, stage.ours, plan, count, stage.environment | environment)
    bot = _processes.Process(target=_live, args=told)
    bot.start()
    await asyncio.to_thread(bot.join, 60)
    ended = bot.exitcode
    if ended is None:
        bot.kill()
        bot.join()
    bot.close()
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


def _live(
    kind: str,
    root: Path,
    ours: dict[str, Any],
    plan: Plan,
    count: int,
    environment: dict[str, str],
) -> None:
    os.environ.update(environment)
    asyncio.run(_carry_out(Stage(kind, root, ours), plan, count))


async def _carry_out(stage: Stage, plan: Plan, count: int) -> None:
    deployer = stage.open()
    await deployer.apply(plan, at(count, lambda: os.kill(os.getpid(), signal.SIGKILL)))
    await deployer.aclose()
