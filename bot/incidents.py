"""What a room is told of an incident. Pure."""

from __future__ import annotations

from datetime import datetime

from bot.matrix.content import Content
from domain.expiries import moment
from domain.incidents import Incident

INCIDENT = "gantry.incident"
"""The key under which a line says, for programs, what happened: `{"kind", "class", "service",
"replica", "target", "at"}`."""

LONGEST = 300
"""Characters of the last line a replica wrote."""

_OLD = 120.0
"""Seconds after which it is told when it was."""


def line(incident: Incident, now: datetime, left: int, prefix: str) -> Content:
    """One line. `m.text`, which notifies, if it will hardly come right by itself."""
    service = incident.replica.service
    when = ""
    if (now - incident.at).total_seconds() > _OLD:
        when = f"{moment(incident.at, now)}: "
    parts = [f"{'⚠' if incident.for_a_person else '·'} {when}{incident}"]
    if incident.evidence:
        parts.append(f"it wrote: {_shortened(incident.evidence[-1])}")
    if incident.for_a_person and incident.advice:
        parts.append(incident.advice.replace("`!", f"`{prefix}"))
    if left == 0:
        parts.append(f"no more is told of {service} for a while; see `{prefix}status {service}`")
    return {
        "msgtype": "m.text" if incident.for_a_person else "m.notice",
        "body": " · ".join(parts),
        "m.mentions": {},
        INCIDENT: {
            "kind": str(incident.kind),
            "class": incident.failure,
            "service": service,
            "replica": str(incident.replica),
            "target": incident.target,
            "at": incident.at.isoformat(),
        },
    }


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
