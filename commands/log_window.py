"""The newest lines of a log that is followed, as a room sees them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from commands.replies import Block, Code
from deployers.protocol import LogLine
from domain.progress import Progress

FOLLOWING = "following"
"""The step of progress whose text is a log."""

KEPT = 500
"""Lines that the last word on it has at most."""

SHOWN = 20
"""Lines shown while it grows."""

WIDEST, SHOWN_WIDTH = 4000, 300
"""Characters of a line that the last word has, and that are shown while it grows."""

_HEAVIEST = 65_536


class Window:
    """Hears lines and keeps the newest. What is looked for is looked for in what may be seen."""

    def __init__(self, part: str | None, masked: Callable[[str], str]) -> None:
        self._part, self._masked = (part or "").casefold(), masked
        self._kept: deque[LogLine | str] = deque(maxlen=KEPT)
        self._replicas: set[object] = set()
        self.lines = 0
        """How many were written."""
        self.found = 0
        """How many of them have in them what is looked for."""
        self.news = 0
        """Raised whenever there is something new to show."""

    def line(self, line: LogLine) -> None:
        """Keep it if it has the part that is looked for."""
        self.lines += 1
        self._replicas.add(line.replica)
        if not has(line.text, self._part, self._masked):
            return
        if len(line.text) > _HEAVIEST:
            line = LogLine(line.replica, self._masked(line.text)[:_HEAVIEST])
        self.found += 1
        self.news += 1
        self._kept.append(line)

    def note(self, text: str) -> None:
        """Keep it in its place among the lines."""
        self.news += 1
        self._kept.append(f"— {text}")

    def text(self, most: int = KEPT, width: int = WIDEST) -> str:
        """The newest lines, masked and then cut, each with its replica if there are several."""
        newest = list(self._kept)[-most:]
        return "\n".join(_cut(self._masked(self._told(each)), width) for each in newest)

    def _told(self, each: LogLine | str) -> str:
        if isinstance(each, str):
            return each
        text = each.text.replace("\n", " ")
        return f"{each.replica} | {text}" if len(self._replicas) > 1 else text


def has(text: str, part: str, masked: Callable[[str], str]) -> bool:
    """Whether a line, with its secrets masked, has the part in it: upper and lower case alike."""
    part = part.casefold()
    return part in text.casefold() and (not part or part in masked(text).casefold())


def picked(
    lines: Iterable[LogLine], part: str, tail: int, masked: Callable[[str], str]
) -> list[LogLine]:
    """The last `tail` lines of each replica that have the part in them."""
    newest: dict[object, deque[LogLine]] = {}
    for line in lines:
        if has(line.text, part, masked):
            newest.setdefault(line.replica, deque(maxlen=tail)).append(line)
    return [line for each in newest.values() for line in each]


def left_behind(news: Progress | None) -> tuple[Block, ...]:
    """What stays in the room of something that was cancelled: the lines one was reading."""
    return (Code(news.text),) if news and news.step == FOLLOWING and news.text else ()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[:width] + " …"
