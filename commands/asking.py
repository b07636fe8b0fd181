"""Asking people before a change is made: who is asked, in which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from commands.access import Permit
from commands.planned import plan_blocks
from commands.replies import Block, duration
from commands.verb import Deps
from domain.decisions import REQUESTER, Approval, Decision, Question, Verdict
from domain.errors import NotApproved
from domain.people import has_account
from fleet.rollout import Rollout
from fleet.store.decisions import DecisionRecord

ASK = "ask"
"""Names the message in which people are asked, among those about an operation."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How leave is had for one change (see `fleet.decisions.Asking`)."""

    approval: Approval
    permit: Permit
    deps: Deps
    more: Sequence[Block] = ()
    """What else there is to say of the change."""

    async def settled(self, rollout: Rollout) -> bool:
        """Keep the question, and say whether nobody needs to be asked any more."""
        record = await self.deps.decisions.ask(self._question(rollout))
        told = record.question.approval.asks and record.question.plan == rollout.id
        if told and record.decision is not None:
            await self._show(record, rollout)  # decided in an earlier run, perhaps not told
        return _granted(record)

    async def answered(self, rollout: Rollout) -> None:
        """Ask in the room, show how it stands, and wait."""
        decisions, operation = self.deps.decisions, self.permit.operation
        while record := await decisions.look(operation.id):
            await self._show(record, rollout)
            if _granted(record):
                return
            await decisions.news(record.question)

    async def closed(self) -> None:
        """The change is off. Should people still be asked, they are told so."""
        record = await self.deps.decisions.look(self.permit.operation.id)
        if record is None or record.decision is not None:
            return
        record = await self.deps.decisions.close(self.permit.operation.id)
        if record is not None:
            blocks = asked(record, self.permit.operation.text, ())
            await self.deps.voice.say(self.permit.operation, ASK, blocks)

    async def _show(self, record: DecisionRecord, rollout: Rollout) -> None:
        operation = self.permit.operation
        lately = await self.deps.fleet.planning.lately(rollout.want.name)
        blocks = asked(record, operation.text, [*plan_blocks(rollout, lately), *self.more])
        await self.deps.voice.say(operation, ASK, blocks, mention=self._whom(record))

    def _whom(self, record: DecisionRecord) -> tuple[str, ...]:
        """Who is notified: those whom the role lists one by one; its patterns name nobody."""
        question = record.question
        if question.approval.by == REQUESTER:
            return (question.requester,)
        named = self.deps.rooms.policy.listed(question.approval.by)
        own = {question.requester} if not question.approval.requester else set()
        return tuple(mxid for mxid in named if mxid not in own)

    def _question(self, rollout: Rollout) -> Question:
        now, operation = self.deps.clock.now(), self.permit.operation
        place = self.permit.environment
        return Question(
            operation.id,
            rollout.id,
            operation.sender,
            place.name if place else "",
            self.approval,
            now,
            now + timedelta(seconds=self.approval.within),
            rollout.want.name,
            tuple(plan.target for plan in rollout.plans),
        )


def asked(record: DecisionRecord, command: str, plan: Sequence[Block]) -> list[Block]:
    """The message in which people are asked, as it stands. Pure."""
    question, title = record.question, command.partition("\n")[0][:100]
    if record.decision is not None:
        return [f"{told(record.decision)}: `{title}`", *plan]
    head = f"❓ {question.requester} asks for `{title}`; plan `{question.plan}`"
    return [head, *plan, _needed(record), _how(question)]


def told(decision: Decision) -> str:
    """How a question ended, in a few words. Pure."""
    by = " and ".join(decision.by)
    why = f" ({decision.why})" if decision.why else ""
    match decision.verdict:
        case Verdict.GRANTED:
            return f"✓ Approved by {by}"
        case Verdict.DENIED:
            return f"✗ Denied by {by}{why}"
        case Verdict.EXPIRED:
            return "✗ Not approved in time"
        case Verdict.CANCELLED:
            return "✗ No longer asked"
        case Verdict.NOT_NEEDED:
            return "✓ Nobody had to be asked"


def _granted(record: DecisionRecord) -> bool:
    """Whether it is a yes, or open. Raises NotApproved for a no."""
    decision, question = record.decision, record.question
    if decision is None or decision.granted:
        return decision is not None
    if decision.verdict is Verdict.DENIED:
        why = f": {decision.why}" if decision.why else ""
        raise NotApproved(f"{decision.by[0]} said no{why}", hint=_UNTOUCHED)
    if decision.verdict is Verdict.EXPIRED:
        time = duration(question.approval.within)
        enough = f"{len(decision.by)} of {question.approval.quorum} said yes"
        raise NotApproved(f"not approved within {time}: {enough}", hint=_UNTOUCHED)
    raise NotApproved("it is not asked for any more", hint=_UNTOUCHED)


_UNTOUCHED = "nothing was done; say it again to ask again"


def _needed(record: DecisionRecord) -> str:
    question, approval = record.question, record.question.approval
    until = question.until.strftime("%H:%M UTC")
    if approval.by == REQUESTER:
        return f"{question.requester} has to confirm it until {until}"
    own = has_account(question.requester) and not approval.requester
    others = f" other than {question.requester}" if own else ""
    people = f"{approval.quorum} people" if approval.quorum > 1 else "somebody"
    yes = ", ".join(vote.mxid for vote in record.votes if vote.yes)
    so_far = f". Yes so far: {yes}" if yes else ""
    return f"It takes {people} with the role {approval.by}{others}, until {until}{so_far}"


def _how(question: Question) -> str:
    op, approval = question.operation, question.approval
    if approval.typed:
        return (
            f"Type `!approve {op}` on a device that you have verified, or `!deny {op} WHY`; "
            "reactions do not count as a yes"
        )
    return f"React with 👍 or say `!approve {op}`; 👎 or `!deny {op} WHY` says no"
