"""What was read of a model is believed for as long as its file is as it was."""

from __future__ import annotations

import pytest

from deployers.docker.found import Lately
from deployers.models.gguf import Header
from domain.sources import parse_source
from tests.fleet.world import Time

SOURCE = parse_source("path:/models/a.gguf")
STAT = {"name": "a.gguf", "size": 10, "mtime": "2026-01-01T00:00:00.5Z", "mode": 420}


class Reader:
    """Reads a file anew each time, and counts."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> Header:
        self.times += 1
        return Header("qwen2", self.times)


async def test_a_file_that_is_as_it_was_is_not_read_again():
    lately, read = Lately(Time()), Reader()

    first = await lately.header(SOURCE, STAT, read)

    assert await lately.header(SOURCE, {**STAT, "mode": 384}, read) == first
    assert read.times == 1


@pytest.mark.parametrize(
    "other", [{"size": 11}, {"mtime": "2026-01-01T00:00:00.6Z"}, {"name": "b.gguf"}]
)
async def test_another_in_its_place_is_read(other):
    lately, read = Lately(Time()), Reader()
    first = await lately.header(SOURCE, STAT, read)

    assert await lately.header(SOURCE, {**STAT, **other}, read) != first


async def test_another_source_is_read():
    lately, read = Lately(Time()), Reader()
    first = await lately.header(SOURCE, STAT, read)

    assert await lately.header(parse_source("path:/models/b.gguf"), STAT, read) != first
