"""Looks at one fleet again and again, in a process of its own, and tells what that took."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import click
import psutil

from bench.fleet_stage import FleetStage, open_fleet
from bot.matrix.content import overflow, told
from commands.status import Status, status
from domain.operations import State

_LOOKS = 5


async def run(services: int, times: int) -> dict[str, list[float]]:
    """Seconds and processor seconds of each `!status`, seconds of a bare reading of the same files,
    processor seconds of each look of the keeper, and resident memory in bytes after all of it."""
    async with open_fleet(services) as stage:
        looks = [await _looked(stage) for _ in range(_LOOKS)]
        await _said(stage)
        _read(stage.folder)
        pairs = [(await _said(stage), _read(stage.folder)) for _ in range(times)]
        return {
            "status": [pair[0][0] for pair in pairs],
            "status_cpu": [pair[0][1] for pair in pairs],
            "floor": [pair[1] for pair in pairs],
            "keeper": looks,
            "memory": [psutil.Process().memory_info().rss],
        }


async def _looked(stage: FleetStage) -> float:
    begun = time.process_time()
    await stage.keeper.look()
    return time.process_time() - begun


async def _said(stage: FleetStage) -> tuple[float, float]:
    """From the handler's call to what would be sent: seconds, and those of the processor."""
    operation = stage.permit.operation
    begun, at_work = time.perf_counter(), time.process_time()
    reply = await status(Status(), stage.permit, stage.deps, lambda _: None)
    told(reply.blocks, operation, State.SUCCEEDED, "!")
    overflow(reply.blocks, "!")
    return time.perf_counter() - begun, time.process_time() - at_work


def _read(folder: Path) -> float:
    """The floor: every file there is, read and parsed, and nothing made of it."""
    begun = time.perf_counter()
    for file in folder.glob("targets/*/*.json"):
        json.loads(file.read_text())
    return time.perf_counter() - begun


if __name__ == "__main__":
    click.echo(json.dumps(asyncio.run(run(int(sys.argv[1]), int(sys.argv[2])))))
