"""An engine behind an sshd that forwards no sockets."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from domain.errors import Refused
from tests.deployers.docker.ways import (
    NO_FORWARDING,
    answers,
    asked,
    client,
    counted,
    runs,
    until,
    way_to,
    why,
)
from tests.sshd import Sshd

pytestmark = pytest.mark.docker


CMD_EXE = """
case "$SSH_ORIGINAL_COMMAND" in
  "sh "*) echo "'sh' is not recognized as an internal or external command," >&2; exit 1;;
  *) exec /bin/sh -c "$SSH_ORIGINAL_COMMAND";;
esac
"""


async def test_a_host_without_a_shell_or_a_socket_goes_by_dial_stdio(
    needs_sshd: None, engine: Path, tmp_path: Path
):
    """As a Windows host does: `docker` there knows by itself where its engine is."""
    (tmp_path / "cmd").write_text(CMD_EXE)
    with Sshd.started(NO_FORWARDING, f"ForceCommand /bin/sh {tmp_path}/cmd") as sshd:
        sshd.stop()
        sshd.settings["DOCKER_HOST"] = f"unix://{engine}"
        sshd.start()
        async with way_to(sshd, "") as ssh:
            assert await answers((await ssh.open()).url)
            assert await ssh.cards() == ()


async def test_a_shell_that_talks_into_dial_stdio_is_named(needs_sshd: None, engine: Path):
    with Sshd.started(NO_FORWARDING, runs("echo Welcome to it;")) as sshd:
        async with way_to(sshd, engine) as ssh:
            error = await why(ssh.open())
    assert isinstance(error, Refused)
    assert "`Welcome to it`" in error.summary


async def test_without_forwarding_each_call_goes_by_itself(needs_sshd: None, engine: Path):
    with Sshd.started(NO_FORWARDING) as sshd:
        async with way_to(sshd, engine) as ssh:
            url = (await ssh.open()).url
            assert url.endswith("dial.sock")
            assert (await asked(url, "info"))["OSType"] == "linux"
            assert (await ssh.open()).url == url


@pytest.mark.parametrize("sessions", [10, 3])
async def test_twenty_calls_at_once_take_as_many_connections_as_they_need(
    needs_sshd: None, engine: Path, sessions: int
):
    """However few sessions the host allows to one of them."""
    with Sshd.started(NO_FORWARDING, f"MaxSessions {sessions}") as sshd:
        async with way_to(sshd, engine) as ssh:
            url = (await ssh.open()).url
            with ExitStack() as open_streams, ThreadPoolExecutor(20) as threads:

                def follow(_: int) -> None:
                    stream = open_streams.enter_context(client(url)).events(decode=True)
                    open_streams.callback(stream.close)

                followed = await asyncio.gather(
                    *(
                        asyncio.get_running_loop().run_in_executor(threads, follow, number)
                        for number in range(20)
                    ),
                    return_exceptions=True,  # leaving the block waits for threads, and blocks
                )
                assert followed == [None] * 20
                assert await answers(url)
            await until(lambda: ssh._dial._lines._first.used == 0)
            assert await answers(url)


async def test_an_exec_is_carried_both_ways_and_ended_by_halves(
    needs_sshd: None, engine: Path, container: str
):
    """What is written is answered only after the writing end is closed."""
    for options in ((), (NO_FORWARDING,)):
        with Sshd.started(*options) as sshd:
            async with way_to(sshd, engine) as ssh:
                url = (await ssh.open()).url
                said = await asyncio.to_thread(counted, url, container)
    assert said == "1000000"


async def test_logs_are_followed_to_their_end(needs_sshd: None, engine: Path, container: str):
    with Sshd.started(NO_FORWARDING) as sshd:
        async with way_to(sshd, engine) as ssh:
            url = (await ssh.open()).url

            def follow() -> list[bytes]:
                with client(url) as there:
                    lines = there.logs(container, follow=True, stream=True)
                    first = [next(lines)]
                    there.kill(container)
                    return first + list(lines)

            assert b"tick" in (await asyncio.to_thread(follow))[0]
