"""Asking model servers what they say of themselves."""

import asyncio

import pytest

from inference.engine_metrics import EngineMetrics
from inference.scraping import LONGEST_PAGE, scrape, scrape_all

BUSY = b"vllm:num_requests_running 3\nvllm:num_requests_waiting 1\n"
TOLD = EngineMetrics(running=3, waiting=1, engine="vllm")


def telling(page, status=200):
    async def script(reply):
        reply.start(status, "text/plain; version=0.0.4").raw(page)

    return script


async def silent(reply):
    await reply.left.wait()


async def trickling(reply):
    reply.start().raw(BUSY)
    await reply.left.wait()


async def endless(reply):
    reply.start()
    line = b"# nothing\n" * 6000
    while not reply.left.is_set():
        reply.raw(line)
        await reply.sent()


async def broken(reply):
    reply.raw(b"HTTP/1.1 200 So\r\nContent-Length: 900\r\n\r\n").raw(BUSY)


async def no_http(reply):
    reply.raw(b"220 mail.example.org ESMTP\r\n")


async def moved(reply):
    reply.raw(b"HTTP/1.1 302 So\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")


async def test_a_server_is_asked_at_its_own_page(session, upstream):
    server = await upstream(telling(BUSY))
    assert await scrape(session, f"{server.url}/") == TOLD
    assert [reply.path for reply in server.replies] == ["/metrics"]


@pytest.mark.parametrize(
    "script",
    [
        telling(b"no", 404),
        telling(BUSY, 503),
        telling(b""),
        telling(b"go_goroutines 7\n"),
        telling(b"\xff\x00{"),
        broken,
        no_http,
        moved,
    ],
)
async def test_who_does_not_tell_is_known_to_tell_nothing(session, upstream, script):
    assert await scrape(session, (await upstream(script)).url) is None


async def test_nobody_there_is_no_failure(session, nowhere):
    assert await scrape(session, nowhere) is None
    assert await scrape(session, "no address") is None


@pytest.mark.parametrize("script", [silent, trickling])
async def test_who_takes_too_long_is_left(session, upstream, monkeypatch, script):
    monkeypatch.setattr("inference.scraping.LIMIT", 0.1)
    server = await upstream(script)
    assert await scrape(session, server.url) is None
    await server.replies[0].left.wait()


async def test_a_page_without_end_is_left_at_the_limit(session, upstream):
    server = await upstream(endless)
    assert await scrape(session, server.url) is None
    await server.replies[0].left.wait()


async def test_a_page_of_just_the_limit_is_read(session, upstream):
    filling = b"#" * (LONGEST_PAGE - len(BUSY) - 1) + b"\n"
    assert await scrape(session, (await upstream(telling(filling + BUSY))).url) == TOLD


async def test_all_are_asked_at_once_and_those_who_do_not_tell_are_left_out(session, upstream):
    together = asyncio.Barrier(2)

    async def both(reply):
        await together.wait()
        reply.start().raw(BUSY)

    one, other = await upstream(both), await upstream(both)
    gone = await upstream(telling(b"", 404))
    urls = {"one": one.url, "other": other.url, "gone": gone.url}
    assert await scrape_all(session, urls) == {"one": TOLD, "other": TOLD}
    assert await scrape_all(session, {}) == {}


@pytest.mark.engine
async def test_a_real_llamacpp_tells(session, tiny):
    told = await scrape(session, tiny.url)
    assert told.engine == "llamacpp"
    assert told.waiting == 0
