"""`infer`: talk to a service."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta

import click

from commands.access import Permit
from commands.conversation import budget, recalled
from commands.replies import Reply, Verbatim
from commands.verb import Deps, Verb, argument, option
from commands.words import NameWord, TemperatureWord, WholeWord
from domain.errors import Unreachable
from domain.operations import Operation
from domain.people import Role
from domain.progress import Progress, Report
from fleet.store.turns import KeptTurn
from fleet.survey import ServiceStatus
from inference.asking import Answer, Piece
from inference.client import Broken, Turn

DEFAULT_MAX_TOKENS = 1024
"""Enough for an answer one reads in a room."""

REMEMBERED = timedelta(days=30)
"""How long a conversation can be taken up again."""


@dataclass(frozen=True)
class Infer:
    """A prompt for a service."""

    name: str
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
    context takes: three characters to a token, or 3000 where no context was asked for.
    """
    async with deps.conversations.floor(permit.operation, deps.store) as earlier:
        turns = request.turns
        if earlier:
            context = (await deps.fleet.survey.wanted(request.name)).spec.context
            turns = recalled(earlier, turns, budget(context))
        reply, said = await _answer(request, turns, deps, report)
        if said:
            await _keep(request, said, permit.operation, deps)
        return reply


def turn_text(service: str, prompt: str) -> str:
    """The command that says a prompt as it was typed, even one that looks like options."""
    return f"{VERB.name} {service} {'-- ' if prompt.lstrip()[:1] in '-—–' else ''}{prompt}"


async def _answer(
    request: Infer, turns: tuple[Turn, ...], deps: Deps, report: Report
) -> tuple[Reply, str]:
    """The reply for the room, and the whole answer; "" for one that was cut off."""
    answer = deps.models.ask(
        request.name,
        turns,
        max_tokens=request.max_tokens or DEFAULT_MAX_TOKENS,
        temperature=request.temperature,
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
    except Unreachable as error:
        error.standing = _standing((await deps.fleet.survey.status(request.name))[0])
        raise
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


def _standing(status: ServiceStatus) -> str:
    spec = status.wanted.spec
    if status.busy_with:
        return f"Operation `{status.busy_with}` is changing it right now."
    if not spec.replicas:
        return f"It is stopped; `!scale {spec.name} 1` brings it back."
    return f"{status.ready} of {spec.replicas} replicas are ready."


VERB = Verb(
    name="infer",
    summary="talk to a service",
    examples=(
        "infer tiny what is a container?",
        'infer tiny --max-tokens 60 --system "You are brief." why is the sky blue?',
    ),
    request=Infer,
    handle=infer,
    role=Role.VIEWER,
    prose="prompt",
    params=(
        argument("name", NameWord()),
        option("--max-tokens", WholeWord(1, 100_000), "N", "longest answer, in tokens"),
        option("--temperature", TemperatureWord(), "T", "0 is steady, 2 is wild"),
        option("--system", click.STRING, "TEXT", "what the model is told to be"),
    ),
    notes=(
        "Options come before the prompt; everything after them is taken as it was typed, quotes "
        "and new lines included. A prompt that itself begins with `--` follows a lone `--`.",
        "To go on talking, reply in a thread on the question or on its answer, with or without "
        "the command: what was said there before is sent along, as much of it as the service's "
        "context takes, and the answer comes in the thread.",
    ),
)
