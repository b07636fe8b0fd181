"""What can go wrong, in words that are fit for the room as they stand."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class OpsError(Exception):
    """Something a person can act on: what failed, how things stand now, what to try."""

    def __init__(self, summary: str, hint: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.standing = ""
        """Filled in by whoever put things right again: `The previous version serves.`"""
        self.hint = hint


class RequestError(OpsError):
    """Asked wrongly."""


class UsageError(RequestError):
    """The words do not make a command."""


class UnknownName(RequestError):
    """Nothing goes by that name."""


_SHOWN, _LISTED = 80, 10
"""Characters of a wrong name that are told back, and right ones that are listed."""


def unknown_name(
    what: str, name: str, known: Iterable[str], nothing: str = "there is nothing"
) -> UnknownName:
    """Say that there is none of that name: which is nearest, or which there are; where there is
    none at all, `nothing`."""
    shown, known = name[:_SHOWN], list(known)
    close = difflib.get_close_matches(shown, known, n=1, cutoff=0.5)
    listed = f"there is {', '.join(known[:_LISTED])}" if known else nothing
    hint = f"did you mean `{close[0]}`?" if close else listed
    return UnknownName(f"there is no {what} `{shown}`", hint=hint)


class NotPermitted(RequestError):
    """The person may not do that here."""


class NotAuthenticated(RequestError):
    """Who asks proves nothing: no key, or none that opens anything. A web page says 401."""


class QuotaUsedUp(OpsError):
    """So much was allowed, and that much was used. A web page says 429."""

    def __init__(self, summary: str, retry_after: int, hint: str = "") -> None:
        super().__init__(summary, hint)
        self.retry_after = retry_after
        """Whole seconds until it starts anew, at least one."""


class Undecided(OpsError):
    """Whether the person may do that cannot be told now; asking again may help."""


class Busy(OpsError):
    """Somebody else holds it: the summary says who, since when."""


class Unsupported(OpsError):
    """This target, engine or source cannot do that."""


class ConfigError(OpsError):
    """The configuration cannot be used; nothing was started."""


class TargetError(OpsError):
    """A target did not do what was asked."""


class Unreachable(TargetError):
    """No answer; trying again may help."""


class Refused(TargetError):
    """A clear no; trying again will not help until something changes."""


class WorldChanged(Refused):
    """A plan no longer fits what runs."""


class NotApproved(OpsError):
    """People were asked, and it was not a yes."""


class Cancelled(OpsError):
    """Somebody asked for the end of it."""

    unanswered = False
    """True when what was going on did not end when it was told to."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A diagnosis: which class of failure, from what evidence, and what to try."""

    kind: str
    """A class of `domain.failure_classes`: `out-of-memory`, `port-taken`, `crashed` ..."""
    what: str
    advice: str
    evidence: tuple[str, ...] = ()
    """The last log lines, oldest first."""
    retryable: bool = False


class Unhealthy(TargetError):
    """A replica never became ready, or died. Carries the diagnosis."""

    def __init__(self, replica: str, failure: Failure) -> None:
        super().__init__(f"{replica}: {failure.what}", hint=_of(replica, failure.advice))
        self.replica = replica
        self.failure = failure


def _of(replica: str, advice: str) -> str:
    """Advice with the service's name in the commands that take one."""
    service = replica.rsplit("-", 2)[0]
    for verb in ("logs", "restart"):
        advice = advice.replace(f"`!{verb}`", f"`!{verb} {service}`")
    return advice
