"""An engine behind a real sshd, and what becomes of the way to it."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest
import requests

from bot.clock import SystemClock
from deployers.docker.connections import connection
from deployers.docker.ssh import SshConnection
from domain.errors import Refused, TargetError, Unreachable
from domain.replicas import Gpu
from domain.targets import DockerTarget
from tests.sshd import Sshd

pytestmark = pytest.mark.docker
NO_FORWARDING = "AllowStreamLocalForwarding no"


@asynccontextmanager
async def way_to(
    sshd: Sshd, socket_there: Path | str, config: Path | None = None, user: str = ""
) -> AsyncIterator[SshConnection]:
    """The connection, in a folder of its own, looked into for what it leaves behind."""
    url = f"{sshd.url}{socket_there}"
    settings = DockerTarget(
        kind="docker",
        host=url.replace(f"{sshd.user}@", f"{user}@") if user else url,
        ssh_config=config or sshd.config(),
    )
    made = connection(settings, SystemClock(), sshd.folder / "run")
    assert isinstance(made, SshConnection)
    try:
        yield made
    finally:
        await made.aclose()
    assert list((sshd.folder / "run").glob("*")) == []


async def why(opening: Awaitable[object]) -> TargetError:
    with pytest.raises(TargetError) as caught:
        await opening
    return caught.value


async def until(holds: Callable[[], bool], patience: float = 20.0) -> None:
    async with asyncio.timeout(patience):
        while not holds():
            await asyncio.sleep(0.05)


@contextmanager
def client(url: str) -> Iterator[docker.APIClient]:
    made = docker.APIClient(url, version="1.41", timeout=20)
    made.trust_env = False
    with closing(made):
        yield made


async def asked(url: str, verb: str) -> Any:
    def ask() -> Any:
        with client(url) as engine:
            return getattr(engine, verb)()

    return await asyncio.to_thread(ask)


async def answers(url: str) -> bool:
    return bool(await asked(url, "ping"))


async def fetched(endpoint: str) -> bytes:
    reader, writer = await asyncio.open_connection(*endpoint.removeprefix("http://").split(":"))
    writer.write(b"hello\n")
    try:
        return await reader.read(100)
    finally:
        writer.close()


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


async def test_a_key_that_is_not_let_in_is_told(sshd: Sshd, engine: Path):
    async with way_to(sshd, engine, sshd.config(key="stranger")) as ssh:
        error = await why(ssh.open())
        assert isinstance(error, Refused)
        assert "no key that it offers is accepted" in error.summary
        assert "authorized_keys" in error.hint


async def test_an_unknown_and_a_changed_host_key_are_told_apart(sshd: Sshd, engine: Path):
    async with way_to(sshd, engine, sshd.config(known="")) as ssh:
        unknown = await why(ssh.open())
    async with way_to(sshd, engine, sshd.config(known="other_host")) as ssh:
        changed = await why(ssh.open())

    assert isinstance(unknown, Refused)
    assert "the host's key is not known" in unknown.summary
    assert isinstance(changed, Refused)
    assert "another key than the one that is known (it shows SHA256:" in changed.summary


async def test_a_locked_key_is_no_reason_to_wait_for_a_passphrase(sshd: Sshd, engine: Path):
    sshd.make_key("locked", "secret")
    async with way_to(sshd, engine, sshd.config(key="locked")) as ssh:
        assert isinstance(await why(ssh.open()), Refused)


async def test_what_is_wrong_with_a_configuration_is_told(sshd: Sshd, engine: Path):
    async with way_to(sshd, engine, sshd.config("Nonsense yes")) as ssh:
        error = await why(ssh.open())
        assert isinstance(error, Refused)
        assert "does not take its configuration" in error.summary
        assert await ssh.cards() is None
    async with way_to(sshd, engine, sshd.folder / "none") as ssh:
        assert "does not take its configuration" in (await why(ssh.open())).summary


async def test_somebody_who_is_silent_is_given_up(sshd: Sshd):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        config = sshd.config(f"Port {silent.getsockname()[1]}")
        settings = DockerTarget(kind="docker", host="ssh://somebody@127.0.0.1", ssh_config=config)
        ssh = connection(settings, SystemClock(), sshd.folder / "run")
        error = await why(ssh.open())
        await ssh.aclose()

    assert isinstance(error, Unreachable)
    assert "does not answer" in error.summary


async def test_no_daemon_and_no_permission_and_no_socket_are_told_apart(sshd: Sshd):
    stale = sshd.folder / "stale.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(stale))

    async with way_to(sshd, stale) as ssh:
        error = await why(ssh.open())
        assert isinstance(error, Unreachable)
        assert f"Docker is not running there: nobody answers on {stale}" in error.summary
    async with way_to(sshd, sshd.folder / "none.sock") as ssh:
        error = await why(ssh.open())
        assert isinstance(error, Unreachable)
        assert f"there is no {sshd.folder}/none.sock" in error.summary


async def test_a_host_without_docker_is_told(needs_sshd: None, tmp_path: Path):
    """Whatever is run there has a PATH without a `docker`."""
    with Sshd.started(runs("/bin/sh -c", path=programs(tmp_path))) as sshd:
        async with way_to(sshd, sshd.folder / "none.sock") as ssh:
            error = await why(ssh.open())
    assert isinstance(error, Refused)
    assert "there is no Docker: neither" in error.summary


async def test_a_user_who_may_not_use_docker_is_told_how_to_get_there(
    needs_sshd: None, engine: Path
):
    """The socket is root's, and the one who logs in is not."""
    somebody = next(
        (u for u in pwd.getpwall() if u.pw_uid and u.pw_shell in ("/bin/bash", "/bin/sh")), None
    )
    if os.getuid() != 0 or somebody is None:
        pytest.skip("needs root, and a user with a shell who is not root")
    engine.parent.chmod(0o755)
    with Sshd.started("UsePAM yes") as sshd:
        async with way_to(sshd, engine, user=somebody.pw_name) as ssh:
            error = await why(ssh.open())
    assert isinstance(error, Refused)
    assert f"{somebody.pw_name} may not use {engine} there" in error.summary
    assert f"usermod -aG {grp.getgrgid(engine.stat().st_gid).gr_name} " in error.hint


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


async def test_what_a_login_says_is_in_nobodys_way(needs_sshd: None, engine: Path, tmp_path: Path):
    """A banner before the login, and words of the shell after it."""
    banner = tmp_path / "banner"
    banner.write_text("Host key verification failed\nPermission denied (really)\n")
    with Sshd.started(f"Banner {banner}", runs("echo Welcome;")) as sshd:
        async with way_to(sshd, engine) as ssh:
            assert await answers((await ssh.open()).url)
            assert await ssh.cards() == ()
        async with way_to(sshd, sshd.folder / "none.sock") as ssh:
            assert "Docker is not running there" in (await why(ssh.open())).summary


async def test_a_host_behind_another_is_reached(sshd: Sshd, engine: Path):
    """By way of itself, under another name, known by its key and nothing else."""
    jump = sshd.config(
        f"Host hop\n  HostName 127.0.0.1\n  Port {sshd.port}",
        "Host far\n  HostName 127.0.0.1\n  ProxyJump hop",
    )
    settings = DockerTarget(kind="docker", host=f"ssh://far:{sshd.port}{engine}", ssh_config=jump)
    ssh = connection(settings, SystemClock(), sshd.folder / "run")
    try:
        assert await answers((await ssh.open()).url)
        assert sshd.log.count("Accepted publickey") == 2
        assert await ssh.cards() == ()
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


async def until_open(ssh: SshConnection) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await ssh.open()
                return
            except Unreachable:
                await asyncio.sleep(0.1)


BOT = """
import asyncio, os, signal, sys
import uvloop
from pathlib import Path
from bot.clock import SystemClock
from deployers.docker.connections import connection
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

                await asyncio.gather(
                    *(
                        asyncio.get_running_loop().run_in_executor(threads, follow, number)
                        for number in range(20)
                    )
                )
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


def counted(url: str, container: str) -> str:
    """How many bytes of a million arrived, by the `docker` command line."""
    done = subprocess.run(
        ("docker", "exec", "-i", container, "wc", "-c"),
        input=b"x" * 1_000_000,
        env={"PATH": os.environ["PATH"], "DOCKER_HOST": url},
        capture_output=True,
        timeout=30,
        check=False,
    )
    return (done.stdout or done.stderr).decode().strip()


def runs(command: str, path: str = "") -> str:
    """A line of sshd_config: run this before what was asked for; it may write to $LOG."""
    setting = f"PATH={path} " if path else ""
    if command.endswith("-c"):
        return f'ForceCommand {setting}{command} "$SSH_ORIGINAL_COMMAND"'
    return f'ForceCommand {command} exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'


def programs(folder: Path) -> str:
    """A folder for a PATH that has little in it."""
    for name in ("sh", "sed", "uname", "id", "stat"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return str(folder)
