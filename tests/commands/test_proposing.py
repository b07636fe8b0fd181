"""What is proposed where something does not fit. Pure."""

import pytest

from commands.proposing import moving, proposals, stopping, without_card
from domain.fit import Fit, Need
from fleet.candidates import Candidate
from tests.fleet.world import spec

GB = 1_000_000_000
NEED = Need(8 * GB, 4 * GB, 0, 32_768, 4, "Q8_0")
"""8 GB of weights and 1 GB for each of four conversations of 8192 tokens."""


@pytest.mark.parametrize(
    ("replicas", "free", "told"),
    [
        (
            1,
            10 * GB,
            [
                "`--ctx 4096` for each of 4 conversations",
                "`--set parallel=1 --ctx 8192`",
                "a Q5_K_M of it would be about 5.4 GB (this is Q8_0)",
            ],
        ),
        (
            1,
            9 * GB,
            [
                "`--ctx 2048` for each of 4 conversations",
                "`--set parallel=1 --ctx 8192`",
                "a Q4_K_M of it would be about 4.6 GB (this is Q8_0)",
            ],
        ),
        (1, 8 * GB, ["a Q3_K_M of it would be about 3.8 GB"]),
        (1, 2 * GB, []),
        (
            3,
            30 * GB,
            [
                "`--ctx 4096` for each",
                "`--set parallel=1 --ctx 8192`",
                "2 replicas on a",
                "a Q5_K_M of it would be about 5.4 GB",
            ],
        ),
        (2, 13 * GB, ["1 replica on a"]),
    ],
)
def test_what_would_fit_is_reckoned_from_what_is_free(replicas, free, told):
    found = proposals(spec(a=replicas), "a", Fit(NEED, replicas, free))
    assert len(found) == len(told), found
    for said, expected in zip(found, told, strict=True):
        assert expected in said


def test_an_engine_that_takes_a_share_is_offered_a_smaller_one():
    need = Need(4 * GB, GB, 0, 10_000, cards=1, share=0.9)
    fit = Fit(need, 1, 12 * GB, on_card=True, cards=(12 * GB,), each=1, card=24 * GB)
    assert proposals(spec(a=1), "a", fit) == ["`--set gpu-memory=0.5`"]


def test_replicas_that_run_already_are_counted_with_those_that_fit_beside_them():
    fit = Fit(NEED, 3, 12 * GB)
    assert "3 replicas on a" in proposals(spec(a=5), "a", fit)


def test_the_processor_is_proposed_where_the_cards_are_full():
    assert without_card([Candidate("a", fit=Fit(NEED, 1, 64 * GB))]) == [
        "`--gpu none`, where 64.0 GB are free"
    ]
    assert without_card([Candidate("a", fit=Fit(NEED, 1, 1 * GB)), Candidate("b")]) == []


def test_targets_with_the_most_room_are_proposed_first():
    there = [
        Candidate("small", fit=Fit(NEED, 1, 13 * GB)),
        Candidate("full", fit=Fit(NEED, 1, 1 * GB)),
        Candidate("away", trouble="no route"),
        Candidate("unknown"),
        Candidate("large", fit=Fit(NEED, 1, 64 * GB)),
    ]
    assert moving(spec(), there) == [
        "`--target large`, where 64.0 GB are free",
        "`--target small`, where 13.0 GB are free",
    ]


def test_the_smallest_service_that_makes_enough_room_is_proposed():
    fit = Fit(NEED, 1, 9 * GB)  # 3 GB short
    beside = [("large", 9 * GB), ("right", 3 * GB), ("small", 1 * GB)]
    assert stopping(beside, fit) == ["`!stop right` would give back 3.0 GB"]
    assert stopping(beside[2:], fit) == []
