"""What can be told of `state.url` before anything is opened. Pure."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

INSTANCE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
"""What a bot may be called among those on one database."""

_SHARED = ("postgresql", "postgresql+asyncpg")


def is_shared(url: str) -> bool:
    """Whether it names a database that several bots may use."""
    return url.partition(":")[0] in _SHARED


def holds_password(url: str) -> bool:
    """Whether there is a password in it, before the host or behind the question mark."""
    _, _, rest = url.partition("//")
    authority = rest.partition("/")[0]
    user, at, _ = authority.rpartition("@")
    try:
        words = dict(parse_qsl(urlsplit(url).query))
    except ValueError:
        return True  # not understood: do not let it pass into a log
    return bool(at and ":" in user) or "password" in words
