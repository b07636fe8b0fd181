"""Ways to show a room to whoever reads along: a terminal, a plain stream, a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bot.demo.screen import Screen
from bot.demo.transcript import as_json, note_of, spoken, worth_repeating
from bot.matrix.guest_events import RoomEvent


class Printer(Protocol):
    """Shows events in the order they come."""

    def show(self, event: RoomEvent) -> None:
        """Show one event."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class JsonLines:
    """One JSON object a line, edits included: for programs."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def show(self, event: RoomEvent) -> None:
        """Write one line."""
        self._write(as_json(event) + "\n")

    def close(self) -> None:
        """Nothing is held back."""


class Plain:
    """Messages as they come, and of their edits those that say something new."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._shown: dict[str, str] = {}

    def show(self, event: RoomEvent) -> None:
        """Write the event, if it is news."""
        message, edited = _message(event)
        if edited and not _is_news(event, self._shown.get(message, "")):
            return
        self._shown[message] = event.body
        self._write(spoken(event, edited=edited) + "\n")

    def close(self) -> None:
        """Nothing is held back."""


class Live:
    """Edits where the edited message stands, as long as it is the last one; else if news."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._shown: dict[str, str] = {}
        self._repeated: set[str] = set()

    def show(self, event: RoomEvent) -> None:
        """Draw the event."""
        message, edited = _message(event)
        again = message in self._repeated
        if edited and self._screen.change(message, spoken(event, edited=again), final=_ends(event)):
            self._shown[message] = event.body
            return
        if edited and not _is_news(event, self._shown.get(message, "")):
            return
        if edited:
            self._repeated.add(message)
        self._shown[message] = event.body
        self._screen.add(message, spoken(event, edited=edited))

    def close(self) -> None:
        """Leave the terminal to the next program."""
        self._screen.close()


def _message(event: RoomEvent) -> tuple[str, bool]:
    """Which message the event is or changes, and whether it is an edit.

    The sender is part of it: nobody can change what somebody else said.
    """
    edited = event.relation is not None and event.relation.kind == "m.replace"
    target = event.relation.event_id if edited and event.relation else event.event_id
    return f"{event.sender} {target}", edited


def _is_news(event: RoomEvent, shown: str) -> bool:
    if event.body == shown:
        return False
    return note_of(event) is None or _ends(event) or worth_repeating(shown, event.body)


def _ends(event: RoomEvent) -> bool:
    note = note_of(event)
    return note is not None and note.state.ended
