"""An engine behind a real sshd, and what becomes of the way to it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil
import pytest
import requests

from bot.clock import SystemClock
from deployers.docker.ways.connections import connection
from domain.errors import Unreachable
from domain.replicas import Gpu
from domain.targets import DockerTarget
from tests.deployers.docker.ways import (
    NO_FORWARDING,
    answers,
    asked,
    client,
    fetched,
    programs,
    runs,
    until,
    until_open,
    way_to,
    why,
)
from tests.sshd import Sshd

pytestmark = pytest.mark.docker


@pytest.fixture
async def replica() -> AsyncIterator[int]:
    """A port of the far side, which is this machine, where something answers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"a token")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def test_an_engine_answers_through_the_tunnel(sshd: Sshd, engine: Path):
    async with way_to(sshd, engine) as ssh:
        way = await ssh.open()

        assert (await asked(way.url, "version"))["Os"] == "linux"
        assert way.environment == {"DOCKER_HOST": way.url}
        assert (await ssh.open()).url == way.url
        told = await asyncio.to_thread(
            subprocess.run,
            ("docker", "version"),
            env={"PATH": os.environ["PATH"], **way.environment},
            check=True,
            capture_output=True,
        )
        assert b"Server" in told.stdout


async def test_a_socket_may_be_called_anything(sshd: Sshd, engine: Path, tmp_path: Path):
    """ssh(1) takes colons, backslashes and `%` in a forwarding for something else."""
    called = tmp_path / "a b:c%h\\d.sock"
    called.symlink_to(engine)
    async with way_to(sshd, called) as ssh:
        assert await answers((await ssh.open()).url)
    assert "Starting session" not in sshd.log  # it went through the tunnel


async def test_forty_streams_leave_room_for_a_ping(sshd: Sshd, engine: Path):
    async with way_to(sshd, engine) as ssh:
        url = (await ssh.open()).url
        with ExitStack() as open_streams:
            for _ in range(40):
                stream = open_streams.enter_context(client(url)).events(decode=True)
                open_streams.callback(stream.close)
            assert await answers(url)


async def test_after_the_session_is_killed_all_ways_lead_there_again(
    sshd: Sshd, engine: Path, replica: int
):
    async with way_to(sshd, engine) as ssh:
        way, endpoint = await ssh.open(), await ssh.reach(replica)
        assert await fetched(endpoint) == b"a token"
        old = ssh._tunnel.master._process

        sshd.signal_sessions(signal.SIGKILL)
        assert old is not None
        await old.wait()

        assert (await ssh.open()).url == way.url
        assert await answers(way.url)
        assert await ssh.reach(replica) == endpoint
        assert await fetched(endpoint) == b"a token"


async def test_a_lost_connection_comes_back_without_being_asked(
    sshd: Sshd, engine: Path, replica: int
):
    async with way_to(sshd, engine) as ssh:
        await ssh.open()
        port = int((await ssh.reach(replica)).rpartition(":")[2])
        old = ssh._tunnel.master._process
        assert old is not None
        os.killpg(old.pid, signal.SIGKILL)
        await old.wait()

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        await until(listens)


async def test_a_host_that_falls_silent_is_noticed_within_seconds(sshd: Sshd, engine: Path):
    """Streams that were open end then, instead of hanging for good."""
    async with way_to(sshd, engine) as ssh:
        url = (await ssh.open()).url

        def follow() -> None:
            with client(url) as engine, closing(engine.events(decode=True)) as stream:
                following.set()
                with suppress(requests.exceptions.RequestException):
                    for _ in stream:
                        pass

        following = threading.Event()
        ending = asyncio.get_running_loop().run_in_executor(None, follow)
        await until(following.is_set)

        sshd.signal_sessions(signal.SIGSTOP)

        async with asyncio.timeout(30):
            await ending
        await until(lambda: not ssh._tunnel.master.alive or ssh._tunnel._rise > 1)
        assert await answers((await ssh.open()).url)


async def test_a_host_that_is_down_is_told_quickly_and_comes_back(sshd: Sshd, engine: Path):
    async with way_to(sshd, engine) as ssh:
        await ssh.open()
        sshd.stop()
        await until(lambda: not ssh._tunnel.master.alive)
        first = await why(ssh.open())
        second = await why(ssh.open())

        for error in (first, second, await ssh.explain(ConnectionResetError())):
            assert isinstance(error, Unreachable)
            assert "nobody listens on the SSH port" in error.summary
        assert await ssh.cards() is None

        sshd.start()
        await until_open(ssh)
        assert await answers((await ssh.open()).url)


async def test_a_cut_connection_that_stands_again_is_told_as_such(sshd: Sshd, engine: Path):
    async with way_to(sshd, engine) as ssh:
        await ssh.open()
        told = await ssh.explain(ConnectionResetError("reset by peer"))
        assert "stands again" in told.summary
        assert "in time" in (await ssh.explain(TimeoutError("Read timed out."))).summary


async def test_nothing_of_our_environment_reaches_a_host_that_takes_all(
    needs_sshd: None, engine: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MATRIX_ACCESS_TOKEN", "canary")
    monkeypatch.setenv("LC_CANARY", "canary")
    monkeypatch.setenv("LANG", "C.UTF-8")
    with Sshd.started("AcceptEnv *", NO_FORWARDING, runs("env >>$LOG;")) as sshd:
        config = sshd.config("SendEnv *")
        async with way_to(sshd, engine, config) as ssh:
            assert await answers((await ssh.open()).url)
            await ssh.cards()
            seen = (sshd.folder / "ran").read_text()
    assert "SSH_CONNECTION" in seen
    assert "canary" not in seen
    assert "LANG=" not in seen


async def test_a_host_behind_another_is_reached(sshd: Sshd, engine: Path):
    """By way of itself, under another name, known by its key and nothing else."""
    jump = sshd.config(
        f"Host hop\n  HostName 127.0.0.1\n  Port {sshd.port}",
        "Host far\n  HostName 127.0.0.1\n  ProxyJump hop",
    )
    settings = DockerTarget(kind="docker", host=f"ssh://far:{sshd.port}{engine}", ssh_config=jump)
    ssh = connection(settings, SystemClock(), sshd.folder / "run")
    try:
        assert await ssh.cards() == ()
        assert sshd.log.count("Accepted publickey") == 2
        assert await answers((await ssh.open()).url)
        assert sshd.log.count("Accepted publickey") == 4
    finally:
        await ssh.aclose()


async def test_a_runtime_folder_too_deep_for_sockets_is_not_used(sshd: Sshd, engine: Path):
    deep = sshd.folder / ("x" * 90)
    settings = DockerTarget(kind="docker", host=f"{sshd.url}{engine}", ssh_config=sshd.config())
    ssh = connection(settings, SystemClock(), deep)
    try:
        assert await answers((await ssh.open()).url)
        assert not deep.exists()
    finally:
        await ssh.aclose()


async def test_cards_are_told_also_where_only_openssh_gets_in(
    needs_sshd: None, engine: Path, tmp_path: Path
):
    """paramiko does not know patterns in known_hosts; OpenSSH does."""
    folder = programs(tmp_path)
    card = tmp_path / "nvidia-smi"
    card.write_text("#!/bin/sh\necho NVIDIA H200, 143771, 143158\n")
    card.chmod(0o755)
    with Sshd.started(runs("/bin/sh -c", path=folder)) as sshd:
        async with way_to(sshd, engine) as ssh:
            assert await ssh.cards() == (Gpu("NVIDIA H200", 143771 << 20, 143158 << 20),)
        config = sshd.config()
        known = config.with_name(f"{config.name}-known_hosts")
        known.write_text(known.read_text().replace("127.0.0.1", "127.0.0.*"))
        async with way_to(sshd, engine, config) as ssh:
            assert await ssh.cards() is None  # no tunnel yet
            await ssh.open()
            assert await ssh.cards() == (Gpu("NVIDIA H200", 143771 << 20, 143158 << 20),)


async def test_many_who_want_it_at_once_share_one_login(sshd: Sshd, engine: Path):
    async with way_to(sshd, engine) as ssh:
        ways = await asyncio.gather(*(ssh.open() for _ in range(20)))
        ends = await asyncio.gather(*(ssh.reach(9) for _ in range(20)))
    assert len({way.url for way in ways}) == 1
    assert len(set(ends)) == 1
    assert sshd.log.count("Accepted publickey") == 1


async def test_a_look_at_the_cards_is_no_login_where_a_connection_stands(sshd: Sshd, engine: Path):
    async with way_to(sshd, engine) as ssh:
        await ssh.open()
        assert [await ssh.cards() for _ in range(3)] == [()] * 3
    assert sshd.log.count("Accepted publickey") == 1


async def test_a_port_that_was_lost_to_another_is_told_and_taken_again(
    sshd: Sshd, engine: Path, replica: int
):
    async with way_to(sshd, engine) as ssh:
        endpoint = await ssh.reach(replica)
        sshd.stop()
        await until(lambda: not ssh._tunnel.master.alive)
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.bind(("127.0.0.1", int(endpoint.rpartition(":")[2])))
            thief.listen()
            sshd.start()
            await until_open(ssh)
            error = await why(ssh.reach(replica))
        assert isinstance(error, Unreachable)
        assert "something else took that port" in error.hint
        assert await ssh.reach(replica) == endpoint
        assert await fetched(endpoint) == b"a token"


async def test_closing_ends_an_ssh_that_hangs_and_one_that_is_connecting(sshd: Sshd, engine: Path):
    async with way_to(sshd, engine) as ssh:
        await ssh.open()
        process = ssh._tunnel.master._process
        assert process is not None
        tree = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGSTOP)
    assert psutil.wait_procs(tree, timeout=5)[1] == []

    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        config = sshd.config(f"Host mute\n  HostName 127.0.0.1\n  Port {mute.getsockname()[1]}")
        settings = DockerTarget(kind="docker", host="ssh://mute", ssh_config=config)
        ssh = connection(settings, SystemClock(), sshd.folder / "run")
        opening = asyncio.create_task(ssh.open())
        met, _ = await asyncio.to_thread(mute.accept)
        with met:
            await ssh.aclose()
        opening.cancel()
        await asyncio.wait({opening})
    assert list((sshd.folder / "run").iterdir()) == []


async def test_a_connection_that_was_closed_may_be_opened_again(
    sshd: Sshd, engine: Path, replica: int
):
    async with way_to(sshd, engine) as ssh:
        await ssh.open()
        endpoint = await ssh.reach(replica)
        await ssh.aclose()
        assert await answers((await ssh.open()).url)
        assert await ssh.reach(replica) == endpoint


BOT = """
import asyncio, os, signal, sys
import uvloop
from pathlib import Path
from bot.clock import SystemClock
from deployers.docker.ways.connections import connection
from domain.targets import DockerTarget

async def main(host, config, runtime):
    settings = DockerTarget(kind="docker", host=host, ssh_config=config)
    ssh = connection(settings, SystemClock(), Path(runtime))
    await ssh.open()
    master = ssh._tunnel.master._process
    os.killpg(master.pid, signal.SIGKILL)
    await master.wait()
    print((await ssh.open()).url, flush=True)
    reader, writer = await asyncio.open_unix_connection((await ssh.open()).url[7:])
    writer.write(b"GET /events HTTP/1.1\\r\\nHost: docker\\r\\n\\r\\n")
    await reader.readline()
    print("following", flush=True)
    await asyncio.sleep(1000)

uvloop.run(main(*sys.argv[1:]))
"""
"""On the bot's own event loop, it loses its ssh once and then waits to be killed."""


@pytest.mark.parametrize("options", [(), (NO_FORWARDING,)], ids=["tunnel", "dial"])
async def test_a_bot_that_is_killed_leaves_no_ssh_behind(
    needs_sshd: None, engine: Path, options: tuple[str, ...]
):
    with Sshd.started(*options) as sshd:
        runtime = sshd.folder / "run"
        words = (f"{sshd.url}{engine}", str(sshd.config()), str(runtime))
        bot = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", BOT, *words),
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        assert bot.stdout is not None
        assert await bot.stdout.readline()
        assert await bot.stdout.readline() == b"following\n"

        def left() -> list[psutil.Process]:
            ours = str(runtime)
            return [p for p in psutil.process_iter(["cmdline"]) if ours in str(p.info["cmdline"])]

        assert len(left()) >= 3  # the bot, what sits between, ssh
        bot.kill()
        await bot.wait()
        await until(lambda: not left())
        await until(lambda: not list(runtime.glob("*")))
        await until(lambda: not sshd.sessions())
