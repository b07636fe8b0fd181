"""A proxy before a real engine that makes it look like one with graphics cards.

It speaks what `dockerd` speaks, over a unix socket. Everything passes as it is, streams and
hijacked connections included, but for the connection of a request that wants no upgrade (it is
closed behind the answer) and for:

- `GET /info`, to which the NVIDIA runtime or discovered CDI devices are added;
- `POST /containers/create`, from which `DeviceRequests` are taken out, and noted;
- what a refusal says, if one is played (see `Refusal`).

The answers it plays are those of Docker Engine 20.10 without NVIDIA's toolkit (moby,
daemon/nvidia_linux.go and daemon/devices.go); as to CDI, what 28.5.2 was seen to do, which is also
tried with devices of its own in tests/deployers/test_newer_engine.py.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_HEAD = b"\r\n\r\n"
_INFO = re.compile(r"(?:/v1\.(\d+))?/info")
_CREATE = re.compile(r"(/v[\d.]+)?/containers/create")
_START = re.compile(r"(?:/v[\d.]+)?/containers/([^/]+)/start")
_TELLS_DEVICES = 50
"""Who asks in an older version of the API (1.50) is told of none, and who asks in none is."""


class Refusal(StrEnum):
    """How an engine says that it has no cards after all."""

    AT_CREATE = "Unknown runtime specified nvidia"
    """400."""
    AT_START = 'could not select device driver "" with capabilities: [[gpu]]'
    """500, and the container is left in `created`. So a request by number is answered where
    cards are offered by CDI alone."""


class GpuProxy:
    """One engine, seen as one with cards."""

    def __init__(self, engine: Path, folder: Path) -> None:
        self.engine, self.socket = engine, folder / "gpu.sock"
        self.cdi = False
        """Whether it offers its cards by CDI, and not by a runtime."""
        self.cgroups = "cgroupfs"
        """The cgroup driver it says it uses."""
        self.refusal: Refusal | None = None
        self.asked: dict[str, Any] = {}
        """Container name -> the device requests it was to be made with."""
        self._refused: set[str] = set()
        """Names and ids of containers that are not to start."""
        self._streams: set[socket.socket] = set()

    @classmethod
    @contextmanager
    def before(cls, engine: Path, folder: Path) -> Iterator[GpuProxy]:
        """Stand before an engine's socket until the block ends."""
        proxy = cls(engine, folder)

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    proxy.serve(self.request)

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            block_on_close = False

        with Server(str(proxy.socket), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            try:
                yield proxy
            finally:
                server.shutdown()
                thread.join()

    @property
    def unix(self) -> str:
        """Its address."""
        return f"unix://{self.socket}"

    def cut(self) -> None:
        """End every connection that is open now, as a way to an engine does that breaks."""
        for each in list(self._streams):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def serve(self, client: socket.socket) -> None:
        """Pass one request on, and then what comes from either side."""
        received = _head(client)
        if received is None:
            return
        head, rest = received
        method, target, _ = head.partition(b"\r\n")[0].decode().split(" ", 2)
        path = urlsplit(target).path
        if method == "GET" and (asked := _INFO.fullmatch(path)):
            client.sendall(_answer(200, self._info(target, asked[1])))
        elif method == "POST" and _CREATE.fullmatch(path):
            client.sendall(self._create(target, _body(client, head, rest)))
        elif method == "POST" and (found := _START.fullmatch(path)) and self._refuses(found[1]):
            client.sendall(_answer(500, {"message": str(Refusal.AT_START)}))
        else:
            self._pass(client, head, rest)

    def _info(self, target: str, version: str | None) -> Any:
        _, told = self._ask("GET", target)
        told["CgroupDriver"] = self.cgroups
        if self.cdi and (version is None or int(version) >= _TELLS_DEVICES):
            told["DiscoveredDevices"] = [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]
        elif not self.cdi:
            told["Runtimes"]["nvidia"] = {"path": "nvidia-container-runtime"}
        return told

    def _create(self, target: str, wanted: dict[str, Any]) -> bytes:
        name = parse_qs(urlsplit(target).query).get("name", [""])[0]
        cards = wanted.get("HostConfig", {}).pop("DeviceRequests", None)
        if cards and self.refusal is Refusal.AT_CREATE:
            return _answer(400, {"message": str(self.refusal)})
        status, told = self._ask("POST", target, wanted)
        self._refused.discard(name)
        if cards:
            self.asked[name] = cards
        refused = self.refusal is Refusal.AT_START
        if self.cdi and cards:
            refused = refused or any(each["Driver"] != "cdi" for each in cards)
        if cards and refused and status == http.client.CREATED:
            self._refused |= {name, told["Id"]}
        return _answer(status, told)

    def _refuses(self, container: str) -> bool:
        return container in self._refused

    def _ask(self, method: str, target: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("docker")
        connection.sock = self._engine()
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, target, text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def _pass(self, client: socket.socket, head: bytes, rest: bytes) -> None:
        with self._engine() as engine:
            self._streams.add(engine)
            engine.sendall(_closing(head) + rest)
            threading.Thread(target=_pump, args=(client, engine), daemon=True).start()
            _pump(engine, client)
            self._streams.discard(engine)

    def _engine(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.engine))
        return connection


def _head(client: socket.socket) -> tuple[bytes, bytes] | None:
    """(request line and headers, what came behind them); None if nothing was asked."""
    received = b""
    while _HEAD not in received:
        more = client.recv(65536)
        if not more:
            return None
        received += more
    head, _, rest = received.partition(_HEAD)
    return head + _HEAD, rest


def _body(client: socket.socket, head: bytes, rest: bytes) -> dict[str, Any]:
    told = re.search(rb"(?i)^content-length: *(\d+)", head, re.MULTILINE)
    assert told, "a container is made from JSON of a told length"
    while len(rest) < int(told[1]):
        rest += client.recv(65536)
    found: dict[str, Any] = json.loads(rest)
    return found


def _closing(head: bytes) -> bytes:
    """Have the engine close the connection behind its answer, unless it is to be upgraded: the
    next request on it would pass unseen."""
    if re.search(rb"(?i)^upgrade:", head, re.MULTILINE):
        return head
    lines = [x for x in head.split(b"\r\n") if x and not x.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on until there are no more, and say so."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _answer(status: int, told: Any) -> bytes:
    body = json.dumps(told).encode()
    head = f"HTTP/1.1 {status} {http.client.responses[status]}\r\nContent-Type: application/json"
    return f"{head}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
