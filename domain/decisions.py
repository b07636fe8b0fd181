"""Who has to say yes before a change is made, what was said, and what that comes to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from domain.people import has_account

REQUESTER = "requester"
"""In `Approval.by`: only whoever asked for the change, to confirm it."""


@dataclass(frozen=True, slots=True)
class Approval:
    """What it takes before a change is made."""

    quorum: int = 1
    """How many people have to say yes; 0 asks nobody."""
    by: str = "operator"
    """The role they must hold, or `requester`."""
    requester: bool = False
    """Whether whoever asked for the change may be one of them."""
    typed: bool = False
    """Whether only `!approve`, typed on a device its owner vouches for, counts: a homeserver can
    make up a reaction."""
    within: float = 3600.0
    """Seconds after which silence is a no. The plan is good for as long."""

    @property
    def asks(self) -> bool:
        """Whether anybody is asked."""
        return self.quorum > 0

    def of(self, requester: str) -> Approval:
        """The same for what that one asks. Without an account nobody confirms anything: where the
        requester would have to, or might, an operator or whoever else holds the role does."""
        if has_account(requester) or not self.asks:
            return self
        by = "operator" if self.by == REQUESTER else self.by
        return replace(self, by=by, requester=False)


NOBODY = Approval(quorum=0)
"""Nobody is asked."""


class Verdict(StrEnum):
    """How a question ended."""

    NOT_NEEDED = "not needed"
    GRANTED = "granted"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Question:
    """May this plan be carried out?"""

    operation: str
    plan: str
    """The id of the plan: what is approved is that one and no other."""
    requester: str
    environment: str
    approval: Approval
    asked_at: datetime
    until: datetime
    service: str = ""
    targets: tuple[str, ...] = ()
    """What the plan is about."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What somebody who counts said to a question."""

    event: str
    """The event it was said in. Taking that away takes the vote back."""
    operation: str
    mxid: str
    yes: bool
    at: datetime
    why: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The end of a question. The first one there is stays."""

    operation: str
    plan: str
    verdict: Verdict
    by: tuple[str, ...]
    """Who said yes, or the one who said no."""
    at: datetime
    why: str = ""

    @property
    def granted(self) -> bool:
        """Whether the plan may be carried out."""
        return self.verdict in (Verdict.GRANTED, Verdict.NOT_NEEDED)


def decided(question: Question, votes: Iterable[Vote], now: datetime) -> Decision | None:
    """What the votes come to; None while it is open.

    One no is enough. Of several votes of one person the last counts. Once the time is over
    silence is a no, whoever said yes before without being enough.
    """
    said = {vote.mxid: vote for vote in sorted(votes, key=lambda vote: vote.at)}
    against = [vote for vote in said.values() if not vote.yes]
    agreed = tuple(vote.mxid for vote in said.values() if vote.yes)

    def ending(verdict: Verdict, by: tuple[str, ...], why: str = "") -> Decision:
        return Decision(question.operation, question.plan, verdict, by, now, why)

    if not question.approval.asks:
        return ending(Verdict.NOT_NEEDED, ())
    if against:
        return ending(Verdict.DENIED, (against[0].mxid,), against[0].why)
    if now >= question.until:
        return ending(Verdict.EXPIRED, agreed)
    return ending(Verdict.GRANTED, agreed) if len(agreed) >= question.approval.quorum else None


def objection(question: Question, mxid: str, *, holds: bool, typed: bool, yes: bool) -> str | None:
    """Why somebody's vote does not count, for a sentence; None when it does.

    `holds` says whether they have the role that is asked for, `typed` whether they typed it on a
    device they vouch for. A no needs no such device, and whoever asked may always take it back.
    """
    approval, own = question.approval, mxid == question.requester
    if own and not yes:
        return None
    if not has_account(mxid):
        return f"it takes a person to decide, and {mxid} is none"
    if approval.by == REQUESTER:
        if not own:
            return f"only {question.requester}, who asked for it, can confirm it"
    elif not holds:
        return f"it takes the role {approval.by} to decide about it"
    elif own and not approval.requester:
        return "it takes somebody other than whoever asked for it"
    if approval.typed and yes and not typed:
        return (
            f"it takes `!approve {question.operation}`, typed in an encrypted room on a device "
            "that you have verified"
        )
    return None
