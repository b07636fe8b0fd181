"""Models that say what a test has them say, in place of those behind the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from domain.errors import OpsError
from domain.replicas import ReplicaId
from inference.asking import Answer, Models, Piece

HOLD = object()
"""In a script: say no more until `Cast.free` is set."""


def replica(name: str) -> ReplicaId:
    return ReplicaId(name.partition("/")[0], "3a608e", 0)


def end(name: str, **more: Any) -> Answer:
    """How an answer ends, unless a test says more."""
    given = {"prompt_tokens": 1, "completion_tokens": 2, "first_token": 0.1}
    given |= {"tokens_per_second": None, "finish_reason": "stop", **more}
    return Answer(replica(name), **given)


def put_in(monkeypatch: Any, made: Any) -> Any:
    """Have somebody else answer in place of all models there are."""

    def ask(models: Models, name: str, turns: Any, **options: Any) -> AsyncIterator[Any]:
        return made.ask(models, name, turns, **options)  # type: ignore[no-any-return]

    monkeypatch.setattr(Models, "ask", ask)
    return made


class Cast:
    """Who can be asked, each with what he says; anybody else says `hello from NAME`."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, list[str]]] = []
        self.owners: list[str] = []
        self.shown: list[tuple[str, ...]] = []
        self.left: list[str] = []
        """Whose answers nobody listens to any more."""
        self.free = asyncio.Event()

    async def ask(
        self, models: Models, name: str, turns: Any, *, owner: str = "", **options: Any
    ) -> AsyncIterator[Any]:
        self.asked.append((name, [turn.text for turn in turns]))
        self.owners.append(owner)
        self.shown.append(turns[-1].pictures)
        try:
            for part in self.scripts.get(name, [f"hello from {name}", end(name)]):
                match part:
                    case str():
                        yield Piece(part, replica(name))
                    case OpsError():
                        raise part
                    case _ if part is HOLD:
                        await self.free.wait()
                    case _:
                        yield part
        finally:
            self.left.append(name)
