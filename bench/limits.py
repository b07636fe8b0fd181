"""A long operation on a homeserver with its default rate limits: how fresh its bar stays, and how
soon people are answered meanwhile."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from bench.caller import Caller
from bench.measures import Book, Bound, Figure, Measure
from bench.stage import is_in
from bot.demo.children import Child, Children
from bot.demo.homeserver import Homeserver
from bot.matrix.content import OPERATION
from bot.matrix.live_reply import interval
from bot.private_file import write_private
from domain.errors import OpsError
from domain.operations import State, operation_id

ONE_EVENT = 5.0
"""Seconds in which Synapse, by default, lets a user send one event (`rc_message`: 0.2 a second,
after a burst of 10)."""

_SCENES = 25
"""What the play `slow-pull` of a rehearsal has."""
_ASK_EVERY = 30.0
_PATIENCE = 120.0

Tell = Callable[[str], None]


@dataclass
class Seen:
    """When the room saw what, in the homeserver's time; seconds."""

    shown: dict[str, list[float]] = field(default_factory=dict)
    """Operation -> when its message, or an edit of it, came."""
    ended: dict[str, float] = field(default_factory=dict)
    """Operation -> when its end was told."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, event: Mapping[str, Any], _: float) -> None:
        """Take one message down."""
        content = event["content"]
        about = content.get("m.new_content", content).get(OPERATION)
        if about is None:
            return
        at = event["origin_server_ts"] / 1000
        self.shown.setdefault(about["id"], []).append(at)
        if State(about["state"]).ended:
            self.ended.setdefault(about["id"], at)
            self.news.set()

    async def told(self, operations: set[str]) -> None:
        """Wait until the ends of these were told."""
        while not operations <= self.ended.keys():
            self.news.clear()
            await self.news.wait()


async def bench_limits(book: Book, synapse: Path, tell: Tell, minutes: float) -> None:
    """One operation of that length; `!ping` every 30 s meanwhile. Gantry has no peer here."""
    async with _scene(synapse, minutes * 60 / _SCENES) as (bot, caller, room):
        seen = Seen()
        caller.listen(seen.hear)
        name = operation_id(await caller.say(room, "!deploy big tiny://slow-pull --target stage"))
        pings = []
        began = time.monotonic()
        while name not in seen.ended:
            await asyncio.sleep(_ASK_EVERY)
            pings.append(operation_id(await caller.say(room, "!ping")))
            shown = len(seen.shown.get(name, ()))
            tell(f"{(time.monotonic() - began) / 60:4.1f} min: {shown} times shown")
            if time.monotonic() - began > minutes * 60 + _PATIENCE:
                raise OpsError("the operation did not end")
        async with asyncio.timeout(_PATIENCE):
            await seen.told(set(pings))
        done = _ended(bot)
    shown = [at for at in seen.shown[name] if at < seen.ended[name]]
    gaps = zip(shown, [*shown[1:], seen.ended[name]], strict=True)
    late = [after - before - interval(before - shown[0]) for before, after in gaps]

    def note(what: str, unit: str, value: float, n: int, bound: Bound | None = None) -> None:
        book.note(Measure(f"limits.{what}", unit, n, Figure(value), bound=bound))

    one = Bound(slack=ONE_EVENT)
    note("took", "s", seen.ended[name] - shown[0], 1)
    note("shown", "times", len(shown), 1)
    note("bar_late", "s", max(late), len(shown), one)
    note("outcome_after", "s", seen.ended[name] - done[name], 1, one)
    note("answer_after", "s", max(seen.ended[p] - done[p] for p in pings), len(pings), one)
    note("lost", "", sum(p not in seen.ended for p in pings), len(pings), Bound())


@asynccontextmanager
async def _scene(synapse: Path, pace: float) -> AsyncIterator[tuple[Child, Caller, str]]:
    children = Children()
    with tempfile.TemporaryDirectory(prefix="gantry-bench-") as made:
        folder = Path(made)
        async with (
            Homeserver.start(
                folder / "synapse", python=synapse, rate_limits="default", children=children
            ) as homeserver,
            Caller.arrive(homeserver.url, await homeserver.register("caller")) as caller,
        ):
            account = await homeserver.register("gantry")
            room = await caller.create_room("ops", account.user_id)
            write_private(folder / "bot-password", account.password)
            config = folder / "gantry.yaml"
            told = {
                "matrix": {
                    "homeserver": homeserver.url,
                    "user_id": account.user_id,
                    "password_file": str(folder / "bot-password"),
                },
                "state": {"url": f"sqlite:///{folder / 'gantry.db'}"},
                "environments": {"bench": {"targets": ["stage"]}},
                "rooms": {room: {"environment": "bench"}},
                "access": {"admin": [caller.user_id]},
                "targets": {"stage": {"kind": "rehearsal", "pace": pace}},
            }
            config.write_text(yaml.safe_dump(told))
            argv = [sys.executable, "-m", "bot", "run", "--config", str(config)]
            async with children.running(
                "gantry", argv, folder / "bot.log", farewell=signal.SIGTERM
            ) as bot:
                await is_in(bot, account.user_id, caller, room)
                yield bot, caller, room


def _ended(bot: Child) -> dict[str, float]:
    """Operation -> when the bot knew its end, going by its log."""
    lines = (json.loads(line) for line in bot.output().splitlines() if line.startswith("{"))
    return {
        line["operation"]: datetime.fromisoformat(line["at"]).timestamp()
        for line in lines
        if line["event"] == "ended"
    }
