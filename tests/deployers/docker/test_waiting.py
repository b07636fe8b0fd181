"""How a container that starts is waited for: who is asked, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployers.docker.container import PORT, REPLICA
from deployers.docker.waiting import Readiness, Waiting
from domain.errors import Unhealthy
from domain.readiness import FirstToken
from domain.replicas import ReplicaId
from tests.fleet.world import Time

REPLICA_ID = ReplicaId("tiny", "3fa9c1", 0)


class Engine:
    """Holds one container with a server in it, and counts what is asked of both."""

    def __init__(self, ready: float, dies: float = 1e9) -> None:
        self.clock, self.address = Time(), "unix:///test"
        self._ready, self._dies = ready, dies
        self.looks = self.asked = 0
        self.kept_up: list[str] = []
        self.began = datetime(2026, 1, 1, tzinfo=UTC)

    async def container(self, name: str) -> Mapping[str, Any]:
        self.looks += 1
        runs = self.clock.seconds < self._dies
        state = {
            "Status": "running" if runs else "exited",
            "ExitCode": 0 if runs else 3,
            "StartedAt": self.began.isoformat().replace("+00:00", "Z"),
            "FinishedAt": "0001-01-01T00:00:00Z" if runs else "2026-01-01T00:00:09Z",
        }
        labels = {REPLICA: str(REPLICA_ID), PORT: "8080"}
        ports = {"8080/tcp": [{"HostPort": "40000"}]}
        return {
            "Id": "c0ffee",
            "Config": {"Labels": labels},
            "State": state,
            "HostConfig": {},
            "NetworkSettings": {"Ports": ports},
        }

    async def last_words(self, name: str, lines: int, **_: datetime | None) -> list[str]:
        return ["loading"]

    async def get(self, name: str, path: str, most: int) -> tuple[Mapping[str, Any], bytes]:
        return {}, b""

    async def keep_up(self, name: str) -> None:
        self.kept_up.append(name)

    async def reach(self, port: int) -> str:
        return f"http://127.0.0.1:{port}"

    async def probe(self, url: str, model: str) -> FirstToken | None:
        self.asked += 1
        serves = self._ready <= self.clock.seconds < self._dies
        return FirstToken(0.01) if serves else None

    async def until_ready(self, readiness: Readiness | None = None) -> FirstToken | None:
        readiness = readiness or Readiness(self, self.probe)  # type: ignore[arg-type]
        waiting = Waiting(self, readiness, self.clock)  # type: ignore[arg-type]
        return await waiting.until_ready(REPLICA_ID, 60.0, "wait", lambda _: None)


async def test_a_server_that_loads_is_asked_far_more_often_than_its_engine():
    engine = Engine(ready=2.0)

    assert await engine.until_ready() is not None

    assert engine.clock.seconds <= 2.0 * 1.02 + 0.01
    assert engine.looks <= 2.0 / 0.1
    assert engine.asked >= 4 * engine.looks
    assert engine.kept_up == ["c0ffee"]


async def test_one_that_dies_is_noticed_at_the_next_look():
    engine = Engine(ready=9.0, dies=1.0)

    with pytest.raises(Unhealthy):
        await engine.until_ready()

    assert engine.clock.seconds <= 1.0 + 0.1 + 0.05
    assert engine.kept_up == []


async def test_a_token_counts_for_the_run_that_was_seen_and_for_no_later_one():
    engine = Engine(ready=0.25)
    before = engine.began

    async def probe(url: str, model: str) -> FirstToken | None:
        first = await engine.probe(url, model)
        if first:  # it began anew since it was looked at, and the new run answers
            engine.began = before + timedelta(seconds=1)
        return first

    readiness = Readiness(engine, probe)  # type: ignore[arg-type]
    await engine.until_ready(readiness)

    found = await Waiting(engine, readiness, engine.clock)._look(REPLICA_ID)  # type: ignore[arg-type]
    assert found.started != before
    assert not readiness.knows(found)
