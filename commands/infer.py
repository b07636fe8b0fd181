"""`infer`: talk to a service, a backend or a route."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta

import click

from commands.access import Permit
from commands.conversation import budget, recalled
from commands.model_words import ModelWord
from commands.replies import Reply, Verbatim
from commands.verb import Deps, Verb, argument, option
from commands.words import TemperatureWord, WholeWord
from domain.errors import UnknownName, Unreachable
from domain.operations import Operation
from domain.people import Role
from domain.progress import Progress, Report
from fleet.store.turns import KeptTurn
from fleet.survey import ServiceStatus
from inference.asking import Answer, Piece
from inference.client import Broken, Turn
from inference.goals import unknown_model

DEFAULT_MAX_TOKENS = 1024
"""Enough for an answer one reads in a room."""

OTHERS = 5
"""Names that are told of instead of one that does not answer."""

REMEMBERED = timedelta(days=30)
"""How long a conversation can be taken up again."""


@dataclass(frozen=True)
class Infer:
    """A prompt, and who is to answer it."""

    name: str
    """A service, a backend, `backend/model`, or a route."""
    prompt: str
    max_tokens: int | None = None
    temperature: float | None = None
    system: str | None = None

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What is new in the conversation."""
        system = (Turn("system", self.system),) if self.system else ()
        return (*system, Turn("user", self.prompt))


async def infer(request: Infer, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Stream the answer of whichever replica is least busy.

    In a thread, what was said there before is sent along, as much of it as the service's
    context takes: three characters to a token, or 3000 where no context was asked for, as with
    backends and routes.
    """
    async with deps.conversations.floor(permit.operation, deps.store) as earlier:
        turns = request.turns
        if earlier:
            turns = recalled(earlier, turns, budget(await _context(request.name, deps)))
        reply, said = await _answer(request, turns, permit.person.mxid, deps, report)
        if said:
            await _keep(request, said, permit.operation, deps)
        return reply


def turn_text(service: str, prompt: str) -> str:
    """The command that says a prompt as it was typed, even one that looks like options."""
    return f"{VERB.name} {service} {'-- ' if prompt.lstrip()[:1] in '-—–' else ''}{prompt}"


async def _context(name: str, deps: Deps) -> int | None:
    """Tokens of context that were asked for; None for what is no service."""
    async with deps.store.transaction() as tx:
        found = await tx.services.get(name)
    return found.spec.context if found else None


async def _answer(
    request: Infer, turns: tuple[Turn, ...], owner: str, deps: Deps, report: Report
) -> tuple[Reply, str]:
    """The reply for the room, and the whole answer; "" for one that was cut off."""
    answer = deps.models.ask(
        request.name,
        turns,
        max_tokens=request.max_tokens or DEFAULT_MAX_TOKENS,
        temperature=request.temperature,
        owner=owner,
    )
    said = ""
    try:
        async with aclosing(answer) as parts:
            async for part in parts:
                if isinstance(part, Answer):
                    words = Verbatim(said.strip() or "(it said nothing)")
                    return Reply.done(words, _how(part)), said.strip()
                said = _told(said, part, report)
    except Broken as error:
        failure = Reply.failed(f"infer {request.name}", error)
        return replace(failure, blocks=(Verbatim(said.strip()), *failure.blocks)), ""
    except UnknownName as error:
        raise _unknown(error, request.name, deps.models.names) from error
    except Unreachable as error:
        raise await _placed(error, request.name, deps) from error
    raise AssertionError("an answer ends with an Answer or an error")


async def _keep(request: Infer, said: str, operation: Operation, deps: Deps) -> None:
    now, root = deps.clock.now(), operation.thread or operation.origin
    turns = (*request.turns, Turn("assistant", deps.masked(said)))
    async with deps.store.transaction() as tx:
        await tx.turns.keep(
            KeptTurn(operation.id, root, request.name, turn.role, turn.text, now) for turn in turns
        )
        await tx.turns.drop_before(now - REMEMBERED)


def _told(said: str, part: Piece, report: Report) -> str:
    said += part.text
    report(Progress("answering", replica=str(part.replica), text=said))
    return said


def _how(answer: Answer) -> str:
    told = [
        f"— `{answer.replica}`",
        f"{answer.completion_tokens} tokens",
        f"first after {answer.first_token * 1000:.0f} ms",
    ]
    if answer.tokens_per_second is not None:
        told.append(f"{answer.tokens_per_second:.0f} tokens/s")
    if answer.finish_reason == "length":
        told.append("cut at its limit; `--max-tokens` raises it")
    return " · ".join(told)


def _unknown(error: UnknownName, name: str, known: Sequence[str]) -> UnknownName:
    """Say what there is, unless it is only the model inside a backend that there is not."""
    if name.partition("/")[0] in known:
        return error
    return unknown_model(name, known, what="service, backend or route")


async def _placed(error: Unreachable, name: str, deps: Deps) -> Unreachable:
    """The same error, and how a service stands; for what is none, who else could be asked."""
    try:
        (status,) = await deps.fleet.survey.status(name)
    except UnknownName:
        others = [f"`{each}`" for each in deps.models.names if each != name.partition("/")[0]]
        there = f"; there is also {', '.join(others[:OTHERS])}" if others else ""
        error.hint = f"ask again in a moment{there}"
    else:
        error.standing = _standing(status)
    return error


def _standing(status: ServiceStatus) -> str:
    spec = status.wanted.spec
    if status.busy_with:
        return f"Operation `{status.busy_with}` is changing it right now."
    if not spec.replicas:
        return f"It is stopped; `!scale {spec.name} 1` brings it back."
    return f"{status.ready} of {spec.replicas} replicas are ready."


VERB = Verb(
    name="infer",
    summary="talk to a model: a service, a backend or a route",
    examples=(
        "infer tiny what is a container?",
        'infer tiny --max-tokens 60 --system "You are brief." why is the sky blue?',
        "infer @chat good morning",
    ),
    request=Infer,
    handle=infer,
    role=Role.VIEWER,
    prose="prompt",
    params=(
        argument("name", ModelWord()),
        option("--max-tokens", WholeWord(1, 100_000), "N", "longest answer, in tokens"),
        option("--temperature", TemperatureWord(), "T", "0 is steady, 2 is wild"),
        option("--system", click.STRING, "TEXT", "what the model is told to be"),
    ),
    notes=(
        "NAME is a service, a backend or a route of the gateway; `@chat` says the same as `chat`, "
        "and `studio/small` is one model of a backend's.",
        "Options come before the prompt; everything after them is taken as it was typed, quotes "
        "and new lines included. A prompt that itself begins with `--` follows a lone `--`.",
        "To go on talking, reply in a thread on the question or on its answer, with or without "
        "the command: what was said there before is sent along, as much of it as the service's "
        "context takes, and the answer comes in the thread.",
    ),
)
