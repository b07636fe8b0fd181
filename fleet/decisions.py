"""Asking before a change is made, and waiting for what people say."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Protocol

from domain.audit import Record, excerpt
from domain.clock import Clock
from domain.decisions import Decision, Question, Verdict, Vote, decided
from domain.errors import NotApproved
from domain.operations import Operation
from fleet.rollout import Rollout
from fleet.store.database import Store, Transaction
from fleet.store.decisions import DecisionRecord


class Asking(Protocol):
    """How leave is had for one change."""

    async def settled(self, rollout: Rollout) -> bool:
        """Whether the rollout may be carried out without waiting for anybody: nobody is asked, or
        it was decided before. Raises NotApproved for a no."""
        ...

    async def answered(self, rollout: Rollout) -> None:
        """Ask, and wait for a yes. Raises NotApproved for a no."""
        ...


class Decisions:
    """What was asked, and what was decided. All of it outlives the bot."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._heard: dict[str, asyncio.Event] = {}

    async def ask(self, question: Question) -> DecisionRecord:
        """Keep a question, or find what became of it before a restart."""
        async with self._store.transaction() as tx:
            record = await self._settled(tx, await tx.decisions.ask(question))
            if record.decision is None:
                await tx.operations.waits(question.operation)
            return record

    async def look(self, operation: str) -> DecisionRecord | None:
        """How a question stands now; None when nothing was asked."""
        async with self._store.transaction() as tx:
            record = await tx.decisions.get(operation)
            return record and await self._settled(tx, record)

    async def vote(self, vote: Vote) -> DecisionRecord | None:
        """Count what somebody says who may decide. What was decided before stays."""
        async with self._store.transaction() as tx:
            record = await tx.decisions.get(vote.operation)
            if record is not None and record.decision is None:
                await tx.decisions.vote(vote)
                record = await tx.decisions.get(vote.operation)
            record = record and await self._settled(tx, record)
        self.heard(vote.operation)
        return record

    async def close(self, operation: str) -> DecisionRecord | None:
        """It is not to be carried out any more, whatever people say."""
        async with self._store.transaction() as tx:
            record = await tx.decisions.get(operation)
            if record is None or record.decision is not None:
                return record
            question, now = record.question, self._clock.now()
            ended = Decision(operation, question.plan, Verdict.CANCELLED, (), now)
            return await self._keep(tx, record, ended)

    def heard(self, operation: str) -> None:
        """Something was said, or taken back."""
        self._heard.setdefault(operation, asyncio.Event()).set()

    async def news(self, question: Question) -> None:
        """Wait until something is said about it, or its time is over."""
        heard = self._heard.setdefault(question.operation, asyncio.Event())
        left = (question.until - self._clock.now()).total_seconds()
        waiting = [
            asyncio.create_task(heard.wait(), name=f"votes {question.operation}"),
            asyncio.create_task(self._clock.sleep(max(0.0, left)), name="time to decide"),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
        heard.clear()

    def forget(self, operation: str) -> None:
        """The operation ended."""
        self._heard.pop(operation, None)

    async def _settled(self, tx: Transaction, record: DecisionRecord) -> DecisionRecord:
        """The record, with the decision that it comes to by now."""
        if record.decision is not None:
            return record
        ended = decided(record.question, record.votes, self._clock.now())
        return record if ended is None else await self._keep(tx, record, ended)

    async def _keep(
        self, tx: Transaction, record: DecisionRecord, ended: Decision
    ) -> DecisionRecord:
        await tx.decisions.decide(ended)
        operation = await tx.operations.get(ended.operation)
        if record.question.approval.asks and operation is not None:
            who = await _whose(tx, ended)
            await tx.audit.append(_recorded(operation, record.question, ended, who))
        return replace(record, decision=ended)


def another_plan(record: DecisionRecord, plan: str) -> NotApproved:
    """What is said of a plan other than the one that was approved. Pure.

    One that was begun is only planned again if it was put back, and the bot ended before it could
    say why.
    """
    approved = record.question.plan
    if record.begun_at is None:
        return NotApproved(f"plan {approved} was approved, and this is {plan}", hint=_AGAIN)
    return NotApproved(
        f"plan {approved} was approved, but it failed and was put back, and the bot was stopped "
        f"before it could say why; as things are now it would be another, {plan}, which nobody "
        "approved",
        hint="`!logs` may tell why it failed; say it again to ask again",
    )


_AGAIN = "nothing was done; say it again to ask again"


async def _whose(tx: Transaction, ended: Decision) -> str:
    """Who settled it: the last who was needed, who said no, who cancelled, or the clock."""
    match ended.verdict:
        case Verdict.GRANTED | Verdict.DENIED:
            return ended.by[-1]
        case Verdict.CANCELLED:
            return await tx.operations.cancelled_by(ended.operation) or "nobody"
        case _:
            return "clock"


def _recorded(operation: Operation, question: Question, ended: Decision, who: str) -> Record:
    return Record.of_decision(
        operation,
        ended.at,
        who,
        ended.verdict.value,
        verb=operation.verb,
        arguments=excerpt(operation.text.partition(operation.verb)[2]),
        service=question.service,
        targets=question.targets,
        plan=ended.plan,
        approvers=ended.by,
        why=excerpt(ended.why),
        seconds=round((ended.at - question.asked_at).total_seconds(), 3),
    )
