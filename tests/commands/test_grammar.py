"""What people type, understood or refused in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.grammar import Grammar
from commands.infer import Infer
from commands.verbs import all_verbs
from domain.errors import UsageError

from .corpus import PROMPTS, UNDERSTOOD
from .mistakes import WRONG

GRAMMAR = Grammar(all_verbs())


@pytest.mark.parametrize(("line", "request_"), UNDERSTOOD + PROMPTS)
def test_a_line_is_understood(line, request_):
    assert GRAMMAR.parse(line).request == request_


@pytest.mark.parametrize(("line", "said", "shown"), WRONG)
def test_a_wrong_line_gets_one_line_that_names_what_is_wrong(line, said, shown):
    with pytest.raises(UsageError) as caught:
        GRAMMAR.parse(line)
    error = caught.value
    assert said in error.summary
    assert shown in error.hint or shown in error.summary
    assert "`!" in error.hint
    assert f"{error.summary} {error.hint}".isprintable()
    assert len(error.summary) < 310


words = st.sampled_from(
    [*all_verbs(), "tiny", "tiny://ops", "--set", "--", "—", "--target", "a=b", '"', "'", "“", "\\"]
)


@given(st.text() | st.lists(words | st.text(max_size=8), max_size=8).map(" ".join))
def test_no_line_whatsoever_raises_anything_but_a_usage_error(line):
    summary = ""
    try:
        GRAMMAR.parse(line)
    except UsageError as error:
        summary = error.summary
    assert not summary or summary.isprintable()


@given(st.text(min_size=1).filter(str.strip))
def test_a_prompt_after_a_lone_dash_dash_is_kept_to_the_letter(prompt):
    assert GRAMMAR.parse(f"infer tiny -- {prompt}").request == Infer("tiny", prompt)


def test_every_example_in_help_is_itself_understood():
    for verb in all_verbs().values():
        for example in verb.examples:
            assert GRAMMAR.parse(example).verb is GRAMMAR.verb(example)


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("deploy tiny tiny://ops", True),
        ("deploy", False),
        ("deploy 'never closed", False),
        ("deploy tiny --plan", False),
        ("scale tiny 2 —plan", False),
        ("deploy tiny --set key=--plan", True),
        ("deploy --plan tiny --set", False),
        ("scale tiny 2", True),
        ("  stop tiny", True),
        ("deploy --help", False),
        ("deploy —help", False),
        (" scale tiny 2  --help ", False),
        ("remove tiny --help", False),
        ("deploy --help tiny", False),
        ("infer tiny what is --help", False),
        ("status", False),
        ("help deploy", False),
        ("deployed tiny", False),
        ("", False),
    ],
)
def test_neither_help_nor_plans_nor_what_is_not_understood_changes_anything(line, changes):
    assert GRAMMAR.changes(line) is changes


@pytest.mark.parametrize(("line", "request_"), UNDERSTOOD + PROMPTS)
def test_what_changes_is_told_the_same_before_and_after_a_line_is_understood(line, request_):
    parsed = GRAMMAR.parse(line)
    assert GRAMMAR.changes(line) is parsed.changes is parsed.verb.changes
    assert parsed.role is parsed.verb.role


def test_a_verb_is_known_by_the_first_word_alone():
    assert GRAMMAR.verb("deploy whatever 'this is").changes
    assert GRAMMAR.verb("deployed") is None
    assert GRAMMAR.verb("") is None
