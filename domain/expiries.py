"""When a service that was only meant for a while is asked about, and removed. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

SHORTEST_NOTICE, LONGEST_NOTICE = timedelta(minutes=1), timedelta(minutes=30)
_SHARE = 10


class Due(Enum):
    """What is to be done about an expiry now."""

    NOTHING = "nothing"
    ASK = "ask"
    """Say when it is removed, and how that is prevented."""
    ANSWERED = "answered"
    """Somebody kept it after it was asked about: the question is to say so."""
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Expiry:
    """The end of one service. It is asked about once for each end it is given."""

    service: str
    by: str
    """Who gave it an end, and is asked."""
    ttl: float
    """Seconds it was deployed for, and is kept for when somebody says no other time."""
    at: datetime | None
    """When it is removed; None once it was kept for good."""
    question: str | None = None
    """The key of the message that asks; None while none does."""
    asked_for: datetime | None = None
    """The end that message names."""

    @property
    def notice(self) -> timedelta:
        """How long before its end it is asked about: a tenth of the time it was meant for."""
        tenth = timedelta(seconds=self.ttl) / _SHARE
        return max(SHORTEST_NOTICE, min(LONGEST_NOTICE, tenth))

    @property
    def asked(self) -> bool:
        """Whether a question stands for this very end."""
        return self.question is not None and self.asked_for == self.at

    def due(self, now: datetime) -> Due:
        """What is to be done now. Nothing is removed that was not asked about."""
        if self.question is not None and not self.asked:
            return Due.ANSWERED
        if self.at is None:
            return Due.NOTHING
        if self.asked:
            return Due.REMOVE if now >= self.at else Due.NOTHING
        return Due.ASK if now >= self.at - self.notice else Due.NOTHING

    def end_if_asked(self, now: datetime) -> datetime:
        """The end a question asked now names: people get half the notice at least, or all of it
        once more when they were to be asked while the bot was down."""
        end = self.at or now
        return end if end - now >= self.notice / 2 else now + self.notice

    def asking(self, question: str, end: datetime) -> Expiry:
        """The same once the question is asked that names this end."""
        return replace(self, at=end, question=question, asked_for=end)

    def settled(self) -> Expiry:
        """The same once the question says how it was answered."""
        return replace(self, question=None, asked_for=None)

    def kept(self, now: datetime, seconds: float | None = None) -> Expiry:
        """Kept for so long from now on, by default for its time once more; never for less than it
        was to run anyway. So keeping it twice is keeping it once."""
        end = now + timedelta(seconds=seconds or self.ttl)
        return replace(self, at=max(end, self.at) if self.at else end)

    def for_good(self) -> Expiry:
        """Kept without an end."""
        return replace(self, at=None)

    def postponed(self, now: datetime) -> Expiry:
        """It could not be removed: to be asked about again, the notice time from now."""
        return replace(self, at=now + 2 * self.notice, question=None, asked_for=None)


def span(seconds: float) -> str:
    """`45 min`, `8 h`, `1 h 30 min`, `3 d`, rounded to minutes."""
    minutes = max(1, round(seconds / 60))
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "d"), (hours, "h"), (rest, "min")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def moment(at: datetime, now: datetime) -> str:
    """`17:00 UTC`, with the day if that is another one than today."""
    return at.strftime("%H:%M UTC" if at.date() == now.date() else "%d %b %H:%M UTC")


def until(at: datetime, now: datetime) -> str:
    """`until 17:00 UTC, in 3 h`."""
    if at <= now:
        return f"until {moment(at, now)}, which is now"
    return f"until {moment(at, now)}, in {span((at - now).total_seconds())}"
