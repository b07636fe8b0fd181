"""What a file at a hub says of itself before it is fetched."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deployers.models.gguf import Header
from deployers.models.glances import Glance, Glances
from deployers.models.hub import Hub
from deployers.models.repositories import OnlyFiles
from deployers.process import launch
from deployers.process.weights import Models
from deployers.protocol import Stocked
from domain.errors import Refused, Unreachable
from domain.sources import parse_source
from tests.deployers.hub_double import HubDouble
from tests.deployers.test_gguf import ARCHITECTURE, CONTEXT, SHAPE, header, number, pair, text
from tests.deployers.test_hub import SOURCE, HastyClock
from tests.deployers.test_launch import spec

WHOLE = parse_source("hf://org/model")

FILE_TYPE = pair(b"general.file_type", 4, struct.pack("<I", 15))
WORDS = struct.pack("<IQ", 8, 3) + text(b"a") * 3
VOCABULARY = pair(b"tokenizer.ggml.tokens", 9, WORDS)
HEAD = header(ARCHITECTURE, CONTEXT, *SHAPE, FILE_TYPE, VOCABULARY).getvalue()
CONTENT = HEAD + bytes(5_000_000)
SAID = Header("qwen2", 32_768, 2 * 24 * 2 * 128, 4 * (3 + 896), "Q4_K_M")


@asynccontextmanager
async def hub(double: HubDouble):
    await double.start()
    try:
        yield double
    finally:
        await double.stop()


def glances(double: HubDouble, token: str | None = None) -> Glances:
    return Glances(Hub(double.endpoint, token, HastyClock()))


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_header_is_read_from_the_first_bytes_alone(ranges: bool):
    async with hub(HubDouble(CONTENT, ranges=ranges)) as double:
        found = await glances(double).at(SOURCE)
    assert found == Glance(SAID, len(CONTENT))
    assert [asked for who, _, _, asked in double.seen if who == "cdn"] == ["bytes=0-1048575"]


async def test_it_is_looked_at_once_for_several_questions():
    async with hub(HubDouble(CONTENT)) as double:
        looking = glances(double)
        for _ in range(3):
            await looking.at(SOURCE)
    assert [who for who, *_ in double.seen] == ["hub", "hub", "cdn"]


async def test_so_is_a_repository_and_who_asks_meanwhile_hears_the_same():
    files = {"config.json": b"{}", "model.safetensors": 5_000_000}
    async with hub(HubDouble(b"", repository=files)) as double:
        looking = glances(double)
        first, second = await asyncio.gather(*(looking.repository(WHOLE) for _ in range(2)))
        assert first == second == await looking.repository(WHOLE)
        assert first.weights == 5_000_000
    assert len(double.seen) == 3, "its list of files, and twice for its configuration"


async def test_that_it_holds_single_files_alone_is_said_the_second_time_too():
    async with hub(HubDouble(b"", repository={"a.gguf": 5, "b.gguf": 5})) as double:
        looking = glances(double)
        for _ in range(2):
            with pytest.raises(OnlyFiles, match="no model that is whole") as caught:
                await looking.repository(WHOLE)
            assert "hf://org/model/a.gguf, hf://org/model/b.gguf" in caught.value.hint
    assert len(double.seen) == 1


async def test_a_vocabulary_before_the_shape_is_read_through():
    many = pair(b"tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 300_000) + text(b"a") * 300_000)
    head = header(ARCHITECTURE, many, CONTEXT, *SHAPE).getvalue()
    async with hub(HubDouble(head)) as double:
        found = await glances(double).at(SOURCE)
    assert (found.header.context, found.header.cache_per_token) == (32_768, SAID.cache_per_token)


@pytest.mark.parametrize("content", [b"GGUF", b"no model", HEAD[:60]])
async def test_what_cannot_be_read_has_a_size_at_least(content: bytes):
    async with hub(HubDouble(content)) as double:
        assert await glances(double).at(SOURCE) == Glance(Header(), len(content))


async def test_the_token_is_shown_to_the_hub_alone():
    async with hub(HubDouble(CONTENT, token="hf_secret")) as double:
        await glances(double, "hf_secret").at(SOURCE)
    shown = {(who, token) for who, _, token, _ in double.seen}
    assert shown == {("hub", "Bearer hf_secret"), ("cdn", None)}


@pytest.mark.parametrize(
    ("error", "raised", "told"),
    [
        ((401, "GatedRepo"), Refused, "org/model is gated: it needs a token"),
        ((404, "EntryNotFound"), Refused, "org/model holds no file folder/m.gguf"),
        ((404, "RepoNotFound"), Refused, "there is no repository org/model, or it is private"),
        ((503, ""), Unreachable, "127.0.0.1 answered 503"),
    ],
)
async def test_why_it_cannot_be_had_is_said_the_second_time_too(error, raised, told):
    async with hub(HubDouble(CONTENT, error=error)) as double:
        looking = glances(double)
        for _ in range(2):
            with pytest.raises(raised, match=told):
                await looking.at(SOURCE)
    assert len(double.seen) == 1


async def test_a_hub_that_is_not_there_is_out_of_reach():
    with pytest.raises(Unreachable, match="cannot be reached from here"):
        await Glances(Hub("http://127.0.0.1:9", None, HastyClock())).at(SOURCE)


async def test_a_need_is_known_before_anything_is_fetched(tmp_path: Path):
    async with hub(HubDouble(CONTENT)) as double:
        models = Models(tmp_path, Hub(double.endpoint, None, HastyClock()))
        there = await models.foreseen(SOURCE)
        assert await models.stock(SOURCE) == Stocked(here=False, size=len(CONTENT))
        await models.fetch(SOURCE, lambda *_: None)
        here = await models.foreseen(SOURCE)
        assert await models.stock(SOURCE) == Stocked(here=True, size=len(CONTENT))
    assert there == here
    need = launch.need(spec(source=SOURCE), there)
    assert (need.weights, need.tokens) == (len(CONTENT), 4 * 8192)
    assert (need.conversations, need.quantisation) == (4, "Q4_K_M")


async def test_what_is_not_to_be_had_has_no_need_and_says_why(tmp_path: Path):
    async with hub(HubDouble(CONTENT, error=(401, "GatedRepo"))) as double:
        models = Models(tmp_path, Hub(double.endpoint, None, HastyClock()))
        assert await models.foreseen(SOURCE) is None
        told = await models.stock(SOURCE)
    assert (told.here, told.size) == (False, None)
    assert "is gated" in told.trouble


@pytest.mark.parametrize("source", ["path:/no/such.gguf", "hf://org/whole", "ollama://qwen"])
async def test_nor_has_what_no_process_could_serve(tmp_path: Path, source: str):
    models = Models(tmp_path, Hub("http://127.0.0.1:9", None, HastyClock()))
    assert await models.foreseen(parse_source(source)) is None
    assert (await models.stock(parse_source(source))).trouble


async def test_a_name_tells_the_quantisation_where_the_header_does_not(tmp_path: Path):
    file = tmp_path / "m-Q8_0.gguf"
    file.write_bytes(header(ARCHITECTURE, number(b"block_count", 1)).getvalue())
    models = Models(tmp_path, Hub("http://127.0.0.1:9", None, HastyClock()))
    found = await models.foreseen(parse_source(f"path:{file}"))
    assert found is not None
    assert found.quantisation == "Q8_0"
