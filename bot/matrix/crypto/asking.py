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
    """An answer that is not the one hoped for, as an error a person can act on."""
    code = answer.errcode or f"HTTP {answer.status}"
    said = f"{answer.body.get('error') or 'no reason given'} ({code})"
    if answer.status == 429:
        wait = answer.body.get("retry_after_ms")
        return RateLimited(wait / 1000 if isinstance(wait, int) else 5.0)
    if code in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_USER_DEACTIVATED"):
        return LoggedOut(
            f"the homeserver no longer accepts the bot's login: {said}",
            hint="check the account, then give a new token or password",
        )
    if answer.status >= 500:
        return Unreachable(f"the homeserver failed at {what}: {said}")
    return Refused(f"the homeserver says no to {what}: {said}")


def account_data(user_id: str, kind: str) -> str:
    """The path of a piece of the account's own data."""
    return f"/user/{quote(user_id, safe='')}/account_data/{quote(kind, safe='')}"
