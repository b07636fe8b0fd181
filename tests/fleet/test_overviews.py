"""Many services looked at at once: what is told, and who is waited for."""

import asyncio

import pytest

from domain.errors import Refused, Unreachable
from domain.replicas import Observed
from fleet.overviews import PORTION, overview

from .world import Time

NAMES = ("gemma", "qwen", "tiny")
BRIEFLY = 0.05
"""Seconds of the machine's own."""


class Plain:
    """A target that is looked at service by service. `hangs` never answers, `refused` says no."""

    def __init__(self):
        self.alone = []

    async def observe(self, service):
        self.alone.append(service)
        if service == "hangs":
            await asyncio.Event().wait()
        if service == "refused":
            raise Refused("its folder cannot be read")
        return seen(service)


class Board(Plain):
    """One that tells of many at once, but for those that hang; if it does not raise `error`."""

    def __init__(self, error=None):
        super().__init__()
        self.error, self.together = error, []

    async def observe_all(self, services):
        self.together.append(list(services))
        if self.error:
            raise self.error
        return {each: seen(each) for each in services if each != "hangs"}


def seen(service):
    return Observed(service, "board", Time().now())


def spots(*names, target="board"):
    return [(target, name) for name in names]


@pytest.mark.parametrize("made", [Plain, Board])
async def test_what_is_seen_is_the_same_however_a_target_is_looked_at(made):
    found = await overview({"board": made()}, spots(*NAMES), None)
    assert found == {("board", name): seen(name) for name in NAMES}


async def test_one_look_is_for_all_of_them_and_a_single_one_is_looked_at_by_itself():
    board = Board()
    await overview({"board": board}, spots(*NAMES), None)
    assert (board.together, board.alone) == ([list(NAMES)], [])
    await overview({"board": board}, spots("tiny"), None)
    assert (board.together, board.alone) == ([list(NAMES)], ["tiny"])


async def test_very_many_are_looked_at_in_portions():
    board, names = Board(), [f"s{number}" for number in range(2 * PORTION + 1)]
    found = await overview({"board": board}, spots(*names), None)
    assert list(found) == spots(*names)
    assert [len(together) for together in board.together] == [PORTION, PORTION]
    assert board.alone == names[-1:]


async def test_of_what_is_left_out_each_is_looked_at_and_a_hanging_one_keeps_no_other_unseen():
    board = Board()
    found = await overview({"board": board}, spots("tiny", "hangs"), BRIEFLY)
    assert board.alone == ["hangs"]
    assert found[("board", "tiny")] == seen("tiny")
    assert found[("board", "hangs")].summary == "board has not answered within 0.05 s"


async def test_a_hanging_one_keeps_no_other_unseen_on_a_target_without_such_a_look():
    found = await overview({"board": Plain()}, spots("tiny", "hangs"), BRIEFLY)
    assert found[("board", "tiny")] == seen("tiny")
    assert found[("board", "hangs")].summary == "board has not answered within 0.05 s"


async def test_a_no_is_traced_to_the_service_it_is_about():
    board = Board(Refused("the folder of one of them cannot be read"))
    found = await overview({"board": board}, spots("tiny", "refused"), None)
    assert found[("board", "tiny")] == seen("tiny")
    assert found[("board", "refused")].summary == "its folder cannot be read"


async def test_a_target_that_is_away_is_not_asked_again_for_each_service():
    board = Board(Unreachable("board: connection refused"))
    found = await overview({"board": board}, spots(*NAMES), None)
    assert {each.summary for each in found.values()} == {"board: connection refused"}
    assert board.alone == []


async def test_each_service_of_a_target_that_is_gone_says_so_itself():
    found = await overview({"board": Board()}, spots("tiny", "qwen", target="attic"), None)
    for (_, service), each in found.items():
        assert each.summary == f"{service} is placed on `attic`, which is no longer configured"
        assert each.hint == "put the target back"


async def test_one_target_waits_for_no_other_and_a_service_is_told_of_on_each():
    class Silent(Board):
        async def observe_all(self, services):
            await asyncio.Event().wait()

    targets = {"board": Board(), "silent": Silent()}
    asked = spots(*NAMES) + spots(*NAMES, target="silent")
    found = await overview(targets, asked, BRIEFLY)
    assert list(found) == asked
    assert found[("board", "tiny")] == seen("tiny")
    assert found[("silent", "tiny")].summary == "silent has not answered within 0.05 s"
