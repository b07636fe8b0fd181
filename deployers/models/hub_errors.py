"""What a hub means by its refusals."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp
from yarl import URL

from domain.errors import Refused, TargetError, Unreachable
from domain.sources import Source


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of a hub, and by whom."""

    source: Source
    hub: str
    """Its origin."""
    has_token: bool
    whose: str = "the bot's token"
    setting: str = "HF_TOKEN for the bot"
    """Where a token would be set."""


def explain(answer: aiohttp.ClientResponse, source: Source, *, has_token: bool) -> None:
    """Raise what an answer other than success means, in words a person can act on."""
    if answer.status >= 400:
        asked = Asked(source, str(answer.url.origin()), has_token)
        raise meaning(answer.status, answer.headers.get("X-Error-Code", ""), asked)


def meaning(status: int, code: str, asked: Asked) -> TargetError:
    """What a status of 400 and more with an X-Error-Code means. Pure."""
    source, host = asked.source, URL(asked.hub).host
    if code == "EntryNotFound":
        return Refused(
            f"{source.repository} holds no file {source.file}",
            hint=f"see its files at {asked.hub}/{source.repository}/tree/main",
        )
    if code == "RevisionNotFound":
        return Refused(
            f"{source.repository} has no revision {source.revision or 'main'}",
            hint="leave `@revision` out, or name a branch, tag or commit",
        )
    if code == "GatedRepo" or status == 403:
        return _gated(asked)
    if code == "RepoNotFound" or status in (401, 404):
        # The hub answers the same for a repository that is absent and one that is private.
        private = "" if asked.has_token else f"; for a private one set {_short(asked.setting)}"
        return Refused(
            f"there is no repository {source.repository}, or it is private",
            hint=f"check the name{private}",
        )
    if status == 429 or status >= 500:
        return Unreachable(f"{host} answered {status} for {source}", hint="try again later")
    return Refused(f"{host} answered {status} for {source}")


def _gated(asked: Asked) -> Refused:
    what = f"{asked.source.repository} is gated:"
    if asked.has_token:
        return Refused(
            f"{what} {asked.whose} was not let in",
            hint=f"accept its terms on the page of {asked.source.repository} with the token's "
            "account",
        )
    return Refused(
        f"{what} it needs a token", hint=f"accept its terms on its page, then set {asked.setting}"
    )


def _short(setting: str) -> str:
    return setting.removesuffix(" for the bot")
