"""What the homeserver answers a guest, and what is wrong where it does not, in words."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import nio

from domain.errors import NotPermitted, OpsError, Refused, UnknownName, Unreachable


async def asked(call: Awaitable[Any]) -> Any:
    """The answer to one of nio's requests. Raises OpsError for what nio returns as an error."""
    with _network_errors():
        answer = await call
    if isinstance(answer, nio.ErrorResponse):
        raise _in_words(answer)
    return answer


def _in_words(answer: nio.ErrorResponse) -> OpsError:
    """What nio returned instead of an answer, as an error a person can act on."""
    code, said = answer.status_code, answer.message or "no reason given"
    match code:
        case "M_TOO_LARGE":
            return Refused(
                "the message is larger than a homeserver takes (64 KiB with all its trimmings, "
                "some 46 KiB of text where it is encrypted)",
                hint="say it in fewer words",
            )
        case "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN":
            return NotPermitted("the homeserver no longer accepts this login")
        case "M_FORBIDDEN":
            return NotPermitted(f"the homeserver does not allow that: {said}")
        case "M_NOT_FOUND":
            return UnknownName(said)
        case None | "" | "M_UNKNOWN" | "M_LIMIT_EXCEEDED":
            return Unreachable(f"the homeserver did not answer as it should: {said}")
    return Refused(f"the homeserver refused: {said} ({code})")


@contextmanager
def _network_errors() -> Iterator[None]:
    """Say what the HTTP client raises in words a person can act on."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unreachable(f"the homeserver cannot be reached: {error or 'no answer'}") from error
