"""`Retry-After`: when a server wants to be asked again. Pure.

Both of its forms, seconds and a date: RFC 9110, section 10.2.3. Dates come in three ways (section
5.6.7), all of them in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

NAME = "Retry-After"

_SAYING = frozenset({"retry-after", "retry-after-ms"})
"""Headers that say it, in lower case. The second is OpenAI's, whose clients heed it before ours."""

_LONGEST = 9
"""Digits that are read: thirty years of seconds. What is longer says no more than that."""

Later = int | datetime
"""Seconds from when it was said, or the moment itself."""


def later(headers: Mapping[str, str]) -> Later | None:
    """What an answer's headers say of it, their names in any case of letters; None where they say
    nothing that can be read."""
    text = next((value for name, value in headers.items() if name.lower() == NAME.lower()), "")
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text) if len(text) <= _LONGEST else 10**_LONGEST
    return _moment(text)


def seconds(said: Later, now: datetime) -> float:
    """How long that is, for what was said just now; 0 for what is past."""
    if isinstance(said, datetime):
        return max(0.0, (said - now).total_seconds())
    return float(said)


def saying(headers: Mapping[str, str], wait: float) -> dict[str, str]:
    """The same headers, with a wait of so many seconds, rounded up."""
    others = {name: value for name, value in headers.items() if name.lower() not in _SAYING}
    return {**others, NAME: str(-int(-wait // 1))}


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # it was made for letters' dates
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
