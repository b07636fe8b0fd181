"""Containers of the engines, gone when a test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from docker import DockerClient

from tests.engines.engine import DockerEngine
from tests.engines.images import STUB
from tests.engines.served import Served


@pytest.fixture(params=["unix", "tls", "plain"])
def any_client(request: pytest.FixtureRequest) -> Iterator[DockerClient]:
    """The library's client, each way that an engine can be reached."""
    name = "plain_engine" if request.param == "plain" else "docker_engine"
    engine: DockerEngine = request.getfixturevalue(name)
    who = engine.tls.client if engine.tls else None
    client = engine.client() if request.param == "unix" else engine.client(engine.tcp, who)
    try:
        yield client
    finally:
        engine.remove_containers()
        client.close()


@pytest.fixture
def client(docker_engine: DockerEngine) -> Iterator[DockerClient]:
    """Over the unix socket."""
    client = docker_engine.client()
    try:
        yield client
    finally:
        docker_engine.remove_containers()
        client.close()


@pytest.fixture
def stub(client: DockerClient) -> Callable[..., Served]:
    """Starts the stub: `stub("--alias", "x", READY_DELAY=1, run={"mem_limit": "64m"})`."""

    def start(*words: str, run: dict[str, Any] | None = None, **environment: object) -> Served:
        container = client.containers.run(
            STUB.reference,
            list(words),
            detach=True,
            ports={"8080/tcp": ("127.0.0.1", None)},
            environment={key: str(value) for key, value in environment.items()},
            labels={"gantry.service": "stub"},
            **(run or {}),
        )
        return Served(container)

    return start
