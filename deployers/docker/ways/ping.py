"""Whether an engine answers on a socket of this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

_ASK = b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"
_MOST = 200


async def first_line(socket: Path, within: float) -> str:
    """The first line that comes back: `HTTP/1.1 200 OK`; "" if it hangs up before.

    Raises TimeoutError if nothing comes within so many seconds.
    """
    async with asyncio.timeout(within):
        try:
            reader, writer = await asyncio.open_unix_connection(str(socket), limit=_MOST)
        except OSError:
            return ""
        try:
            writer.write(_ASK)
            return (await reader.readline()).decode("utf-8", "replace").strip()
        except (ConnectionError, ValueError):  # hung up; a line without an end
            return ""
        finally:
            writer.close()


def answered(line: str) -> bool:
    """Whether that was HTTP."""
    return line.startswith("HTTP/1.")
