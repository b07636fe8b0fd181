"""A line of text as it is typed, key by key (pure)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from enum import Enum

_KEY = re.compile(
    r"\x1b\[200~(?P<pasted>.*?)\x1b\[201~|\x1b\[[0-9;]*[ -/]*[@-~]|\x1bO.|.", re.DOTALL
)
_UNFINISHED = re.compile(r"\x1b\[200~(?!.*\x1b\[201~)|\x1b(\[[0-9;]*|O)?$", re.DOTALL)

PASTES_MARKED = "\x1b[?2004h"
PASTES_PLAIN = "\x1b[?2004l"


class Key(Enum):
    """What a keystroke can mean besides a change to the line."""

    END = "end"
    """Nothing more will be typed."""
    REDRAW = "redraw"


class LineEditor:
    """Turns what a terminal sends into lines. Pasted newlines stay part of the line."""

    def __init__(self) -> None:
        self.text = ""
        self.cursor = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self._past: list[str] = []
        self._recalled = 0

    def feed(self, data: bytes) -> Iterator[str | Key]:
        """Take in what was typed; yields each finished line, and keys that mean more."""
        typed = self._rest + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(typed)
        end = unfinished.start() if unfinished else len(typed)
        typed, self._rest = typed[:end], typed[end:]
        for match in _KEY.finditer(typed):
            pasted = match["pasted"]
            if pasted is not None:
                self._insert(pasted.replace("\r\n", "\n").replace("\r", "\n"))
            else:
                yield from self._press(match[0])

    def _press(self, key: str) -> Iterator[str | Key]:
        match key:
            case "\r" | "\n":
                yield from self._submit()
            case "\x04":
                if not self.text:
                    yield Key.END
            case "\x0c":
                yield Key.REDRAW
            case "\x7f" | "\x08":
                self._replace(max(0, self.cursor - 1), self.cursor)
            case "\x1b[3~":
                self._replace(self.cursor, self.cursor + 1)
            case "\x15":
                self._replace(0, self.cursor)
            case "\x0b":
                self._replace(self.cursor, len(self.text))
            case "\x17":
                self._replace(self._word_start(), self.cursor)
            case "\x1b[A" | "\x1bOA":
                self._recall(self._recalled - 1)
            case "\x1b[B" | "\x1bOB":
                self._recall(self._recalled + 1)
            case _ if key.isprintable():
                self._insert(key)
            case _:
                self._move(key)

    def _move(self, key: str) -> None:
        match key:
            case "\x1b[D" | "\x1bOD" | "\x02":
                self.cursor = max(0, self.cursor - 1)
            case "\x1b[C" | "\x1bOC" | "\x06":
                self.cursor = min(len(self.text), self.cursor + 1)
            case "\x01" | "\x1b[H" | "\x1bOH" | "\x1b[1~":
                self.cursor = 0
            case "\x05" | "\x1b[F" | "\x1bOF" | "\x1b[4~":
                self.cursor = len(self.text)

    def _submit(self) -> Iterator[str]:
        line = self.text
        self.text, self.cursor = "", 0
        if line.strip():
            self._past.append(line)
            yield line
        self._recalled = len(self._past)

    def _insert(self, text: str) -> None:
        self.text = self.text[: self.cursor] + text + self.text[self.cursor :]
        self.cursor += len(text)

    def _replace(self, start: int, end: int) -> None:
        self.text = self.text[:start] + self.text[end:]
        self.cursor = start

    def _word_start(self) -> int:
        return self.text[: self.cursor].rstrip().rfind(" ") + 1

    def _recall(self, index: int) -> None:
        self._recalled = min(max(0, index), len(self._past))
        past = [*self._past, ""]
        self.text = past[self._recalled]
        self.cursor = len(self.text)
