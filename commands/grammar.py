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
from domain.people import Role

_TYPED_BY_PHONES = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "\u00a0": " "})
_DASH = re.compile(r"^[—–](?=[a-z])")
_FLAG = re.compile(r"(--|[—–])[a-z]")
_CLOSING = {'"': '"', "“": "”", "'": "'", "‘": "’"}

_LONGEST = 300
"""Characters of an error; the rest would be somebody's typed text."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A command that was understood."""

    verb: AnyVerb
    request: Any
    whole: bool = True
    """False when words are missing, which are None then."""

    @property
    def changes(self) -> bool:
        """Whether it means to change what runs, and not just to be told what that would do."""
        return self.verb.changes and not getattr(self.request, "plan", False)

    @property
    def environment(self) -> str | None:
        """The environment it names, if it names one."""
        named: str | None = getattr(self.request, "environment", None)
        return named

    @property
    def alters(self) -> bool:
        """Whether it changes something: what runs, or what others may do."""
        return self.changes or self.verb.binds

    @property
    def role(self) -> Role:
        """What it takes. A plan may be had by whoever may look."""
        return self.verb.role if self.changes or not self.verb.changes else Role.VIEWER


class Grammar:
    """Knows the verbs."""

    def __init__(self, verbs: Mapping[str, AnyVerb]) -> None:
        self._verbs = verbs

    def verb(self, text: str) -> AnyVerb | None:
        """The verb a command begins with, if it is one."""
        return self._verbs.get(_first_word(text))

    def changes(self, text: str) -> bool:
        """Whether a command means to change what runs; what is no command does not."""
        try:
            return self.parse(text).changes
        except UsageError:
            return False

    def parse(self, text: str, *, partly: bool = False) -> Parsed:
        """Understand a command, given without its prefix; `partly` if it may lack words.

        Raises UsageError: what is wrong, the nearest right word, one example.
        """
        verb = self.verb(text)
        if verb is None:
            raise self._unknown(_first_word(text))
        rest = _rest(verb, text)
        if _asks_for_help(verb, rest):
            return Parsed(self._verbs["help"], self._verbs["help"].request(command=verb.name))
        try:
            words, prose = _split(verb, rest)
            whole, context = _understood(verb, words, partly=partly)
        except ValueError as error:
            raise self._wrong(verb, str(error)) from error
        except click.UsageError as error:
            raise self._wrong(verb, _explain(error, verb)) from error
        values = dict(context.params)
        if verb.prose:
            whole = whole and bool(prose.strip())
            if not whole and not partly:
                raise self._wrong(verb, f"`{verb.name}` needs a {verb.prose}")
            values[verb.prose] = prose
        return Parsed(verb, verb.request(**values), whole)

    def _unknown(self, word: str) -> UsageError:
        known = [name for name, verb in self._verbs.items() if not verb.hidden]
        close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.55)
        shown = f"!{_one_line(word[:40])}"
        if close:
            example = self._verbs[close[0]].examples[0]
            return UsageError(
                f"there is no command `{shown}`",
                hint=f"did you mean `!{close[0]}`? For example `!{example}`",
            )
        return UsageError(f"there is no command `{shown}`", hint="`!help` lists what there is")

    def _wrong(self, verb: AnyVerb, why: str) -> UsageError:
        return UsageError(_one_line(why), hint=f"For example `!{verb.examples[0]}`")


def _first_word(text: str) -> str:
    words = text.split(maxsplit=1)
    return words[0] if words else ""


def _rest(verb: AnyVerb, text: str) -> str:
    """What follows the verb; prose keeps its end as it was typed."""
    rest = text.lstrip().removeprefix(verb.name).lstrip()
    return rest if verb.prose else rest.rstrip()


def _asks_for_help(verb: AnyVerb, rest: str) -> bool:
    """Whether the last word is `--help`; in a prompt that is more than a name, it is prose."""
    words = rest.split()
    return words[-1:] in (["--help"], ["—help"]) and (not verb.prose or len(words) <= 2)


def _split(verb: AnyVerb, text: str) -> tuple[list[str], str]:
    """Words for click, and for verbs with prose the rest as it was typed."""
    if not verb.prose:
        words = _unquoted(text.translate(_TYPED_BY_PHONES))
        return [_DASH.sub("--", word) for word in words], ""
    words = []
    rest = text
    for param in verb.params:
        if isinstance(param, click.Argument):
            rest = _take(rest, words)
    while _FLAG.match(rest.lstrip()):
        rest = _take(rest, words)
        if "=" not in words[-1]:
            rest = _take(rest, words)
    return words, rest.removeprefix("-- ")


def _unquoted(text: str) -> list[str]:
    """Words as a shell would split them, but for the backslash, which Windows paths need.

    Raises ValueError when a quote is never closed.
    """
    words = shlex.shlex(text, posix=True)
    words.whitespace_split, words.escape, words.commenters = True, "", ""
    try:
        return list(words)
    except ValueError as error:
        raise ValueError("a quotation mark is opened and never closed") from error


def _understood(verb: AnyVerb, words: list[str], *, partly: bool) -> tuple[bool, click.Context]:
    """Whether every word is there that has to be, and what they mean. Raises click.UsageError."""
    try:
        return True, verb.command.make_context(verb.name, list(words))
    except click.MissingParameter:
        if not partly:
            raise
    return False, verb.command.make_context(verb.name, list(words), resilient_parsing=True)


def _take(text: str, words: list[str]) -> str:
    """Move one word off the front, its quotes removed, and return what follows it."""
    text = text.lstrip()
    word, at = "", 0
    unclosed: set[str] = set()
    while at < len(text) and not text[at].isspace():
        closing = _CLOSING.get(text[at])
        end = text.find(closing, at + 1) if closing and closing not in unclosed else -1
        if end < 0:
            unclosed |= {closing} if closing else set()
            word, at = word + text[at], at + 1
        else:
            word, at = word + text[at + 1 : end], end + 1
    if at:
        words.append(_DASH.sub("--", word))
    return text[at + 1 :] if text[at : at + 1] in (" ", "\t") else text[at:]


def _explain(error: click.UsageError, verb: AnyVerb) -> str:
    match error:
        case click.NoSuchOption(option_name=name) if name[1:2].isdigit():
            return f"`{verb.name}` takes no numbers below zero"
        case click.NoSuchOption(option_name=name):
            flags = [param.opts[0] for param in verb.params if isinstance(param, click.Option)]
            close = difflib.get_close_matches(name, flags, n=1, cutoff=0.5)
            known = f"did you mean `{close[0]}`?" if close else _known(verb, flags)
            return f"`{verb.name}` has no option `{name[:40]}`; {known}"
        case click.MissingParameter(param=click.Argument() as param):
            article = "an" if str(param.metavar)[0] in "AEIO" else "a"
            return f"`{verb.name}` needs {article} {param.metavar}"
        case click.BadParameter(message=message, param=click.Option() as param):
            return f"{param.opts[0]}: {message}"
        case click.BadParameter(message=message):
            return message
    return error.format_message().rstrip(".").replace("Got", "got")


def _known(verb: AnyVerb, flags: list[str]) -> str:
    return f"it knows {', '.join(flags)}" if flags else "it has none"


def _one_line(text: str) -> str:
    """What people typed may hold anything; an error about it is one line of printable text."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
