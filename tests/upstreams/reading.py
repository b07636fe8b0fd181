"""Bytes in whatever pieces they arrive -> HTTP/1.1 requests. Pure.

It reads what HTTP clients send and forgives nothing: what a gateway garbles should be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.upstreams.wire import Headers


@dataclass(frozen=True, slots=True)
class Request:
    """As it came."""

    method: str
    target: str
    headers: Headers
    body: bytes


class RequestReader:
    """Reads the requests of one connection."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def midway(self) -> bool:
        """Whether part of a request has come."""
        return bool(self._rest)

    def feed(self, received: bytes) -> list[Request]:
        """Take the next bytes; returns the requests that they complete.

        Raises ValueError for what is no request.
        """
        self._rest += received
        found = []
        while (request := self._next()) is not None:
            found.append(request)
        return found

    def _next(self) -> Request | None:
        head, end, body = self._rest.partition(b"\r\n\r\n")
        if not end:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        if version not in ("HTTP/1.1", "HTTP/1.0"):
            raise ValueError(first)
        headers = tuple((n, v.strip()) for n, v in (line.split(":", 1) for line in lines))
        taken = _body({name.lower(): value for name, value in headers}, body)
        if taken is None:
            return None
        self._rest = body[taken[1] :]
        return Request(method, target, headers, taken[0])


def _body(headers: dict[str, str], rest: bytes) -> tuple[bytes, int] | None:
    """The body and how many bytes it took; None where some are still to come."""
    if headers.get("transfer-encoding") == "chunked":
        return _chunked(rest)
    length = int(headers.get("content-length", "0"))
    return (rest[:length], length) if len(rest) >= length else None


def _chunked(rest: bytes) -> tuple[bytes, int] | None:
    body, at = b"", 0
    while (line := rest.find(b"\r\n", at)) >= 0:
        size, start = int(rest[at:line], 16), line + 2
        if len(rest) < start + size + 2:
            return None
        body, at = body + rest[start : start + size], start + size + 2
        if not size:
            return body, at
    return None
