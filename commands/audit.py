"""`audit`: who did what, when, and how it came out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import click

from commands.access import Permit
from commands.replies import Reply, Table, duration
from commands.verb import Deps, Verb, option
from commands.words import DurationWord, WholeWord
from domain.audit import Record
from domain.chain import Entry, Head
from domain.people import Role
from domain.progress import Report
from domain.subjects import glob

SHOWN = 20
PAGE = 200
"""Records that are read in one transaction: the bot does nothing else meanwhile."""


@dataclass(frozen=True)
class Audit:
    """Which records to show; None for whatever they say."""

    user: str | None = None
    target: str | None = None
    service: str | None = None
    since: float | None = None
    all: bool = False
    last: int | None = None

    def wants(self, record: Record) -> bool:
        """Whether it is one of those asked for, whenever it was."""
        return (
            (self.user is None or re.fullmatch(glob(self.user), record.mxid) is not None)
            and self.target in (None, *record.targets)
            and self.service in (None, record.service)
        )


async def audit(request: Audit, permit: Permit, deps: Deps, report: Report) -> Reply:
    """The newest records, newest first, and where the chain is by now."""
    after = deps.clock.now() - timedelta(seconds=request.since) if request.since else None
    async with deps.store.transaction() as tx:
        head = await tx.audit.head()
    found = await _found(request, after, head, deps)
    where = (
        f"The chain is at record {head.sequence}, hash `{head.short}`; on the bot's machine "
        "`gantry audit verify` proves it"
    )
    if not found:
        return Reply.done("No record fits.", where)
    rows = tuple(_row(each.sequence, record) for each, record in found)
    return Reply.done(Table(("no", "when", "by", "what", "outcome", "took", "why"), rows), where)


async def _found(
    request: Audit, after: datetime | None, head: Head, deps: Deps
) -> list[tuple[Entry, Record]]:
    """As many as are shown, page by page. Ends at the first that is too old: records are as old
    as they are far back, but for the moments in which a clock was put right."""
    found: list[tuple[Entry, Record]] = []
    before, last = head.sequence + 1, request.last or SHOWN
    while True:
        async with deps.store.transaction() as tx:
            page = await tx.audit.before(before, PAGE, everything=request.all)
        for entry in page:
            record = entry.record
            if len(found) == last or (after is not None and record.at < after):
                return found
            if request.wants(record):
                found.append((entry, record))
        if len(page) < PAGE:
            return found
        before = page[-1].sequence


def _row(number: int, record: Record) -> tuple[str, ...]:
    when = record.at.strftime("%d %b %H:%M UTC")
    what = f"{record.verb} {record.arguments}".strip()
    took = "" if record.seconds is None else duration(record.seconds)
    by = " ".join([record.mxid, *(f"+ {each}" for each in record.approvers)])
    cells = (str(number), when, by, _cut(what), record.outcome, took, _cut(record.why))
    return tuple(cell.replace("`", "") for cell in cells)


def _cut(text: str, most: int = 100) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


VERB = Verb(
    name="audit",
    summary="who did what, when, and how it came out",
    examples=("audit", "audit --user @ann:* --since 7d", "audit --target local --all --last 100"),
    request=Audit,
    handle=audit,
    role=Role.ADMIN,
    params=(
        option("--user", click.STRING, "MXID", "whose; `*` stands for anything"),
        option("--target", click.STRING, "T", "only what concerned this target"),
        option("--service", click.STRING, "NAME", "only what concerned this service"),
        option("--since", DurationWord(), "7d", "not what was earlier; default: ever"),
        click.Option(["--all"], is_flag=True, help="what only looked or talked, too"),
        option("--last", WholeWord(1, 1000), "N", f"how many; default: {SHOWN}"),
    ),
    notes=(
        "Shown are changes, decisions and whatever was refused. Records are never changed or "
        "forgotten; `gantry audit export` on the bot's machine writes all of them. See "
        "docs/audit.md.",
    ),
)
