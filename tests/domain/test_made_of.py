"""What replicas were really made of, compared and told in short."""

import pytest

from domain import made_of
from domain.made_of import differences, in_short, replaced, shortened

ONE, TWO = "1" * 64, "2" * 64
THEN = (("model file", "/m.gguf"), ("sha256", ONE), ("engine", "x 1"), ("command", "serve 0"))
NOW = (("model file", "/m.gguf"), ("sha256", TWO), ("engine", "x 2"), ("command", "serve 1"))


def test_what_differs_is_told_but_for_the_command_line():
    assert list(differences(THEN, NOW)) == [("sha256", ONE, TWO), ("engine", "x 1", "x 2")]
    assert list(differences(THEN, THEN)) == []


def test_what_only_one_of_them_tells_is_no_difference():
    assert list(differences(THEN, ())) == list(differences((), NOW)) == []


def test_only_another_content_counts_as_replaced():
    assert replaced(THEN, NOW) == "sha256 11111111, now 22222222"
    engine_alone = tuple((what, ONE if what == "sha256" else which) for what, which in NOW)
    assert replaced(THEN, engine_alone) is None
    assert replaced((), NOW) is None


@pytest.mark.parametrize(
    ("value", "short"),
    [
        (ONE, "11111111"),
        ("f" * 40, "ffffffff"),
        (f"quay.io/x@sha256:{TWO}", "22222222"),
        ("llama.cpp 0.3", "llama.cpp 0.3"),
        ("", ""),
        ("g" * 64, "g" * 64),
    ],
)
def test_a_checksum_is_shortened_and_nothing_else(value, short):
    assert shortened(value) == short


def test_in_short_it_is_its_content():
    assert in_short(THEN) == "11111111"
    assert in_short((("image", f"x@sha256:{TWO}"),)) == "22222222"
    assert in_short((("engine", "x 1"),)) == ""


def test_hardware_is_told_with_why_and_where_it_differs():
    told = ((made_of.IMAGE, "x"), (made_of.HARDWARE, "processor (no (real) card)"))
    assert made_of.hardware(told) == ["processor (no (real) card)"]
    assert made_of.reason(made_of.hardware(told)[0]) == "no (real) card"
    more = (*told, (f"{made_of.HARDWARE} on rack", "graphics card"))
    assert made_of.hardware(more)[1] == "graphics card on rack"
    assert made_of.reason("graphics card") == ""
    assert made_of.hardware(((made_of.FILE, "x"),)) == []
