"""Writes docs/commands.md from the verbs, docs/failures.md from the classes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from commands.verb import AnyVerb, spelled
from domain.failure_classes import CLASSES


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


def failures() -> str:
    """docs/failures.md: every class of failure, what it means and what to try."""
    lines = ["# Failures", "", "Generated from the code by `script/docs`; do not edit.", ""]
    lines += [*_FAILURES, "", "| class | it says | try | again |", "|---|---|---|---|"]
    lines += [
        f"| `{each.kind}` | {_cell(each.what)} | {_cell(each.advice)} "
        f"| {'yes' if each.retryable else ''} |"
        for each in CLASSES.values()
    ]
    return "\n".join(lines) + "\n"


_FAILURES = (
    "When a replica fails, the reply says what failed, how things stand and what to try, with",
    "the last lines it wrote. The class is found from what the target answered and what the",
    "engine wrote (vLLM, llama.cpp, Ollama, Docker, Kubernetes and others): the root cause, not",
    "what follows from it. Where no words tell, the exit code or the signal does. Figures that",
    "were written are told: `of a context of 262144 tokens, 34736 fit`.",
    "",
    "A `yes` under *again* means that the same command may work later with nothing changed.",
)


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
