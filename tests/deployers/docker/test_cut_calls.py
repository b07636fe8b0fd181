"""A way by SSH that is cut under a call."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from deployers.docker.api import Api
from deployers.docker.ways.connection import Cut
from domain.progress import Progress
from domain.replicas import Phase
from tests.contract.stages import Stage, bring
from tests.deployers.docker.ways import way_to
from tests.engines.engine import DockerEngine
from tests.engines.images import STUB
from tests.sshd import Sshd

pytestmark = [
    pytest.mark.docker,
    pytest.mark.engine,
    # docker-py leaves a socket open that did not connect; when that is seen is chance.
    pytest.mark.usefixtures("swept"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

T = TypeVar("T")


async def cut_under(call: Coroutine[Any, Any, T], sshd: Sshd, engine: DockerEngine) -> T:
    """What becomes of a call whose session is killed before the engine could answer."""
    with engine.frozen():
        going = asyncio.create_task(call)
        await asyncio.sleep(0)
        sshd.signal_sessions(signal.SIGKILL)
    return await going


async def test_what_only_looks_is_asked_once_more(sshd: Sshd, docker_engine: DockerEngine):
    async with way_to(sshd, docker_engine.socket) as ssh:
        api = Api("far", ssh)
        await api.info()

        told = await cut_under(api.info(), sshd, docker_engine)

        assert told["ServerVersion"]
        await api.aclose()


async def test_what_changes_something_is_not_done_twice(sshd: Sshd, docker_engine: DockerEngine):
    async with way_to(sshd, docker_engine.socket) as ssh:
        api = Api("far", ssh)
        await api.info()

        with pytest.raises(Cut, match="stands again"):
            await cut_under(api.have_volume("cut"), sshd, docker_engine)

        await api.aclose()


async def test_a_deployment_outlives_its_session(
    sshd: Sshd, docker_engine: DockerEngine, tmp_path: Path
):
    """Killed while the model loads, which may take minutes."""
    far = {"host": f"{sshd.url}{docker_engine.socket}", "ssh_config": sshd.config()}
    stage = Stage("docker", tmp_path, far, docker_engine)
    loads = {"env": (("READY_DELAY", "2"),), "settings": (("listens", "8080"),)}
    want = stage.spec(engine="custom", image=STUB.reference, context=None, **loads)
    killed: list[Progress] = []

    def kill(news: Progress) -> None:
        if news.step.startswith("wait-ready") and not killed:
            sshd.signal_sessions(signal.SIGKILL)
            killed.append(news)

    try:
        seen = await bring(stage.open(), want, kill)
    finally:
        await stage.close()

    assert killed
    assert [each.phase for each in seen.replicas] == [Phase.READY]
