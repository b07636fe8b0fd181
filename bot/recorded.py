"""What becomes of a command -> its record in the audit. Pure."""

from __future__ import annotations

from datetime import datetime

from bot.declined import Declined
from commands.batch import Batch
from commands.grammar import Grammar, Parsed
from commands.infer import Infer
from commands.replies import Reply
from domain.audit import Kind, Outcome, Record, excerpt
from domain.errors import NotPermitted, UsageError
from domain.operations import Operation, State
from fleet.store.decisions import DecisionRecord


def ended(
    operation: Operation,
    reply: Reply,
    state: State,
    at: datetime,
    grammar: Grammar,
    asked: DecisionRecord | None = None,
) -> Record:
    """The record of an operation. `asked` is what was decided about it, if it got as far as a plan;
    otherwise the targets that were asked for count."""
    name, _, rest = operation.text.strip().partition(" ")
    verb, parsed = grammar.verb(operation.text), _parsed(operation, grammar, rest)
    acts = operation.changes or (verb is not None and verb.acts)
    outcome = _outcome(reply, state)
    request = parsed.request if parsed else None
    service = operation.service or getattr(request, "service", None)
    if isinstance(request, Infer | Batch):
        service = request.name
    return Record.of_operation(
        operation,
        at,
        outcome,
        acts=acts,
        verb=verb.name if verb else excerpt(name[:40]),
        arguments=_arguments(rest, verb is None or verb.request is Infer, request),
        service=service,
        targets=asked.question.targets if asked else _asked_for(request),
        plan=asked.question.plan if asked else None,
        approvers=asked.decision.by if asked and asked.decision else (),
        why=_why(reply, told=acts),
    )


def declined(refused: Declined, at: datetime) -> Record:
    """The record of a command that was not even filed: that there was one, not what it said."""
    message = refused.message
    return Record(
        kind=Kind.OPERATION,
        at=at,
        mxid=message.sender,
        room=message.room,
        verb=excerpt(refused.verb),
        outcome=Outcome.DECLINED,
        notable=True,
        event=message.event_id if message.event_id.startswith("$") else None,
        device=message.device,
        why=f"it held what looks like {refused.secret}"
        if refused.secret
        else "it came unencrypted into an encrypted room",
    )


def _outcome(reply: Reply, state: State) -> str:
    if state is State.FAILED and isinstance(reply.error, NotPermitted):
        return Outcome.DENIED
    if state is State.FAILED and isinstance(reply.error, UsageError):
        return Outcome.NOT_UNDERSTOOD
    return state.value


def _parsed(operation: Operation, grammar: Grammar, rest: str) -> Parsed | None:
    """The command understood once more; without arguments there is nothing to find in it."""
    if not rest:
        return None
    try:
        return grammar.parse(operation.text)
    except UsageError:
        return None


def _arguments(rest: str, talk: bool, request: object) -> str:
    """As they were typed, secrets masked. What is said to a model is nobody's business, and what
    begins with no known verb may be talk too: of these only the length is kept."""
    if not talk or not rest:
        return excerpt(rest)
    if isinstance(request, Infer):
        return f"{request.name} ({len(request.prompt)} characters)"
    return f"({len(rest)} characters)"


def _asked_for(request: object) -> tuple[str, ...]:
    match getattr(request, "target", None):
        case str(target):
            return (target,)
        case tuple(placements):
            return tuple(target for target, _ in placements)
    return ()


def _why(reply: Reply, *, told: bool) -> str:
    """What was wrong, or how a change came out. What only looked has nothing to add, and the
    first line of an answer of a model's is the model's."""
    if reply.error is not None:
        return excerpt(reply.error.summary)
    return excerpt(reply.summary) if told else ""
