"""Free memory, as Linux tells it: of this machine, or of another whose words are here."""

from __future__ import annotations

from pathlib import Path

_MEMINFO = Path("/proc/meminfo")


def available(meminfo: str) -> int | None:
    """Bytes that can be had without swapping, which is more than what is idle (proc(5),
    MemAvailable). None where that does not stand there. Pure."""
    for line in meminfo.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "MemAvailable:" and words[1].isdigit():
            return int(words[1]) * 1024
    return None


def here() -> int | None:
    """The same of this machine; None where there is no /proc."""
    try:
        return available(_MEMINFO.read_text())
    except OSError:
        return None
