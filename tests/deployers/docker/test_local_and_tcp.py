"""An engine by its socket and by TCP, and what is said when it cannot be had."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError, DockerException
from docker.tls import TLSConfig
from pydantic import ValidationError
from requests.exceptions import RequestException

from bot.clock import SystemClock
from deployers.docker.ways.connection import Connection, Way
from deployers.docker.ways.connections import connection
from domain.errors import ConfigError, Refused, TargetError, Unreachable
from domain.targets import DockerTarget, TlsSettings
from tests.certificates import Authority
from tests.engines.engine import DockerEngine

pytestmark = [
    pytest.mark.docker,
    # docker-py leaves a socket open that did not connect; when that is seen is chance.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


def to(tmp_path: Path, **settings: Any) -> Connection:
    return connection(DockerTarget(kind="docker", **settings), SystemClock(), tmp_path / "run")


def ping(way: Way, timeout: float = 5) -> None:
    tls: Any = False
    if way.certificates:
        own = (str(way.certificates.cert), str(way.certificates.key))
        tls = TLSConfig(client_cert=own, ca_cert=str(way.certificates.ca), verify=True)
    client = docker.APIClient(way.url, version="1.41", timeout=timeout, tls=tls)
    client.trust_env = False
    with closing(client):
        client.version()


async def trouble(ways: Connection) -> TargetError:
    """What is said of a call that fails."""
    way = await ways.open()
    try:
        await asyncio.to_thread(ping, way)
    except (DockerException, RequestException, OSError) as error:
        return await ways.explain(error)
    pytest.fail("it was let in")


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one


def address(of: socket.socket) -> str:
    return f"tcp://127.0.0.1:{of.getsockname()[1]}"


class _in_front_of:  # noqa: N801
    """Real TLS before the real engine, with a certificate that it would not be started with."""

    def __init__(self, engine: Path, tls: ssl.SSLContext | None) -> None:
        self._engine, self._tls = engine, tls

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, ssl=self._tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(str(self._engine))
        await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(4096):
            writer.write(piece)
    except OSError:
        pass
    writer.close()


def _server(authority: Authority, name: str, days: int = 1) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign(f"server-{name}-{days}", name, days=days))
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def tls(ca: Authority, own: Authority | None = None) -> TlsSettings:
    cert, key = (own or ca).sign("bot")
    return TlsSettings(ca=ca.file, cert=cert, key=key)


async def test_an_engine_answers_on_its_socket(engine: Path, tmp_path: Path):
    ways = to(tmp_path, host=f"unix://{engine}")
    await asyncio.to_thread(ping, await ways.open())
    assert await ways.reach(8000) == "http://127.0.0.1:8000"
    await ways.aclose()


async def test_a_missing_and_a_dead_socket_are_told_apart(tmp_path: Path):
    missing = await trouble(to(tmp_path, host=f"unix://{tmp_path}/none.sock"))
    assert isinstance(missing, Unreachable)
    assert f"there is no {tmp_path}/none.sock" in missing.summary

    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "dead.sock"))
    dead = await trouble(to(tmp_path, host=f"unix://{tmp_path}/dead.sock"))
    assert isinstance(dead, Unreachable)
    assert "nobody listens" in dead.summary


async def test_who_may_not_use_the_socket_learns_of_its_group(engine: Path):
    """Asked by a process that is nobody, if root runs the tests: to root nothing is denied."""
    asking = """
import asyncio, os, socket, sys
from pathlib import Path
from deployers.docker.ways.unix import UnixConnection
async def main(path):
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        socket.socket(socket.AF_UNIX).connect(path)
    except OSError as error:
        wrapped = RuntimeError("wrapped")
        wrapped.__cause__ = error
        told = await UnixConnection(Path(path)).explain(wrapped)
        print(type(told).__name__, told.summary, told.hint, sep="|")
asyncio.run(main(sys.argv[1]))
"""
    engine.parent.chmod(0o755)
    done = await asyncio.to_thread(
        subprocess.run,
        (sys.executable, "-W", "ignore", "-c", asking, str(engine)),
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    kind, summary, hint = done.stdout.strip().split("|")
    assert kind == "Refused"
    user = "nobody" if os.getuid() == 0 else getpass.getuser()
    assert summary == f"the bot's user {user} may not use {engine}"
    assert f"usermod -aG {engine.group()} {user}" in hint


async def test_an_engine_answers_behind_tls_whatever_our_environment_says(
    docker_engine: DockerEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert docker_engine.tls is not None
    theirs = asdict(docker_engine.tls.client)
    named = {what: shutil.copy(file, tmp_path / f"bots.{what}") for what, file in theirs.items()}
    ways = to(tmp_path, host=docker_engine.tcp, tls=named)
    way = await ways.open()
    await asyncio.to_thread(ping, way)
    assert await ways.reach(8000) == "http://127.0.0.1:8000"
    assert await ways.cards() is None

    told = await asyncio.to_thread(
        subprocess.run,
        ("docker", "version"),
        env={"PATH": os.environ["PATH"], **way.environment},
        capture_output=True,
    )
    assert b"Server" in told.stdout, told.stderr
    await ways.aclose()
    assert list((tmp_path / "run").iterdir()) == []


async def test_each_sides_doubts_about_the_other_are_told(
    docker_engine: DockerEngine, tmp_path: Path
):
    who, host = docker_engine.tls, docker_engine.tcp
    assert who is not None

    misled = {**asdict(who.client), "ca": who.stranger.ca}
    wrong_ca = await trouble(to(tmp_path, host=host, tls=misled))
    assert isinstance(wrong_ca, Refused)
    assert "a certificate that `tls.ca` did not sign" in wrong_ca.summary

    foreign = await trouble(to(tmp_path, host=host, tls=asdict(who.strangers_key)))
    assert isinstance(foreign, Refused)
    assert "the bot's certificate" in foreign.summary


async def test_a_certificate_for_another_name_and_an_old_one_are_told_apart(
    engine: Path, authority: Authority, tmp_path: Path
):
    async with _in_front_of(engine, _server(authority, "10.9.8.7")) as port:
        other = await trouble(to(tmp_path, host=f"tcp://127.0.0.1:{port}", tls=tls(authority)))
    async with _in_front_of(engine, _server(authority, "127.0.0.1", days=-1)) as port:
        old = await trouble(to(tmp_path, host=f"tcp://127.0.0.1:{port}", tls=tls(authority)))

    assert isinstance(other, Refused)
    assert "is for another name" in other.summary
    assert isinstance(old, Refused)
    assert "is not valid today" in old.summary


async def test_tls_on_one_side_only_is_told(engine: Path, authority: Authority, tmp_path: Path):
    async with _in_front_of(engine, None) as port:
        plain = to(tmp_path, host=f"tcp://127.0.0.1:{port}", insecure=True)
        await asyncio.to_thread(ping, await plain.open())
        there = await trouble(to(tmp_path, host=f"tcp://127.0.0.1:{port}", tls=tls(authority)))
    assert isinstance(there, Refused)
    assert "does not speak TLS" in there.summary


async def test_an_engine_spoken_to_in_the_clear_says_so_itself(tmp_path: Path):
    """The words are those of Go's HTTP server, which docker-py takes for an answer."""
    error = APIError("400 Client Error: Client sent an HTTP request to an HTTPS server.")
    told = await to(tmp_path, host="tcp://127.0.0.1:2376", insecure=True).explain(error)
    assert isinstance(told, Refused)
    assert "speaks TLS on that port" in told.summary


async def test_what_keeps_one_from_a_host_is_told_apart(tmp_path: Path):
    with listening() as one:
        closed = address(one)
    refused = await trouble(to(tmp_path, host=closed, insecure=True))
    assert isinstance(refused, Unreachable)
    assert "nobody listens on that port" in refused.summary

    unknown = await trouble(to(tmp_path, host="tcp://nowhere.invalid:2375", insecure=True))
    assert "there is no host of that name" in unknown.summary or "name server" in unknown.summary

    with listening() as mute:
        ways = to(tmp_path, host=address(mute), insecure=True)
        way = await ways.open()
        with pytest.raises(RequestException) as caught:
            await asyncio.to_thread(ping, way, 0.2)
        silent = await ways.explain(caught.value)
    assert isinstance(silent, Unreachable)
    assert "did not answer in time" in silent.summary


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: s.cert.unlink(), "there is no"),
        (lambda s: s.ca.write_text("nothing"), "is no certificate"),
        (lambda s: s.key.write_text("nothing"), "make no certificate and key"),
    ],
)
async def test_unfit_files_are_named_before_anybody_is_asked(tmp_path: Path, spoil: Any, said: str):
    settings = tls(Authority(tmp_path, "mine"))
    spoil(settings)
    with pytest.raises(Refused, match=said):
        await to(tmp_path, host="tcp://127.0.0.1:1", tls=settings).open()


async def test_a_key_that_belongs_to_another_certificate_is_told(tmp_path: Path):
    mine = Authority(tmp_path, "mine")
    (cert, _), (_, key) = mine.sign("one"), mine.sign("two")
    with pytest.raises(Refused, match="is not the key of"):
        await to(
            tmp_path, host="tcp://127.0.0.1:1", tls=TlsSettings(ca=mine.file, cert=cert, key=key)
        ).open()


async def test_replicas_are_reached_where_they_are_published(tmp_path: Path):
    six = to(tmp_path, host="tcp://[::1]:2375", insecure=True)
    assert await six.reach(1) == "http://[::1]:1"
    assert (await six.open()).url == "tcp://[::1]:2375"
    assert (await to(tmp_path, host="tcp://rack", insecure=True).open()).url == "tcp://rack:2375"
    published = to(tmp_path, host="tcp://rack:1", insecure=True, publish="10.0.0.5")
    assert await published.reach(1) == "http://10.0.0.5:1"
    anywhere = to(tmp_path, host="unix:///x.sock", publish="0.0.0.0")
    assert await anywhere.reach(1) == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    "host",
    [
        "tcp://",
        "tcp://host:port",
        "tcp://host:99999",
        "tcp://host/path",
        "unix://x.sock",
        "unix:/x.sock",
    ],
)
def test_an_address_that_makes_no_sense_is_refused(host: str, tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        to(tmp_path, host=host, insecure=host.startswith("tcp"))
    assert f"is not {host.partition(':')[0]}://" in caught.value.summary


@pytest.mark.parametrize("host", ["tcp://aria:secret@wks:2375", "http://aria:secret@wks"])
def test_a_password_in_an_address_is_refused_and_not_told(host: str, tmp_path: Path):
    with pytest.raises((ConfigError, ValidationError)) as caught:
        to(tmp_path, host=host, insecure=host.startswith("tcp"))
    said = (
        [each["msg"] for each in caught.value.errors()] if host[0] == "h" else [str(caught.value)]
    )
    assert "secret" not in " ".join(said)
