"""How long it took before tells how long it is likely to take."""

import pytest

from domain.sources import Source
from domain.starts import Expected, Start, expected

OPS, OTHER = Source("tiny", "ops"), Source("hf", "org/model/m.gguf")


def starts(*seconds, source=OPS, target="a"):
    return [Start(source, target, each) for each in seconds]


@pytest.mark.parametrize(
    ("history", "found"),
    [
        ([], None),
        (starts(9, target="b"), None),
        (starts(40), Expected(40, 1, True)),
        (starts(40, 10, 30), Expected(30, 3, True)),
        (starts(1, 1, 1, 1, 1, 900, 900, 900, 900, 900, 900), Expected(1, 5, True)),
        ([*starts(500, 600, source=OTHER), *starts(40)], Expected(40, 1, True)),
        (starts(500, 600, source=OTHER), Expected(550, 2, False)),
        ([*starts(7, target="b"), *starts(20, source=OTHER)], Expected(20, 1, False)),
    ],
)
def test_the_median_of_the_latest_of_this_model_there_else_of_any_there(history, found):
    assert expected(history, OPS, "a") == found
