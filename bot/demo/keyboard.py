"""What a person types, as lines: at a terminal key by key, from a pipe or a file as it is."""

from __future__ import annotations

import asyncio
import codecs
import os
import sys
import termios
import threading
import tty
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from bot.demo.line_editor import PASTES_MARKED, PASTES_PLAIN, Key, LineEditor
from bot.demo.screen import Screen, Size, Typed

PROMPT = "you> "


def at_terminal() -> bool:
    """Whether a person sits there who sees what is drawn and types what is read."""
    capable = os.environ.get("TERM", "dumb") != "dumb"
    return capable and sys.stdin.isatty() and sys.stdout.isatty()


def terminal_size() -> Size:
    """How large it is now."""
    size = os.get_terminal_size(sys.stdout.fileno())
    return Size(size.columns or 80, size.lines or 24)


@contextmanager
def key_by_key() -> Iterator[None]:
    """The terminal hands over keys as they are typed and does not echo them. Ctrl-C still works."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        _write(PASTES_MARKED)
        yield
    finally:
        _write(PASTES_PLAIN)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


async def typed_lines(screen: Screen) -> AsyncGenerator[str, None]:
    """Lines typed at the terminal, the one in the making shown below the messages."""
    editor = LineEditor()
    screen.type(Typed(PROMPT))
    async for data in _chunks():
        for line in editor.feed(data):
            if line is Key.END:
                return
            if line is Key.REDRAW:
                screen.redraw()
            elif isinstance(line, str):
                yield line
        screen.type(Typed(PROMPT, editor.text, editor.cursor))


async def plain_lines() -> AsyncGenerator[str, None]:
    """Lines from a pipe, a file, or a terminal that does its own editing."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    async for data in _chunks():
        *lines, rest = (rest + decoder.decode(data)).split("\n")
        for line in filter(str.strip, lines):
            yield line
    if rest.strip():
        yield rest


async def _chunks() -> AsyncGenerator[bytes, None]:
    """Standard input until it ends. Read in a thread: files cannot be awaited, and nothing can
    interrupt a read that waits, so the thread is left to end with the process."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    descriptor = sys.stdin.fileno()

    def read() -> None:
        data = b"anything"
        while data:
            try:
                data = os.read(descriptor, 65536)
            except OSError:
                data = b""
            try:
                loop.call_soon_threadsafe(queue.put_nowait, data)
            except RuntimeError:
                return  # the loop has closed: nobody listens any more

    threading.Thread(target=read, name="keyboard", daemon=True).start()
    while data := await queue.get():
        yield data


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
