"""Text -> request, or a usage error of one line. Pure."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from commands.verb import AnyVerb
from domain.errors import UsageError

_TYPED_BY_PHONES = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "\u00a0": " "})
_DASH = re.compile(r"(?<!\S)[—–](?=[a-z])")
_FLAG = re.compile(r"(--|[—–])[a-z]")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|'[^']*'|‘[^’]*’")
_WORD = re.compile(rf"((?:{_QUOTED.pattern}|\S)+)[ \t]?")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A command that was understood."""

    verb: AnyVerb
    request: Any


class Grammar:
    """Knows the verbs."""

    def __init__(self, verbs: Mapping[str, AnyVerb]) -> None:
        self._verbs = verbs

    def verb(self, text: str) -> AnyVerb | None:
        """The verb a command begins with, if it is one."""
        return self._verbs.get(_first_word(text))

    def parse(self, text: str) -> Parsed:
        """Understand a command, given without its prefix.

        Raises UsageError: what is wrong, the nearest right word, one example.
        """
        word = _first_word(text)
        verb = self._verbs.get(word)
        if verb is None:
            raise self._unknown(word)
        rest = text[len(word) :].strip() if not verb.prose else text[len(word) :].lstrip()
        if rest.split() == ["--help"]:
            return Parsed(self._verbs["help"], self._verbs["help"].request(command=verb.name))
        try:
            words, prose = _split(verb, rest)
            context = verb.command.make_context(verb.name, words)
        except ValueError as error:
            raise self._wrong(verb, str(error)) from error
        except click.UsageError as error:
            raise self._wrong(verb, _explain(error, verb)) from error
        values = dict(context.params)
        if verb.prose:
            if not prose.strip():
                raise self._wrong(verb, f"`{verb.name}` needs a {verb.prose}")
            values[verb.prose] = prose
        return Parsed(verb, verb.request(**values))

    def _unknown(self, word: str) -> UsageError:
        known = [name for name, verb in self._verbs.items() if not verb.hidden]
        close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.55)
        shown = f"!{word[:40]}"
        if close:
            example = self._verbs[close[0]].examples[0]
            return UsageError(
                f"there is no command `{shown}`",
                hint=f"did you mean `!{close[0]}`? For example `!{example}`",
            )
        return UsageError(f"there is no command `{shown}`", hint="`!help` lists what there is")

    def _wrong(self, verb: AnyVerb, why: str) -> UsageError:
        return UsageError(why, hint=f"For example `!{verb.examples[0]}`")


def _first_word(text: str) -> str:
    words = text.split(maxsplit=1)
    return words[0] if words else ""


def _split(verb: AnyVerb, text: str) -> tuple[list[str], str]:
    """Words for click, and for verbs with prose the rest as it was typed."""
    if not verb.prose:
        return shlex.split(_DASH.sub("--", text.translate(_TYPED_BY_PHONES))), ""
    words: list[str] = []
    rest = text
    for param in verb.params:
        if isinstance(param, click.Argument):
            rest = _take(rest, words)
    while _FLAG.match(rest):
        rest = _take(rest, words)
        if "=" not in words[-1]:
            rest = _take(rest, words)
    return words, rest.removeprefix("-- ")


def _take(text: str, words: list[str]) -> str:
    """Move one word off the front, its quotes removed, and return what follows it."""
    match = _WORD.match(text)
    if match is None:
        return text
    word = _QUOTED.sub(lambda quoted: quoted.group(0)[1:-1], match.group(1))
    words.append(_DASH.sub("--", word))
    return text[match.end() :]


def _explain(error: click.UsageError, verb: AnyVerb) -> str:
    match error:
        case click.NoSuchOption(option_name=name):
            flags = [param.opts[0] for param in verb.params if isinstance(param, click.Option)]
            close = difflib.get_close_matches(name, flags, n=1, cutoff=0.5)
            known = f"did you mean `{close[0]}`?" if close else _known(verb, flags)
            return f"`{verb.name}` has no option `{name[:40]}`; {known}"
        case click.MissingParameter(param=click.Argument() as param):
            return f"`{verb.name}` needs a {param.metavar}"
        case click.BadParameter(message=message):
            return message
    return error.format_message().rstrip(".").replace("Got", "got")


def _known(verb: AnyVerb, flags: list[str]) -> str:
    return f"it knows {', '.join(flags)}" if flags else "it has none"
