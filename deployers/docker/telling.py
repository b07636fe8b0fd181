"""What happened to a replica, in words. Pure."""

from __future__ import annotations

from datetime import datetime

from deployers.docker.events import WINDOW, Happening
from deployers.docker.looking import Seen
from domain.errors import Failure
from domain.incidents import Incident, Kind

_AGAIN = "its engine starts it again"
_MINUTES = int(WINDOW.total_seconds() // 60)


def incident(happening: Happening, there: Seen, failure: Failure, target: str) -> Incident:
    """An incident that an engine told of, with why as far as that was found out."""
    kind, event = happening.kind, happening.event
    if kind is Kind.ENDED and failure.kind == "out-of-memory":
        kind = Kind.OUT_OF_MEMORY
    failed = kind in (Kind.ENDED, Kind.OUT_OF_MEMORY, Kind.RESTART_LOOP)
    return Incident(
        id=f"{event.container[:12]}-{event.nanoseconds}",
        kind=kind,
        replica=event.replica,
        target=target,
        at=event.at,
        text=_text(kind, happening, there, failure),
        failure="" if not failed else _class(happening, failure),
        advice=failure.advice if failed else "",
        evidence=failure.evidence if failed else (),
        upto=event.at,
    )


def lost_card(there: Seen, failure: Failure, target: str, at: datetime) -> Incident:
    """An incident that was found by asking inside. One for each container."""
    return Incident(
        id=f"{there.id[:12]}-{Kind.GPU_LOST}",
        kind=Kind.GPU_LOST,
        replica=there.replica,
        target=target,
        at=at,
        text=f"has lost its graphics card ({failure.what}); it is made anew",
        failure=failure.kind,
        evidence=failure.evidence,
    )


def _text(kind: Kind, happening: Happening, there: Seen, failure: Failure) -> str:
    match kind:
        case Kind.STOPPED:
            return f"was stopped by somebody, not by Gantry (signal {happening.signal})"
        case Kind.UNHEALTHY:
            return "is unhealthy, says its own check; it runs on and may get well again"
        case Kind.RECOVERED:
            return "is healthy again"
        case Kind.OUT_OF_MEMORY if happening.event.action == "oom":
            return f"lost a process to the kernel for the memory it took{_limit(there)}; it runs on"
        case Kind.RESTART_LOOP:
            times = f"ended {happening.deaths} times in {_MINUTES} minutes"
            return f"{times}: {_why(happening, there, failure)}; its engine goes on trying"
    return f"ended: {_why(happening, there, failure)}; {_AGAIN}"


def _why(happening: Happening, there: Seen, failure: Failure) -> str:
    """`the kernel ended it for the memory it took (limit 67 MB), exit code 137`."""
    what, code = failure.what, happening.event.exit_code
    if failure.kind == "out-of-memory":
        what += _limit(there)
    if code is None or "exit code" in what:
        return what
    return f"{what}, exit code {code}"


def _class(happening: Happening, failure: Failure) -> str:
    return "out-of-memory" if happening.event.action == "oom" else failure.kind


def _limit(there: Seen) -> str:
    if not there.memory:
        return ""
    unit, size = ("GB", 1e9) if there.memory >= 1e9 else ("MB", 1e6)
    return f" (limit {there.memory / size:.3g} {unit})"
