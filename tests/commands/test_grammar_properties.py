"""No line makes the grammar stumble, and whatever it shows people can be typed."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import click
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from commands.access import Permit, permit
from commands.grammar import Grammar
from commands.help import detail, overview
from commands.replies import plain
from commands.verb import AnyVerb
from commands.verbs import all_verbs
from domain.access import Environment, Policy
from domain.errors import UsageError
from domain.operations import Operation
from domain.people import Role
from domain.subjects import Subjects

from .corpus import PROMPTS, UNDERSTOOD
from .mistakes import WRONG
from .typed_lines import lines

VERBS = all_verbs()
GRAMMAR = Grammar(VERBS)
LONGEST = 301
"""Characters of what is wrong: 300 and the sign that there was more."""

SAMPLES = {
    "NAME": "tiny",
    "SOURCE": "tiny://ops",
    "T[:N],...": "eu:2,us",
    "ENGINE": "llamacpp",
    "IMAGE": "busybox",
    "NAME=VALUE": "A=b",
    "yes|no": "yes",
    "auto|none|N": "auto",
    "rolling|recreate": "recreate",
    "N": "2",
    "REPLICAS": "2",
    "TOKENS": "4096",
    "KEY=VALUE": "key=value",
    "T": "0.5",
    "TEXT": '"two words"',
    "2h": "2h",
    "7d": "7d",
    "8h": "8h",
    "8g": "8g",
    "NAMESPACE": "team-a",
    "DURATION": "2h",
    "30d": "30d",
    "EVENT": "$1",
    "ACTION": "list",
    "UNIT=N/PER": "tokens=1m/day",
    "PERIOD": "2m",
}
"""What stands for the placeholders of a usage line; any word does for those that are not here."""

typed = [line for line, *_ in (*UNDERSTOOD, *PROMPTS, *WRONG) if len(line) < 1000]
pieces = st.sampled_from(
    [*VERBS, "tiny", "tiny://ops", "--", "—", '"', "'", "“", "”", "\\", "=", "\n", "\x00", "\ud800"]
    + [option for verb in VERBS.values() for p in verb.params for option in p.opts]
)


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    """A line as somebody might type it, with something put in, or cut out, somewhere."""
    line = draw(st.sampled_from(typed))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(line)))
        end = draw(st.integers(start, min(len(line), start + 4)))
        line = line[:start] + draw(pieces | st.text(max_size=4)) + line[end:]
    return line


@given(spoiled() | st.text() | st.lists(pieces | st.text(max_size=8), max_size=12).map(" ".join))
@example("deploy tiny hf://" + "x" * 5000)
@example("lock tiny --for " + "9" * 5000)
@example("infer " + "'" * 5000)
@example("\ud800 \udfff")
def test_any_text_is_understood_or_refused_in_one_line_with_an_example_that_works(text):
    refused = refusal(text)
    if refused is None:
        return
    assert refused.summary
    assert f"{refused.summary} {refused.hint}".isprintable()
    assert len(refused.summary) <= LONGEST
    assert len(refused.hint) <= LONGEST
    for line in re.findall(r"For example `!([^`]+)`", refused.hint):
        assert refusal(line) is None


def refusal(text: str) -> UsageError | None:
    """What is said of a line that is not understood."""
    try:
        GRAMMAR.parse(text)
    except UsageError as error:
        return error
    return None


@pytest.mark.parametrize("name", VERBS)
@settings(max_examples=40)
@given(data=st.data())
def test_whatever_a_verb_takes_is_understood_as_it_was_meant(name, data):
    verb = VERBS[name]
    line, values = data.draw(lines(verb))
    parsed = GRAMMAR.parse(line)
    assert parsed.verb is verb
    assert parsed.request == verb.request(**_by_parameter(verb, values))


@pytest.mark.parametrize("name", VERBS)
def test_the_usage_of_a_verb_is_a_line_that_works(name):
    verb = VERBS[name]
    for usage in (verb.usage, verb.short_usage):
        for line in (filled(usage, optional=True), filled(usage, optional=False)):
            assert GRAMMAR.parse(line).verb is verb, line


@pytest.mark.parametrize("name", VERBS)
def test_every_command_that_help_shows_works(name):
    shown = re.findall(r"`!([^`]+)`", plain(detail(VERBS[name])))
    assert {*shown} >= {*VERBS[name].examples}
    for line in shown:
        assert GRAMMAR.parse(filled(line, optional=True)).verb is VERBS[name]


def test_every_command_of_the_overview_works():
    shown = re.findall(r"`!([^`]+)`", plain(overview(VERBS, everything_allowed())))
    assert len(shown) > len([verb for verb in VERBS.values() if not verb.hidden])
    for line in shown:
        GRAMMAR.parse(filled(line, optional=True))


def everything_allowed() -> Permit:
    """Leave of somebody who may say everything."""
    place, root = Environment("lab", ("a",), "a"), "@root:x"
    at = datetime(2026, 1, 1, tzinfo=UTC)
    policy = Policy({Role.ADMIN: Subjects((root,))}, {"!room": place})
    return permit(Operation("k3x9ab", "$1", "!room", root, "help", at, False), Role.ADMIN, policy)


def filled(usage: str, *, optional: bool) -> str:
    """A usage line with something for each placeholder, with or without what may be left out."""
    words = re.findall(r"\[--[^ \]]+ .+?\](?= |$)|\S+", usage)
    kept = [word for word in words if word != "..." and (optional or word[0] != "[")]
    return " ".join(_filled(word) for word in kept)


def _filled(word: str) -> str:
    flag, _, placeholder = (word[1:-1] if word[0] == "[" else word).rpartition(" ")
    if placeholder.startswith("--") or (not placeholder.isupper() and placeholder not in SAMPLES):
        return placeholder
    return f"{flag} {SAMPLES.get(placeholder, 'word')}".strip()


def _by_parameter(verb: AnyVerb, values: dict[str, object]) -> dict[str, object]:
    """As click hands them over: every parameter, said or not."""
    unsaid = {str(param.name): () if _repeats(param) else None for param in verb.params}
    return {**unsaid, **values}


def _repeats(param: click.Parameter) -> bool:
    return param.nargs == -1 or (isinstance(param, click.Option) and param.multiple)
