"""A way by SSH that is cut under a call."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from deployers.docker.api import Api
from deployers.docker.ways.connection import Cut
from tests.deployers.docker.ways import way_to
from tests.engines.engine import DockerEngine
from tests.sshd import Sshd

pytestmark = pytest.mark.docker

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
