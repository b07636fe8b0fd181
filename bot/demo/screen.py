"""The bottom of a terminal: the last message, redrawn as it is edited, and the line being typed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

_CLEAR_BELOW = "\r\x1b[J"
_MIN_WIDTH = 20


@dataclass(frozen=True, slots=True)
class Size:
    """Of a terminal, in cells."""

    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class _Last:
    """The message drawn last; what came before it has scrolled away and is left alone."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Typed:
    """The line being typed: what stands before it, its text, and where the cursor is in it."""

    prompt: str = ""
    text: str = ""
    cursor: int = 0


class Screen:
    """Draws by ANSI sequences any terminal of the last forty years knows.

    What has scrolled off the top cannot be redrawn. A message that outgrows the terminal shows
    its end while it is edited; if its beginning changed as well, all of it is written once more
    when it is final or another message follows.
    """

    def __init__(self, write: Callable[[str], None], size: Callable[[], Size]) -> None:
        self._write = write
        self._size = size
        self._last: _Last | None = None
        self._scrolled: tuple[str, ...] = ()
        self._drawn: tuple[str, ...] = ()
        self._torn = False
        self._typed = Typed()

    def add(self, key: str, text: str) -> None:
        """Put a message below all others."""
        before = self._settled()
        self._last, self._scrolled = _Last(key, text), ()
        self._draw(before)

    def change(self, key: str, text: str, *, final: bool = False) -> bool:
        """Redraw the last message where it stands. False, and nothing done, for an earlier one."""
        if self._last is None or self._last.key != key:
            return False
        self._last = replace(self._last, text=text)
        self._draw(self._erased())
        if final and self._torn:
            self.add(key, text)
        return True

    def type(self, typed: Typed) -> None:
        """Show what is being typed below the messages."""
        self._typed = typed
        self._write("\r\x1b[K" + self._line())

    def redraw(self) -> None:
        """Clear the terminal and draw the bottom again, after something else wrote to it."""
        self._draw("\x1b[2J\x1b[H")

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let something else write whole lines to the terminal, below all messages."""
        self.close()
        yield
        self._write(self._line())

    def close(self) -> None:
        """Leave every message whole, and the terminal ready for the next program."""
        self._write(self._settled())
        self._last, self._drawn, self._scrolled = None, (), ()

    def _settled(self) -> str:
        """What leaves the last message as it shall stay, with the cursor below it."""
        if not self._torn:
            return _CLEAR_BELOW
        self._torn = False
        return self._erased() + "".join(f"{line}\n" for line in self._whole())

    def _whole(self) -> tuple[str, ...]:
        return wrapped(self._last.text, self._size().columns) if self._last else ()

    def _erased(self) -> str:
        """Move to where the redrawable part of the last message begins and clear from there."""
        columns = self._size().columns
        up = sum(max(1, -(-cells(line) // columns)) for line in self._drawn)
        return (f"\r\x1b[{up}A" if up else "") + _CLEAR_BELOW

    def _draw(self, before: str) -> None:
        whole, reach = self._whole(), max(1, self._size().rows - 2)
        known = len(self._scrolled)
        self._torn = whole[:known] != self._scrolled
        rows = whole[-reach:] if self._torn else whole[known:]
        self._drawn = rows[-reach:]
        if not self._torn:
            self._scrolled += rows[:-reach]
        self._write(before + "".join(f"{row}\n" for row in rows) + self._line())

    def _line(self) -> str:
        """The typed line, cut to one row around the cursor."""
        typed, room = self._typed, max(1, self._size().columns - 1 - cells(self._typed.prompt))
        before = _one_row(typed.text[max(0, typed.cursor - room) : typed.cursor])
        before = before[len(before) - _fitting(before[::-1], room) :]
        after = _one_row(typed.text[typed.cursor : typed.cursor + room])
        shown = before + after[: _fitting(after, room - cells(before))]
        column = cells(typed.prompt) + cells(before)
        return f"{typed.prompt}{shown}\r" + (f"\x1b[{column}C" if column else "")


def wrapped(text: str, columns: int) -> tuple[str, ...]:
    """The text in rows of at most so many cells, broken at spaces where there are any."""
    rows: list[str] = []
    for line in text.split("\n"):
        rows += _wrapped_line(line, max(columns, _MIN_WIDTH))
    return tuple(rows)


def cells(text: str) -> int:
    """How many columns the text takes: wide characters two, combining ones none."""
    return sum(_cell(character) for character in text)


def _cell(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _wrapped_line(line: str, columns: int) -> list[str]:
    rows = []
    indent = line[: len(line) - len(line.lstrip(" "))][: columns // 2]
    while (cut := _fitting(line, columns)) < len(line):
        space = line.rfind(" ", len(indent) + 1, cut + 1)
        at = space if space > 0 else cut
        rows.append(line[:at])
        line = indent + line[at:].lstrip(" ")
    return [*rows, line]


def _fitting(line: str, columns: int) -> int:
    """How many characters fit into so many cells."""
    taken = 0
    for index, character in enumerate(line):
        taken += _cell(character)
        if taken > columns:
            return index
    return len(line)


def _one_row(text: str) -> str:
    return "".join(c if c.isprintable() else "\u23ce" if c == "\n" else "\ufffd" for c in text)
