"""How bots that were asked the same are set side by side."""

from __future__ import annotations

from bench.measures import Measure
from bench.pings import Chunk
from bench.scores import Score, best, measures, side_by_side


def score(rate: float, lost: int = 0, duplicates: int = 0) -> Score:
    answered = 10 - lost
    chunk = Chunk(tuple("abcdefghij"), (0.1,) * answered, seconds=answered / rate)
    return Score([chunk], lost, duplicates)


def told(name: str, **peers: Score) -> dict[str | None, Measure]:
    """A figure's lines, by whom they compare with."""
    lines = measures("plain.20", score(15), peers, keep_up=True)
    return {line.against: line for line in lines if line.name == f"plain.20.{name}"}


def test_the_best_is_the_fastest_of_those_that_answered_everything_once():
    peers = {"slow": score(10), "hasty": score(90, lost=3), "fast": score(20)}

    assert best(peers) == "fast"
    assert best({**peers, "twice": score(50, duplicates=1)}) == "fast"


def test_nobody_is_the_best_when_everybody_lost_something():
    assert best({"hasty": score(90, lost=3)}) is None


def test_only_the_best_peers_rate_is_a_bound():
    rates = told("rate", slow=score(10), fast=score(20), hasty=score(90, lost=1))

    assert [(name, line.ok) for name, line in rates.items()] == [
        ("slow", None),
        ("fast", False),
        ("hasty", None),
    ]


def test_a_peers_loss_is_a_figure_and_ours_would_be_a_miss():
    lost = told("lost", hasty=score(90, lost=3))["hasty"]

    assert (lost.ours.value, lost.peer and lost.peer.value, lost.ok) == (0, 3, True)
    ours = measures("plain.20", score(15, lost=1), {"slow": score(10)}, keep_up=False)
    assert next(line for line in ours if line.name == "plain.20.lost").ok is False


def test_a_bot_that_answered_nothing_still_has_a_row():
    silent = Score([Chunk(tuple("ab"), (), seconds=30.0)], lost=2, duplicates=0)

    table = side_by_side({20: {"mute": silent}}, {"mute": 50.0})

    assert table.splitlines()[-1] == (
        "| 20 | mute | 30000 / 30000 ms | 0.0 /s | 2 of 2 | 0 | 50 MB |"
    )
