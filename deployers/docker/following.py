"""Following a container's log, over streams that may end without a word."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from deployers.docker.api import Api
from deployers.docker.looking import seen

_MOMENT = 30
"""Characters of a time that the engine puts before a line, and the space after it."""


async def following(api: Api, name: str, tail: int) -> AsyncIterator[str]:
    """The last lines, then new ones, until the container has ended.

    A stream that ends while its container runs was cut off (an SSH session that dies ends it
    without an error): it is taken up again behind the last line that came. Raises Gone.
    """
    last = ""
    wanted: int | None = tail
    while True:
        before = last
        async for moment, text in _lines(api, name, wanted, _seconds(last)):
            if moment > last:
                last = moment
                yield text
        found = seen(await api.container(name))
        if found is None or not found.runs or (before == last and wanted is None):
            return
        wanted = None


async def _lines(
    api: Api, name: str, tail: int | None, since: float | None
) -> AsyncIterator[tuple[str, str]]:
    """(time, text) of each line. The time sorts as text: RFC 3339 with nine decimals, in UTC."""
    rest = b""
    async for chunk in api.log(name, "all" if tail is None else tail, since):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            moment, _, text = str(line, "utf-8", "replace").partition(" ")
            yield moment, text.rstrip("\r")
    if rest:
        moment, _, text = str(rest, "utf-8", "replace").partition(" ")
        yield moment, text


def _seconds(moment: str) -> float | None:
    if not moment:
        return None
    whole = moment[:19]
    return datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp()
