"""Decisions: what was asked before each change, what was said to it, and how that ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.decisions import Approval, Decision, Question, Verdict, Vote
from domain.operations import State
from fleet.store.insert import insert
from fleet.store.tables import decisions, operations, votes

_LATELY = (
    sa.select(operations.c.ended_at, decisions.c.begun_at)
    .join(decisions, decisions.c.operation == operations.c.id)
    .where(operations.c.service == sa.bindparam("service"))
    .where(operations.c.state == State.SUCCEEDED.value, decisions.c.begun_at.is_not(None))
    .order_by(operations.c.filed_order.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A question and what came of it so far."""

    question: Question
    votes: tuple[Vote, ...] = ()
    """Those that were not taken back, oldest first."""
    decision: Decision | None = None
    begun_at: datetime | None = None
    """When the plan began to be carried out."""


class DecisionRecords:
    """The decisions and votes tables, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def ask(self, question: Question) -> DecisionRecord:
        """Keep a question, unless one about that operation is kept already: that one counts.

        One that needed nobody's word is replaced by that about another plan.
        """
        kept = await self.get(question.operation)
        if kept is not None and not _replaceable(kept, question):
            return kept
        await self.drop_of([question.operation])
        values = {name: getattr(question, name) for name in Question.__dataclass_fields__}
        values["approval"] = asdict(question.approval)
        values["targets"] = list(question.targets)
        await self._connection.execute(sa.insert(decisions).values(values))
        return DecisionRecord(question)

    async def get(self, operation: str) -> DecisionRecord | None:
        """What was asked about an operation, if anything was."""
        query = sa.select(decisions).where(decisions.c.operation == operation)
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            return None
        query = sa.select(votes).where(votes.c.operation == operation, ~votes.c.withdrawn)
        said = tuple(map(_vote, await self._connection.execute(query.order_by(votes.c.at))))
        return DecisionRecord(_question(row), said, _decision(row), row.begun_at)

    async def vote(self, vote: Vote) -> None:
        """Keep what somebody said; what was taken back before that, or is kept, stays so."""
        await self._vote(vote, withdrawn=False)

    async def withdraw(self, vote: Vote) -> None:
        """Take a vote back, or see to it that it never counts, should it not be kept yet."""
        await self._vote(vote, withdrawn=True)
        await self._connection.execute(
            sa.update(votes).where(votes.c.event == vote.event).values(withdrawn=True)
        )

    async def decide(self, decision: Decision) -> None:
        """Keep how it ended. The first decision stays."""
        await self._connection.execute(
            sa.update(decisions)
            .where(decisions.c.operation == decision.operation, decisions.c.verdict.is_(None))
            .values(
                verdict=decision.verdict.value,
                decided_by=list(decision.by),
                decided_at=decision.at,
                why=decision.why,
            )
        )

    async def begin(self, operation: str, at: datetime) -> None:
        """Note that the plan is being carried out from now on."""
        await self._connection.execute(
            sa.update(decisions).where(decisions.c.operation == operation).values(begun_at=at)
        )

    async def lately(self, service: str) -> float | None:
        """Seconds the latest change of a service that succeeded took, from when it began; None
        where none is remembered."""
        rows = await self._connection.execute(_LATELY, {"service": service})
        row = rows.one_or_none()
        return None if row is None else float((row.ended_at - row.begun_at).total_seconds())

    async def drop_of(self, names: Iterable[str]) -> None:
        """Forget what was decided about these operations."""
        gone = list(names)
        for table in (votes, decisions):
            await self._connection.execute(sa.delete(table).where(table.c.operation.in_(gone)))

    async def _vote(self, vote: Vote, *, withdrawn: bool) -> None:
        values = asdict(vote) | {"withdrawn": withdrawn}
        await self._connection.execute(
            insert(votes).values(values).on_conflict_do_nothing(["event"])
        )


def _replaceable(kept: DecisionRecord, question: Question) -> bool:
    nobody = kept.decision is not None and kept.decision.verdict is Verdict.NOT_NEEDED
    return nobody and kept.question.plan != question.plan


def _question(row: sa.Row[Any]) -> Question:
    return Question(
        row.operation,
        row.plan,
        row.requester,
        row.environment,
        Approval(**row.approval),
        row.asked_at,
        row.until,
        row.service,
        tuple(row.targets),
    )


def _decision(row: sa.Row[Any]) -> Decision | None:
    if row.verdict is None:
        return None
    by = tuple(row.decided_by)
    return Decision(row.operation, row.plan, Verdict(row.verdict), by, row.decided_at, row.why)


def _vote(row: sa.Row[Any]) -> Vote:
    return Vote(row.event, row.operation, row.mxid, row.yes, row.at, row.why)
