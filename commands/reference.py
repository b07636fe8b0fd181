"""Writes docs/commands.md from the verbs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from commands.verb import AnyVerb, spelled


def reference(verbs: Mapping[str, AnyVerb]) -> str:
    """docs/commands.md: every verb people may say, what it takes and examples of it."""
    shown = [verb for verb in verbs.values() if not verb.hidden]
    lines = ["# Commands", "", "Generated from the code by `script/docs`; do not edit.", ""]
    lines += ["| say | to | role |", "|---|---|---|"]
    lines += [
        f"| [`!{verb.name}`](#{verb.name}) | {verb.summary} | {verb.role} |" for verb in shown
    ]
    for verb in shown:
        lines += ["", *_section(verb)]
    return "\n".join(lines) + "\n"


def _section(verb: AnyVerb) -> Iterator[str]:
    yield from (f"## {verb.name}", "", f"{verb.summary[0].upper()}{verb.summary[1:]}.", "")
    yield from ("```", f"!{verb.usage}", "```", "")
    options = [param for param in verb.params if isinstance(param, click.Option)]
    if options:
        yield from ("| option | |", "|---|---|")
        yield from (f"| `{_cell(spelled(o))}` | {_cell(o.help)} |" for o in options)
        yield ""
    for note in verb.notes:
        yield from (note, "")
    yield f"Takes the role {verb.role}. For example:"
    yield from ("", "```", *(f"!{example}" for example in verb.examples), "```")


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")
