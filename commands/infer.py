"""`infer`: talk to services, backends and routes, one or several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import click

from commands import loading
from commands.access import Permit
from commands.answers import Heard, reply, so_far
from commands.conversation import answerer, budget, recalled
from commands.model_words import EventWord, ModelsWord
from commands.pictures import data_url
from commands.replies import Reply, Verbatim
from commands.unanswered import explained
from commands.verb import Deps, Verb, argument, option
from commands.words import TemperatureWord, WholeWord
from domain.errors import OpsError
from domain.operations import Operation
from domain.people import Role
from domain.progress import Report
from fleet.store.turns import KeptTurn
from inference.client import Turn

DEFAULT_MAX_TOKENS = 1024
"""Enough for an answer one reads in a room."""

REMEMBERED = timedelta(days=30)
"""How long a conversation can be taken up again."""


@dataclass(frozen=True)
class Infer:
    """A prompt, and who is to answer it."""

    name: str
    """A service, a backend, `backend/model`, or a route; several stand between commas."""
    prompt: str
    max_tokens: int | None = None
    temperature: float | None = None
    system: str | None = None
    image: str | None = None
    """The message whose picture is shown; one that is no picture is passed over."""

    @property
    def names(self) -> tuple[str, ...]:
        """Each of those who are asked."""
        return tuple(self.name.split(","))

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What is new in the conversation."""
        system = (Turn("system", self.system),) if self.system else ()
        return (*system, Turn("user", self.prompt))


async def infer(request: Infer, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Stream the answer of whichever replica is least busy; of several names, all at once.

    In a thread, what was said there before is sent along, as much of it as the service's
    context takes: three characters to a token, or 3000 where no context was asked for, as with
    backends and routes. Of several answers to one prompt each is sent its own.
    """
    shown = await _picture(request, permit.operation, deps)
    async with deps.conversations.floor(permit.operation, deps.store) as earlier:
        heard = [Heard(name) for name in request.names]
        inquiry = _Inquiry(request, shown, earlier, heard, permit, deps, report)
        async with asyncio.TaskGroup() as group:
            for each in heard:
                group.create_task(inquiry.hear(each), name=f"hear {each.name}")
        if any(each.answer and each.words for each in heard):
            await _keep(request, heard, permit.operation, deps)
    return _told(request, heard, deps)


def turn_text(names: str, prompt: str) -> str:
    """The command that says a prompt as it was typed, even one that looks like options."""
    return f"{VERB.name} {names} {'-- ' if prompt.lstrip()[:1] in '-—–' else ''}{prompt}"


@dataclass(frozen=True)
class _Inquiry:
    """One prompt, put to all who are to answer it."""

    request: Infer
    pictures: tuple[str, ...]
    earlier: Sequence[KeptTurn]
    heard: Sequence[Heard]
    permit: Permit
    deps: Deps
    report: Report

    async def hear(self, one: Heard) -> None:
        """Listen to one answer. What goes wrong with it is kept there, and spoils no other."""
        answer = self.deps.models.ask(
            one.name,
            await self._turns(one.name),
            max_tokens=self.request.max_tokens or DEFAULT_MAX_TOKENS,
            temperature=self.request.temperature,
            owner=self.permit.person.mxid,
            held=partial(self._held, one),
        )
        try:
            async with aclosing(answer) as parts:
                async for part in parts:
                    one.take(part)
                    self._tell()
        except OpsError as error:
            one.error = await explained(error, one.name, self.deps)
            self._tell()

    async def _held(self, one: Heard, names: Sequence[str]) -> float:
        """Nobody is ready yet: say so, and how long to wait."""
        seconds = await loading.usual(names, self.deps)
        one.waiting = loading.told(seconds)
        self._tell()
        return loading.patience(seconds)

    async def _turns(self, name: str) -> tuple[Turn, ...]:
        own = tuple(
            replace(turn, pictures=self.pictures) if turn.role == "user" else turn
            for turn in self.request.turns
        )
        if not self.earlier:
            return own
        characters = budget(await _context(name, self.deps))
        return recalled(self.earlier, own, characters, name)

    def _tell(self) -> None:
        self.report(so_far(self.heard, self.deps.keyring.tariff))


async def _picture(request: Infer, operation: Operation, deps: Deps) -> tuple[str, ...]:
    if request.image is None:
        return ()
    found = await deps.gallery.picture(operation.room, request.image)
    return (data_url(found),) if found is not None else ()


async def _context(name: str, deps: Deps) -> int | None:
    """Tokens of context that were asked for; None for what is no service."""
    async with deps.store.transaction() as tx:
        found = await tx.services.get(name)
    return found.spec.context if found else None


def _told(request: Infer, heard: Sequence[Heard], deps: Deps) -> Reply:
    """The reply for the room. Raises what went wrong where one was asked and said nothing."""
    first = heard[0]
    if len(heard) > 1 or first.error is None:
        return reply(heard, deps.keyring.tariff)
    if not first.words:
        raise first.error
    failure = Reply.failed(f"infer {request.name}", first.error)
    return replace(failure, blocks=(Verbatim(first.words), *failure.blocks))


async def _keep(request: Infer, heard: Sequence[Heard], operation: Operation, deps: Deps) -> None:
    """Remember the prompt with the answers that came whole."""
    now, root = deps.clock.now(), operation.thread or operation.origin
    said: list[tuple[str, str]] = [(turn.role, turn.text) for turn in request.turns]
    whole = [each for each in heard if each.answer and each.words]
    alone = len(heard) == 1
    said += [(answerer(e.name, alone=alone), deps.masked(e.words)) for e in whole]
    async with deps.store.transaction() as tx:
        await tx.turns.keep(
            KeptTurn(operation.id, root, request.name, role, text, now) for role, text in said
        )
        await tx.turns.drop_before(now - REMEMBERED)


VERB = Verb(
    name="infer",
    summary="talk to a model: a service, a backend or a route, or several at once",
    examples=(
        "infer tiny what is a container?",
        'infer tiny --max-tokens 60 --system "You are brief." why is the sky blue?',
        "infer @chat good morning",
        "infer tiny,big which of you is quicker?",
    ),
    request=Infer,
    handle=infer,
    role=Role.VIEWER,
    prose="prompt",
    params=(
        argument("name", ModelsWord()),
        option("--max-tokens", WholeWord(1, 100_000), "N", "longest answer, in tokens"),
        option("--temperature", TemperatureWord(), "T", "0 is steady, 2 is wild"),
        option("--system", click.STRING, "TEXT", "what the model is told to be"),
        option("--image", EventWord(), "EVENT", "a message here whose picture is shown"),
    ),
    notes=(
        "NAME is a service, a backend or a route of the gateway; `@chat` says the same as `chat`, "
        "and `studio/small` is one model of a backend's. Up to four with commas between them are "
        "asked at once, and answer side by side.",
        "Options come before the prompt; everything after them is taken as it was typed, quotes "
        "and new lines included. A prompt that itself begins with `--` follows a lone `--`.",
        "A picture with the command as its caption is shown to the model, and so is one that the "
        "command replies to: PNG, JPEG, WebP or GIF, up to 5 MB. The model has to be able to see.",
        "While nobody is ready the message says that it is loading, and for how long if earlier "
        "starts tell; that is waited for twice as long.",
        "❌ under the answer ends it, and so does the command it shows while it grows; the words "
        "so far stay.",
        "To go on talking, reply in a thread on the question or on its answer, with or without "
        "the command: what was said there before is sent along, as much of it as the service's "
        "context takes, and the answer comes in the thread. Several go on side by side, each with "
        "what it said itself.",
    ),
)
