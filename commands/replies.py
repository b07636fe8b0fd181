"""Replies and progress -> plain text and HTML. Pure.

Our own words may hold `code` in backticks. Everything else is escaped, and words that came from
somewhere else (models, logs) are never read for markup.
"""

from __future__ import annotations

import html as _html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from domain.amounts import size as size
from domain.errors import OpsError, Unhealthy
from domain.progress import Growing, Progress


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Somebody else's words, shown as prose."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Log lines and the like, shown as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = str | Verbatim | Code | Table


@dataclass(frozen=True, slots=True)
class Call:
    """Words for somebody in particular, in a message of their own that notifies them."""

    person: str
    text: str
    room: str | None = None
    """Where; None for the room of the operation."""


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that goes with the end of an operation, in the thread of its message."""

    name: str
    text: str = field(repr=False)
    """Goes out as it is: whoever made it has masked what is in it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How an operation ended, for the room."""

    ok: bool
    blocks: tuple[Block, ...]
    cancelled: bool = False
    error: OpsError | None = field(default=None, compare=False)
    """What was raised, for the audit."""
    calls: tuple[Call, ...] = ()
    """Said besides, kept together with the end."""
    files: tuple[Enclosure, ...] = ()
    """Handed over with it."""

    @classmethod
    def done(cls, *blocks: Block) -> Reply:
        """It worked."""
        return cls(True, blocks)

    @classmethod
    def failed(cls, what: str, error: OpsError) -> Reply:
        """What failed, how things stand, what to try, and the evidence."""
        sentences = [_sentence(error.summary), error.standing, _capital(_sentence(error.hint))]
        told = " ".join(part for part in sentences if part)
        evidence: tuple[Block, ...] = ()
        if isinstance(error, Unhealthy) and error.failure.evidence:
            evidence = (Code("\n".join(error.failure.evidence)),)
        lines = (f"✗ {what}: {told}" if what else f"✗ {told}", *evidence)
        return cls(False, lines, error=error)

    @property
    def summary(self) -> str:
        """The first line."""
        return plain(self.blocks[:1]).partition("\n")[0]

    def masked(self, masked: Callable[[str], str]) -> Reply:
        """The same with every text in it masked, before any of it is cut short or kept."""
        if self.error is not None:
            self.error.summary = masked(self.error.summary)
        return replace(self, blocks=masked_blocks(self.blocks, masked))

    def calling(self, *calls: Call) -> Reply:
        """The same, with words for people in particular."""
        return replace(self, calls=(*self.calls, *calls))

    def adding(self, *blocks: Block) -> Reply:
        """The same, with more said below."""
        return replace(self, blocks=(*self.blocks, *blocks))

    def enclosing(self, *files: Enclosure) -> Reply:
        """The same, with files."""
        return replace(self, files=(*self.files, *files))

    def marked_cancelled(self) -> Reply:
        """The same, as the end of something that was cancelled."""
        return replace(self, cancelled=True)


def masked_blocks(blocks: Sequence[Block], masked: Callable[[str], str]) -> tuple[Block, ...]:
    """The blocks with every text in them masked."""
    return tuple(_masked(block, masked) for block in blocks)


def plain(blocks: Sequence[Block]) -> str:
    """Text that reads well by itself."""
    return "\n".join(_plain(block) for block in blocks)


def html(blocks: Sequence[Block]) -> str:
    """The tags Matrix allows (client-server API, m.room.message msgtypes), and no others."""
    return "".join(_rich(block) for block in blocks)


def working(title: str, news: Progress, elapsed: float, operation: str) -> tuple[Block, ...]:
    """A running operation: phase, bar, elapsed, the last log line, how to cancel."""
    step = f"{news.step} ({news.phase})" if news.phase else news.step
    parts = [f"⏳ {title}", step]
    if news.position:
        done, count = news.position
        parts.append(f"{bar(_overall(news))} {done + 1}/{count}")
    parts.append(duration(elapsed))
    lines: list[Block] = [" · ".join(parts)]
    if news.text:
        lines.append(Code(news.text[-300:]))
    lines.append(_how_to_stop(operation))
    return tuple(lines)


def answering(title: str, news: Progress, operation: str) -> tuple[Block, ...]:
    """An answer that is still growing, or several side by side."""
    grown = [block for each in news.answers for block in _grown(each)]
    return (f"⏳ {title}", *(grown or [Verbatim(news.text + " …")]), _how_to_stop(operation))


def following(title: str, news: Progress, elapsed: float, operation: str) -> tuple[Block, ...]:
    """A log that is being followed: its newest lines."""
    return (
        f"⏳ {title} · {duration(elapsed)}",
        Code(news.text) if news.text else "Nothing was written yet.",
        _how_to_stop(operation),
    )


def _how_to_stop(operation: str) -> str:
    return f"React with ❌ or say `!cancel {operation}` to stop it"


def _grown(each: Growing) -> tuple[Block, ...]:
    head = f"`{each.name}`"
    if not each.note:
        return (head, Verbatim(f"{each.text} …".strip()))
    return (head, Verbatim(each.text.strip()), each.note) if each.text else (head, each.note)


def bar(fraction: float, width: int = 10) -> str:
    """`▰▰▰▱▱▱▱▱▱▱` for 0.3."""
    full = round(max(0.0, min(1.0, fraction)) * width)
    return "▰" * full + "▱" * (width - full)


def duration(seconds: float) -> str:
    """`0.4 s`, `42 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _with_rest(f"{whole // 60} min", whole % 60, "s")
    return _with_rest(f"{whole // 3600} h", whole % 3600 // 60, "min")


def _with_rest(text: str, rest: int, unit: str) -> str:
    return f"{text} {rest} {unit}" if rest else text


def _overall(news: Progress) -> float:
    done, count = news.position or (0, 1)
    return (done + (news.fraction or 0.0)) / max(count, 1)


def _masked(block: Block, masked: Callable[[str], str]) -> Block:
    match block:
        case str():
            return masked(block)
        case Verbatim(text) | Code(text):
            return replace(block, text=masked(text))
        case Table(head, rows):
            return Table(head, tuple(tuple(masked(cell) for cell in row) for row in rows))


def _sentence(text: str) -> str:
    return text if not text or text[-1] in ".!?…" else text + "."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plain(block: Block) -> str:
    match block:
        case str():
            return block
        case Verbatim(text) | Code(text):
            return text
        case Table(head, rows):
            widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
            lines = [_aligned(row, widths) for row in (head, *rows)]
            return "\n".join(lines)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return "  ".join(cells).rstrip()


def _rich(block: Block) -> str:
    match block:
        case str():
            return f"<p>{_inline(block)}</p>"
        case Verbatim(text):
            return f"<p>{_escape(text).replace(chr(10), '<br>')}</p>"
        case Code(text):
            return f"<pre><code>{_escape(text)}</code></pre>"
        case Table(head, rows):
            top = "".join(f"<th>{_inline(cell)}</th>" for cell in head)
            body = "".join(
                "<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>"
                for row in rows
            )
            return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _escape(text)).replace("\n", "<br>")


def _escape(text: str) -> str:
    return _html.escape(text, quote=False)
