"""Asking the homeserver what nio does not know, and putting its "no" into words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from bot.matrix.answers import Answer, LoggedOut, RateLimited
from domain.errors import OpsError, Refused, Unreachable

Request = Callable[[str, str, Mapping[str, Any] | None], Awaitable[Answer]]
"""Method, path from `/_matrix` on, body: `MatrixApi.request`."""

CLIENT = "/_matrix/client/v3"


async def ask(
    request: Request, method: str, path: str, body: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """What the homeserver answers. Raises RateLimited, LoggedOut, Refused or Unreachable."""
    answer = await request(method, CLIENT + path, body)
    if answer.status != 200:
        raise refusal(answer, f"{method} {path.partition('?')[0]}")
    return answer.body


async def look_for(request: Request, path: str) -> Mapping[str, Any] | None:
    """What is at a path; None when nothing is. Raises as `ask` does."""
    answer = await request("GET", CLIENT + path, None)
    if answer.status == 404 and answer.errcode == "M_NOT_FOUND":
        return None
    if answer.status != 200:
        raise refusal(answer, f"GET {path.partition('?')[0]}")
    return answer.body


def refusal(answer: Answer, what: str) -> OpsError:
    """What a no means, and to what it was said.

    Whether asking again may help is told by the status: codes here are often just M_UNKNOWN.
    """
    error = answer.refusal()
    if isinstance(error, LoggedOut | RateLimited):
        return error
    meant = Unreachable if answer.status >= 500 else Refused
    return meant(f"{what}: {error.summary}")


def account_data(user_id: str, kind: str) -> str:
    """The path of a piece of the account's own data."""
    return f"/user/{quote(user_id, safe='')}/account_data/{quote(kind, safe='')}"
