"""What a hub means by its refusals."""

from __future__ import annotations

import aiohttp

from domain.errors import Refused, Unreachable
from domain.sources import Source


def explain(answer: aiohttp.ClientResponse, source: Source, *, has_token: bool) -> None:
    """Raise what an answer other than success means, in words a person can act on."""
    if answer.status < 400:
        return
    code = answer.headers.get("X-Error-Code", "")
    if code == "EntryNotFound":
        raise Refused(
            f"{source.repository} holds no file {source.file}",
            hint=f"see its files at {answer.url.origin()}/{source.repository}/tree/main",
        )
    if code == "RevisionNotFound":
        raise Refused(
            f"{source.repository} has no revision {source.revision or 'main'}",
            hint="leave `@revision` out, or name a branch, tag or commit",
        )
    if code == "GatedRepo" or answer.status == 403:
        raise Refused(
            f"{source.repository} is gated: {_gate(source, has_token)[0]}",
            hint=_gate(source, has_token)[1],
        )
    if code == "RepoNotFound" or answer.status in (401, 404):
        # The hub answers the same for a repository that is absent and one that is private.
        raise Refused(
            f"there is no repository {source.repository}, or it is private",
            hint="check the name" + ("" if has_token else "; for a private one set HF_TOKEN"),
        )
    if answer.status == 429 or answer.status >= 500:
        raise Unreachable(
            f"{answer.url.host} answered {answer.status} for {source}", hint="try again later"
        )
    raise Refused(f"{answer.url.host} answered {answer.status} for {source}")


def _gate(source: Source, has_token: bool) -> tuple[str, str]:
    if has_token:
        return (
            "the bot's token was not let in",
            f"accept its terms on the page of {source.repository} with the token's account",
        )
    return (
        "it needs a token",
        "accept its terms on its page, then set HF_TOKEN for the bot",
    )
