"""Which version an engine is spoken to in, what it gets to see, and what is told of others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.clock import SystemClock
from deployers.docker.api import Api
from deployers.docker.ways.connections import connection
from domain.errors import Refused, TargetError, Unreachable
from domain.targets import DockerTarget

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

TOO_OLD = (
    "client version {} is too old. Minimum supported API version is {}, please upgrade your client "
    "to a newer version"
)
"""As engines say it (20.10)."""


@asynccontextmanager
async def listening(answer: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """The address of somebody who answers so to the first line of each request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(asked))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def api(url: str, folder: Path) -> AsyncIterator[Api]:
    settings = DockerTarget(kind="docker", host=url, insecure=True)
    made = Api("there", connection(settings, SystemClock(), folder / "run"))
    try:
        yield made
    finally:
        await made.aclose()


def http(body: object, status: str = "200 OK", *headers: str) -> bytes:
    text = body if isinstance(body, str) else json.dumps(body)
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(text)}", "Connection: close")
    return ("\r\n".join(lines) + f"\r\n\r\n{text}").encode()


async def why(answer: bytes, folder: Path) -> TargetError:
    async with listening(lambda _: answer) as url, api(url, folder) as there:
        with pytest.raises(TargetError) as caught:
            await there.info()
    return caught.value


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (http({}), Refused, "no Docker engine"),
        (http([]), Refused, "no Docker engine"),
        (http("<html>hello</html>"), Refused, "no Docker engine"),
        (http({"ApiVersion": "banana"}), Refused, "no Docker engine"),
        (http("nothing here", "404 Not Found"), Refused, "it answers 404"),
        (http("not for you", "403 Forbidden"), Refused, "it answers 403"),
        (http("away", "502 Bad Gateway"), Unreachable, "answers 502"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", Refused, "does not speak HTTP (`SSH-2.0-OpenSSH_9.2p1`)"),
        (http({"ApiVersion": "1.24"}), Refused, "too old: it speaks API 1.24"),
        (
            http({"ApiVersion": "1.99", "MinAPIVersion": "1.98"}),
            Refused,
            "too new: it wants API 1.98",
        ),
    ],
)
async def test_what_is_no_engine_for_us_is_told(
    answer: bytes, kind: type, said: str, tmp_path: Path
):
    error = await why(answer, tmp_path)
    assert isinstance(error, kind)
    assert said in error.summary
    assert error.hint


async def test_nobody_is_sent_elsewhere(tmp_path: Path):
    asked: list[bytes] = []

    def elsewhere(request: bytes) -> bytes:
        asked.append(request)
        return http({"ApiVersion": "1.41"})

    async with listening(elsewhere) as other:
        away = http("", "301 Moved", f"Location: {other.replace('tcp', 'http')}/version")
        assert isinstance(await why(away, tmp_path), Refused)
    assert asked == []


async def test_an_engine_that_was_replaced_by_another_version_is_spoken_to_in_that(tmp_path: Path):
    speaks = ["1.25", "1.41"]

    def engine(request: bytes) -> bytes:
        path = request.split()[1].decode()
        if path == "/version":
            return http({"MinAPIVersion": speaks[0], "ApiVersion": speaks[1]})
        version = path.split("/")[1].removeprefix("v")
        if float(version) < float(speaks[0]):
            return http({"message": TOO_OLD.format(version, speaks[0])}, "400 Bad Request")
        return http({"spoke": version})

    async with listening(engine) as url, api(url, tmp_path) as there:
        assert await there.container("x") == {"spoke": "1.41"}
        speaks[:] = ["1.44", "1.45"]
        assert await there.container("x") == {"spoke": "1.45"}


async def test_headers_of_the_users_own_configuration_are_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "config.json").write_text(json.dumps({"HttpHeaders": {"X-Token": "secret"}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    asked: list[bytes] = []

    def engine(request: bytes) -> bytes:
        asked.append(request)
        return http({"ApiVersion": "1.41"})

    async with listening(engine) as url, api(url, tmp_path) as there:
        await there.info()
    assert len(asked) == 2
    assert b"secret" not in b"".join(asked)
