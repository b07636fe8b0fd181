"""Where a model would fit: a row for each target, the best first. Pure."""

import pytest

from commands.replies import plain
from commands.where import told
from deployers.protocol import Stocked
from domain.fit import Fit, Need
from domain.replicas import Gpu, TargetFacts
from domain.starts import Expected
from fleet.candidates import Candidate
from tests.fleet.world import spec

GB = 1_000_000_000
NEED = Need(5 * GB, 1 * GB, 0, 8192)
WANT = spec("tiny://ops")


def facts(target, *gpus, note="llama.cpp"):
    return TargetFacts(target, "process", True, note, gpus=gpus)


def candidate(target, free=8, here=False, card=False, **more):
    gpus = (Gpu("A card", 24 * GB, free * GB),) if card else ()
    fit = Fit(NEED, 1, free * GB, card)
    stock = Stocked(here, 5 * GB)
    return Candidate(target, **{"facts": facts(target, *gpus), "fit": fit, "stock": stock} | more)


def order(*found, **times):
    table = told(WANT, found, {each.target: times.get(each.target) for each in found})[0]
    return [row[0] for row in table.rows]


def test_what_fits_comes_first_then_what_is_not_known_then_the_rest():
    assert order(
        candidate("away", trouble="no route"),
        candidate("small", free=5),
        candidate("unknown", fit=None),
        candidate("right"),
    ) == ["right", "unknown", "small", "away"]


def test_of_those_that_fit_the_one_that_has_it_then_a_card_then_the_fastest_then_the_roomiest():
    fast, slow = Expected(10, 1, True), Expected(90, 1, True)
    found = [
        candidate("roomy", free=80),
        candidate("narrow"),
        candidate("slow"),
        candidate("fast"),
        candidate("card", card=True),
        candidate("here", here=True),
    ]
    assert order(*found, fast=fast, slow=slow) == [
        *("here", "card", "fast", "slow", "roomy", "narrow"),
    ]


def test_a_row_tells_the_sum_the_model_the_hardware_the_time_and_the_engine():
    found = [candidate("gpu", card=True, here=True), candidate("cpu")]
    times = {"gpu": Expected(42, 3, True), "cpu": Expected(90, 1, False)}
    table, hint = told(WANT, found, times)
    assert table.rows == (
        (
            *("gpu", "✓", "6.0 GB of 8.0 GB free", "there", "GPU: A card"),
            *("about 42 s (this model, 3 times)", "llamacpp (llama.cpp)"),
        ),
        (
            *("cpu", "✓", "6.0 GB of 8.0 GB free", "5.0 GB to fetch", "CPU"),
            *("about 1 min 30 s (other models, once) and the download", "llamacpp (llama.cpp)"),
        ),
    )
    assert hint == "`!deploy NAME tiny://ops --target gpu`"


def test_what_is_not_known_is_said_to_be():
    nothing = candidate("a", fit=None, stock=None)
    [row] = told(WANT, [nothing], {"a": None})[0].rows
    assert row[1:6] == ("?", "not known", "not known", "CPU", "not known")


@pytest.mark.parametrize("trouble", ["org/model is gated: it needs a token", "no answer in 12 s"])
def test_what_is_in_the_way_is_said_in_its_row(trouble):
    text = plain(told(WANT, [Candidate("a", trouble=trouble)], {"a": None}))
    assert f"a       ✗  {trouble}" in text
    assert "!deploy" not in text


def test_where_it_fits_nowhere_what_would_is_told():
    *_, line = told(WANT, [candidate("a", free=6, fit=Fit(NEED, 1, 6 * GB - 1))], {"a": None})
    assert line == "On a would fit: `--ctx 7168`"
