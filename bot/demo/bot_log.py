"""The bot's JSON log, read by somebody who wants to know how it is doing (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

_SAID_FIRST = ("timestamp", "level", "event", "logger")


def is_ready(log: str) -> bool:
    """Whether the bot said that it listens."""
    return any(_entry(line).get("event") == "ready" for line in log.splitlines())


def last_words(lines: Iterable[str]) -> list[str]:
    """Log lines as a person reads them: `error: cannot log in (user=@gantry:x)`."""
    return [_in_words(line) for line in lines if line.strip()]


def _in_words(line: str) -> str:
    entry = _entry(line)
    if "event" not in entry:
        return line
    more = ", ".join(f"{k}={v}" for k, v in entry.items() if k not in _SAID_FIRST)
    return f"{entry.get('level', 'info')}: {entry['event']}" + (f" ({more})" if more else "")


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
