"""`help`: what there is to say, for whoever asks."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import click

from commands.access import Permit
from commands.replies import Block, Reply, Table
from commands.verb import AnyVerb, Deps, Verb, argument, spelled
from domain.errors import UnknownName
from domain.people import Role
from domain.progress import Report


@dataclass(frozen=True)
class Help:
    """About one command, or all."""

    command: str | None = None


def help_verb(verbs: Mapping[str, AnyVerb]) -> Verb[Help]:
    """The verb that explains the others; it is told which there are."""

    async def help_(request: Help, permit: Permit, deps: Deps, report: Report) -> Reply:
        if request.command is None:
            return Reply.done(*overview(verbs, permit))
        name = request.command.lower().lstrip(deps.prefix)
        verb = verbs.get(name)
        if verb is None or verb.hidden:
            raise _unknown(name, verbs)
        barred = [] if permit.may_say(name, verb.role) else ["You may not say it in this room."]
        return Reply.done(*detail(verb), *barred)

    return Verb(
        name="help",
        summary="what there is to say",
        examples=("help", "help deploy"),
        request=Help,
        handle=help_,
        role=Role.VIEWER,
        params=(argument("command", click.STRING, required=False),),
    )


def overview(verbs: Mapping[str, AnyVerb], permit: Permit) -> list[Block]:
    """The commands the asker may use in this room."""
    rows = tuple(
        (f"`!{verb.short_usage}`", verb.summary)
        for verb in verbs.values()
        if not verb.hidden and permit.may_say(verb.name, verb.role)
    )
    return [Table(("say", "to"), rows), "`!help deploy` tells more about one"]


def detail(verb: AnyVerb) -> list[Block]:
    """One command in full."""
    blocks: list[Block] = [f"`!{verb.usage}`", f"{verb.summary[0].upper()}{verb.summary[1:]}."]
    options = [param for param in verb.params if isinstance(param, click.Option)]
    if options:
        rows = tuple((f"`{spelled(o)}`", str(o.help)) for o in options)
        blocks.append(Table(("option", ""), rows))
    blocks += [*verb.notes, f"Takes the role {verb.role}."]
    blocks.append("For example:\n" + "\n".join(f"`!{example}`" for example in verb.examples))
    return blocks


def _unknown(name: str, verbs: Mapping[str, AnyVerb]) -> UnknownName:
    close = difflib.get_close_matches(name, verbs, n=1, cutoff=0.5)
    hint = f"did you mean `!help {close[0]}`?" if close else "`!help` lists what there is"
    return UnknownName(f"there is no command `{name[:40]}`", hint=hint)
