"""What a homeserver may answer to a request, and what each kind of no means for us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import OpsError, Refused, Unreachable

_LOGGED_OUT = ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_USER_DEACTIVATED")


class LoggedOut(OpsError):
    """The homeserver no longer takes our token: nothing will work until somebody acts."""


class TooLarge(OpsError):
    """The homeserver will not take an event of that size."""


class Forbidden(Refused):
    """We may not do that there: we lack the power, or an invitation."""


class NotThere(Refused):
    """We are not in that room, or not any more."""


class RateLimited(OpsError):
    """The homeserver asks us to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the homeserver asks for {seconds:.1f} s of patience")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What the homeserver said to a request that nio does not know."""

    status: int
    body: Mapping[str, Any]

    @property
    def errcode(self) -> str | None:
        """Matrix's code for what is wrong, if something is."""
        return self.body.get("errcode")

    def expected(self) -> Mapping[str, Any]:
        """The body of a yes. Raises what a no means."""
        if self.status == 200:
            return self.body
        raise self.refusal()

    def refusal(self) -> OpsError:
        """What a no means: as `refusal` has it, the status standing in for a missing code."""
        code = "M_LIMIT_EXCEEDED" if self.status == 429 else self.errcode or f"HTTP {self.status}"
        patience = self.body.get("retry_after_ms")
        wait = patience if isinstance(patience, int) else None
        return refusal(str(code), str(self.body.get("error") or ""), wait)


def refusal(code: str, message: str, retry_after_ms: int | None = None) -> OpsError:
    """An error of the homeserver's in words a person can act on."""
    said = f"{message or 'no reason given'} ({code or 'no code'})"
    if code in _LOGGED_OUT:
        return LoggedOut(
            f"the homeserver no longer accepts the bot's login: {said}",
            hint="check the account, then remove the old login or give a new token or password",
        )
    if code == "M_LIMIT_EXCEEDED" or retry_after_ms:
        return RateLimited((retry_after_ms or 5000) / 1000)
    if code == "M_TOO_LARGE":
        return TooLarge(said)
    if code == "M_FORBIDDEN":
        return Forbidden(f"the homeserver says no: {said}")
    if code.startswith("M_") and code != "M_UNKNOWN":
        return Refused(f"the homeserver says no: {said}")
    return Unreachable(f"the homeserver answered oddly: {said}")
