"""Every test here runs once for each kind of target, and for each way to one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stages import Stage
from tests.engines.engine import DockerEngine
from tests.engines.images import LLAMACPP
from tests.sshd import Sshd

_REAL = [pytest.mark.engine, pytest.mark.docker]
PLACES = [
    pytest.param("rehearsal"),
    pytest.param("process", marks=pytest.mark.engine),
    pytest.param("docker-unix", marks=_REAL),
    pytest.param("docker-tcp", marks=_REAL),
    pytest.param("docker-tls", marks=_REAL),
    pytest.param("docker-ssh", marks=_REAL),
    pytest.param("docker-compose-unix", marks=_REAL),
    pytest.param("docker-compose-ssh", marks=_REAL),
]
_FAR = ("docker-tcp", "docker-tls", "docker-ssh", "docker-compose-ssh")
NEAR = [place for place in PLACES if place.values[0] not in _FAR]
"""One way to each kind, for what takes long and does not hang on the way."""


@pytest.fixture(params=PLACES)
async def stage(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    """An empty target."""
    if request.param == "process" and find_spec("xllamacpp") is None:
        told = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        told("llama.cpp is missing: pip install 'gantry[llamacpp]'")
    made = _stage(request.param, request.getfixturevalue, tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    await made.close()


def _stage(place: str, fixture: Callable[[str], Any], folder: Path) -> Stage:
    kind, _, way = place.partition("-")
    if kind != "docker":
        return Stage(kind, folder)
    engine: DockerEngine = fixture("plain_engine" if way == "tcp" else "docker_engine")
    ours: dict[str, Any] = {"images": {"llamacpp": LLAMACPP.reference}}
    environment: dict[str, str] = {}
    if way.startswith("compose-"):
        way = way.removeprefix("compose-")
        ours |= {"compose": True}
        environment |= {"DOCKER_CONFIG": str(fixture("compose_plugins"))}
    match way:
        case "unix":
            ours |= {"host": engine.unix}
        case "tcp":
            ours |= {"host": engine.tcp, "insecure": True}
        case "tls":
            assert engine.tls is not None
            client = engine.tls.client
            ours |= {
                "host": engine.tcp,
                "tls": {"ca": client.ca, "cert": client.cert, "key": client.key},
            }
        case "ssh":
            sshd: Sshd = fixture("sshd_for_all")
            ours |= {"host": f"{sshd.url}{engine.socket}", "ssh_config": sshd.config()}
    return Stage("docker", folder, ours, engine, environment)
