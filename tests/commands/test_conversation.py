"""How much of a conversation a model is sent."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.conversation import DEFAULT_BUDGET, budget, recalled
from commands.enclosed import enclosing, unenclosed
from commands.grammar import Grammar
from commands.infer import Infer, turn_text
from commands.verbs import all_verbs
from fleet.store.turns import KeptTurn
from inference.client import Turn

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PROMPT = (Turn("user", "and now?"),)


def said(operation, *texts, roles=("user", "assistant")):
    return [
        KeptTurn(operation, "$root", "tiny", role, text, NOON)
        for role, text in zip(roles, texts, strict=True)
    ]


FIRST, SECOND = said("a", "one?", "1"), said("b", "two?", "2")


def texts(turns):
    return [(turn.role[0], turn.text) for turn in turns]


def test_everything_that_fits_is_sent_in_order():
    turns = recalled([*FIRST, *SECOND], PROMPT, 1000)
    assert texts(turns) == [
        ("u", "one?"),
        ("a", "1"),
        ("u", "two?"),
        ("a", "2"),
        ("u", "and now?"),
    ]


@pytest.mark.parametrize(
    ("characters", "kept"), [(18, "12"), (17, "2"), (13, "2"), (12, ""), (8, ""), (0, "")]
)
def test_the_oldest_are_dropped_a_prompt_with_its_answer(characters, kept):
    turns = recalled([*FIRST, *SECOND], PROMPT, characters)
    assert "".join(turn.text for turn in turns if turn.role == "assistant") == kept
    assert turns[-1] == PROMPT[0]


def test_what_the_model_was_last_told_to_be_stays():
    began = said("a", "be brief", "one?", "1", roles=("system", "user", "assistant"))
    assert texts(recalled([*began, *SECOND], PROMPT, 21)) == [
        ("s", "be brief"),
        ("u", "two?"),
        ("a", "2"),
        ("u", "and now?"),
    ]
    other = (Turn("system", "be long"), *PROMPT)
    assert texts(recalled(began, other, 0)) == [("s", "be long"), ("u", "and now?")]


def test_the_budget_goes_by_the_context_that_was_asked_for():
    assert budget(None) == DEFAULT_BUDGET == 3000
    assert budget(1024) == 3072


@given(st.text(min_size=1).filter(str.strip))
def test_a_prompt_without_the_command_reaches_the_model_as_it_was_typed(prompt):
    parsed = Grammar(all_verbs()).parse(turn_text("tiny", prompt))
    assert isinstance(parsed.request, Infer)
    assert parsed.request.name == "tiny"
    assert parsed.request.prompt.strip() == prompt.strip()


@pytest.mark.parametrize("prompt", ["--help", "-- x", "—help", "--system a b", "- a\n- b", "-"])
def test_not_even_one_that_looks_like_options_is_taken_for_any(prompt):
    request = Grammar(all_verbs()).parse(turn_text("tiny", prompt)).request
    assert (request.prompt, request.system) == (prompt, None)


@pytest.mark.parametrize("text", ["infer tiny why?", "infer a,b\n--system x hi", " infer t -- --x"])
def test_a_picture_goes_with_a_command_and_changes_no_word_of_it(text):
    shown = enclosing(text, "$cat")
    request = Grammar(all_verbs()).parse(shown).request
    assert request.image == "$cat"
    assert replace(request, image=None) == Grammar(all_verbs()).parse(text).request
    assert unenclosed(shown) == text == unenclosed(text)


@pytest.mark.parametrize("event", ["$x --system evil", "cat", "$", "$a\nb"])
def test_what_is_no_message_gets_into_no_command(event):
    assert enclosing("infer tiny hi", event) == "infer tiny hi"
