from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from deployers.models.checksums import Known
from deployers.models.hub import Hub
from deployers.process.weights import Models
from domain.errors import Refused, Unreachable
from domain.sources import parse_source
from tests.contract.stages import RealClock
from tests.deployers.hub_double import HubDouble

CONTENT = b"GGUF" + bytes(range(256)) * 20_000
SOURCE = parse_source("hf://org/model/folder/m.gguf")
PLACE = "hf/org/model/main/folder/m.gguf"


class HastyClock(RealClock):
    """Waits for nothing, and keeps what it was asked to wait for."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def now(self) -> datetime:
        return super().now()

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        await asyncio.sleep(0)


def silent(fraction: float | None, text: str) -> None:
    """Tells nobody."""


@asynccontextmanager
async def hub(double: HubDouble) -> AsyncIterator[HubDouble]:
    await double.start()
    try:
        yield double
    finally:
        await double.stop()


def models(double: HubDouble, directory: Path, token: str | None = None) -> Models:
    return Models(directory, Hub(double.endpoint, token, HastyClock()))


async def test_a_file_is_fetched_whole_and_told_of(tmp_path: Path):
    news: list[tuple[float | None, str]] = []
    async with hub(HubDouble(CONTENT)) as double:
        path = await models(double, tmp_path).fetch(SOURCE, lambda *told: news.append(told))

    assert path == tmp_path / PLACE
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir() if "part" in entry.name] == []
    assert news[-2][0] == 1.0
    assert "of 5.12 MB" in news[-2][1]
    assert len(news) < 25


async def test_its_checksum_and_commit_are_kept_and_not_worked_out_again(tmp_path: Path):
    async with hub(HubDouble(CONTENT)) as double:
        here = models(double, tmp_path)
        path = await here.fetch(SOURCE, silent)
    known = Known(hashlib.sha256(CONTENT).hexdigest(), "f" * 40)
    assert here.checksums.recall(path) == known


async def test_a_file_that_is_here_is_not_asked_for(tmp_path: Path):
    async with hub(HubDouble(CONTENT)) as double:
        here = models(double, tmp_path)
        await here.fetch(SOURCE, silent)
        asked = len(double.seen)
        await here.fetch(SOURCE, silent)

    assert len(double.seen) == asked


async def test_the_token_is_shown_to_the_hub_alone(tmp_path: Path):
    async with hub(HubDouble(CONTENT, token="hf_secret")) as double:
        await models(double, tmp_path, "hf_secret").fetch(SOURCE, silent)

    assert {(who, shown) for who, _, shown, _ in double.seen} == {
        ("hub", "Bearer hf_secret"),
        ("cdn", None),
    }


async def test_a_broken_transfer_goes_on_where_it_stopped(tmp_path: Path):
    async with hub(HubDouble(CONTENT, drop_after=[2_000_000, 1_000_000])) as double:
        path = await models(double, tmp_path).fetch(SOURCE, silent)

    ranges = [asked for who, _, _, asked in double.seen if who == "cdn"]
    assert path.read_bytes() == CONTENT
    assert ranges[0] is None
    assert [asked is not None for asked in ranges[1:]] == [True, True]


async def test_a_part_left_by_a_killed_bot_is_continued(tmp_path: Path):
    async with hub(HubDouble(CONTENT)) as double:
        sha256 = hashlib.sha256(CONTENT).hexdigest()
        leave_part(tmp_path, CONTENT[:3_000_000], sha256)
        path = await models(double, tmp_path).fetch(SOURCE, silent)

    assert [asked for who, _, _, asked in double.seen if who == "cdn"] == ["bytes=3000000-"]
    assert path.read_bytes() == CONTENT


async def test_a_whole_part_is_only_checked(tmp_path: Path):
    async with hub(HubDouble(CONTENT)) as double:
        leave_part(tmp_path, CONTENT, hashlib.sha256(CONTENT).hexdigest())
        await models(double, tmp_path).fetch(SOURCE, silent)

    assert [who for who, *_ in double.seen] == ["hub"]


async def test_a_part_of_an_older_file_is_thrown_away(tmp_path: Path):
    async with hub(HubDouble(CONTENT)) as double:
        leave_part(tmp_path, b"GGUF of old", "0" * 64)
        path = await models(double, tmp_path).fetch(SOURCE, silent)

    assert [asked for who, _, _, asked in double.seen if who == "cdn"] == [None]
    assert path.read_bytes() == CONTENT


async def test_a_cdn_that_ignores_ranges_is_read_from_the_start(tmp_path: Path):
    async with hub(HubDouble(CONTENT, ranges=False, drop_after=[2_000_000])) as double:
        path = await models(double, tmp_path).fetch(SOURCE, silent)

    assert path.read_bytes() == CONTENT


async def test_a_renamed_repository_is_followed(tmp_path: Path):
    async with hub(HubDouble(CONTENT, renamed_from="old/name", token="hf_secret")) as double:
        source = parse_source("hf://old/name/folder/m.gguf")
        path = await models(double, tmp_path, "hf_secret").fetch(source, silent)

    assert path.read_bytes() == CONTENT


async def test_a_damaged_file_is_thrown_away(tmp_path: Path):
    async with hub(HubDouble(CONTENT, linked_sha256="a" * 64)) as double:
        with pytest.raises(Refused, match="checksum"):
            await models(double, tmp_path).fetch(SOURCE, silent)

    assert [path.name for path in (tmp_path / PLACE).parent.iterdir()] == ["m.gguf.lock"]


async def test_two_at_once_fetch_it_once(tmp_path: Path):
    async with hub(HubDouble(CONTENT)) as double:
        paths = await asyncio.gather(
            *(models(double, tmp_path).fetch(SOURCE, silent) for _ in range(3))
        )

    assert len(set(paths)) == 1
    assert [who for who, *_ in double.seen].count("cdn") == 1


async def test_a_cancelled_transfer_leaves_no_file_and_can_go_on(tmp_path: Path):
    async with hub(HubDouble(CONTENT)) as double:
        here = models(double, tmp_path)
        fetching = asyncio.create_task(
            here.fetch(SOURCE, lambda *_: fetching.cancel() and None), name="fetch"
        )
        with pytest.raises(asyncio.CancelledError):
            await fetching
        assert not (tmp_path / PLACE).exists()

        path = await here.fetch(SOURCE, silent)
        assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "code", "summary", "hint"),
    [
        (401, "GatedRepo", "org/model is gated: it needs a token", "HF_TOKEN"),
        (403, "GatedRepo", "org/model is gated: it needs a token", "HF_TOKEN"),
        (401, "RepoNotFound", "there is no repository org/model, or it is private", "HF_TOKEN"),
        (404, "RepoNotFound", "there is no repository org/model, or it is private", "HF_TOKEN"),
        (404, "EntryNotFound", "org/model holds no file folder/m.gguf", "see its files"),
        (404, "RevisionNotFound", "org/model has no revision main", "leave `@revision` out"),
        (418, "", "127.0.0.1 answered 418 for hf://org/model/folder/m.gguf", ""),
    ],
)
async def test_each_refusal_has_its_own_words(
    tmp_path: Path, status: int, code: str, summary: str, hint: str
):
    async with hub(HubDouble(CONTENT, error=(status, code))) as double:
        with pytest.raises(Refused) as caught:
            await models(double, tmp_path).fetch(SOURCE, silent)

    assert caught.value.summary == summary
    assert hint in caught.value.hint


async def test_a_token_that_is_not_let_in_is_not_asked_for_again(tmp_path: Path):
    async with hub(HubDouble(CONTENT, error=(403, "GatedRepo"))) as double:
        with pytest.raises(Refused, match="the bot's token was not let in") as caught:
            await models(double, tmp_path, "hf_secret").fetch(SOURCE, silent)

    assert "accept its terms" in caught.value.hint
    assert "hf_secret" not in str(caught.value)


async def test_a_hub_in_trouble_may_be_asked_again_later(tmp_path: Path):
    async with hub(HubDouble(CONTENT, error=(503, ""))) as double:
        with pytest.raises(Unreachable, match="answered 503"):
            await models(double, tmp_path).fetch(SOURCE, silent)


async def test_without_a_way_to_the_hub_a_file_by_path_is_the_advice(tmp_path: Path):
    async with hub(HubDouble(CONTENT)) as double:
        pass
    with pytest.raises(Unreachable, match="cannot be reached from here") as caught:
        await models(double, tmp_path).fetch(SOURCE, silent)

    assert "path:" in caught.value.hint


async def test_a_connection_that_brings_nothing_is_given_up(tmp_path: Path):
    async with hub(HubDouble(CONTENT, drop_after=[0] * 20)) as double:
        with pytest.raises(Unreachable):
            await models(double, tmp_path).fetch(SOURCE, silent)

    assert [who for who, *_ in double.seen].count("cdn") == 5


async def test_what_does_not_fit_the_disk_is_not_begun(tmp_path: Path):
    huge = HubDouble(CONTENT)
    async with hub(huge) as double:
        double.content = _Endless(CONTENT)
        with pytest.raises(Refused, match="the disk is too small: 1e\\+06 TB to fetch"):
            await models(double, tmp_path).fetch(SOURCE, silent)

    assert "cdn" not in [who for who, *_ in double.seen]


class _Endless(bytes):
    """Says it is an exabyte."""

    def __len__(self) -> int:
        return 10**18


def leave_part(directory: Path, content: bytes, etag: str) -> None:
    part = directory / f"{PLACE}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(content)
    part.with_name(f"{part.name}.json").write_text(f'{{"etag": "{etag}"}}')
