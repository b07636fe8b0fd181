"""Server-sent events: bytes in whatever pieces they arrive -> events. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MAX_EVENT = 1_048_576
"""Bytes. A longer event is no answer from a model but something else on that port."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its `data` lines joined by newlines."""

    data: str
    kind: str = "message"


class EventParser:
    """Reads one stream. Lines are decoded whole, so a character may arrive in pieces."""

    def __init__(self) -> None:
        self._rest = b""
        self._after_return = False
        self._data: list[str] = []
        self._kind = ""
        self._size = 0

    def feed(self, received: bytes) -> list[Event]:
        """Take the next bytes; returns the events they complete.

        At the end of a stream feed an empty line, for servers that leave out the last one.
        Raises ValueError for an event longer than MAX_EVENT.
        """
        if self._after_return and received.startswith(b"\n"):
            received = received[1:]
        text = self._rest + received
        self._after_return = text.endswith(b"\r")
        lines = text.splitlines(keepends=True)
        whole = not lines or lines[-1].endswith((b"\r", b"\n"))
        self._rest = b"" if whole else lines.pop()
        events = [event for line in lines if (event := self._line(line.rstrip(b"\r\n")))]
        if self._size + len(self._rest) > MAX_EVENT:
            raise ValueError(f"an event of more than {MAX_EVENT} bytes")
        return events

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch()
        self._size += len(line)
        name, _, value = line.decode(errors="replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value
        return None

    def _dispatch(self) -> Event | None:
        event = Event("\n".join(self._data), self._kind or "message") if self._data else None
        self._data, self._kind, self._size = [], "", 0
        return event
