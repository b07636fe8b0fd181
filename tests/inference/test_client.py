import asyncio
from contextlib import aclosing, suppress

import pytest

from domain.errors import Refused, Unreachable
from inference.client import Broken, ChatRequest, Timeouts, Turn, Usage, Words, stream_chat
from inference.wire import Tokens

REQUEST = ChatRequest("tiny", (Turn("system", "Be brief."), Turn("user", "Hi")), max_tokens=9)


@pytest.fixture
def answer(upstream, session, impatient):
    """What a client makes of a server that follows a script."""

    async def ask(script, timeouts=impatient):
        server = await upstream(script)
        return [part async for part in stream_chat(session, server.url, REQUEST, timeouts)]

    return ask


async def test_an_answer_is_its_words_and_then_its_usage(answer):
    async def script(reply):
        reply.start().chunk(choices=[{"delta": {"role": "assistant", "content": None}}])
        reply.words("Hel", "lo").end({"prompt_tokens": 3, "completion_tokens": 2})

    assert await answer(script) == [
        Words("Hel"),
        Words("lo"),
        Usage(Tokens(prompt_tokens=3, completion_tokens=2), "stop"),
    ]


async def test_the_request_says_no_more_than_was_asked(upstream, session, impatient):
    async def script(reply):
        reply.start().end()

    server = await upstream(script)
    parts = [part async for part in stream_chat(session, server.url + "/", REQUEST, impatient)]
    assert parts == [Usage(None, "stop")]
    assert server.replies[0].path == "/v1/chat/completions"
    assert server.replies[0].asked == {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
        ],
        "max_tokens": 9,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_proxies_of_the_environment_are_not_used(answer, nowhere, monkeypatch):
    async def script(reply):
        reply.start().words("Hi").end()

    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, nowhere)
    assert Words("Hi") in await answer(script)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_or_loading_server_is_unreachable_in_its_own_words(answer, status):
    async def script(reply):
        reply.error(status, "Loading model")

    with pytest.raises(Unreachable, match=f"{status}: Loading model"):
        await answer(script)


@pytest.mark.parametrize("status", [302, 400, 404])
async def test_a_clear_no_is_refused_in_its_own_words(answer, status):
    async def script(reply):
        reply.error(status, "no such model")

    with pytest.raises(Refused, match="no such model"):
        await answer(script)


async def test_nobody_listening_is_unreachable(session, nowhere, impatient):
    with pytest.raises(Unreachable, match="takes no connections"):
        await anext(stream_chat(session, nowhere, REQUEST, impatient))


async def test_a_connection_that_is_not_taken_is_unreachable(session, deaf):
    timeouts = Timeouts(connect=0.2, first_byte=60.0, idle=60.0)
    with pytest.raises(Unreachable, match="no connection to the model server in time"):
        await anext(stream_chat(session, deaf, REQUEST, timeouts))


async def before_headers(reply):
    await reply.reset()


async def after_headers(reply):
    await reply.start().reset()


async def after_role(reply):
    await reply.start().chunk(choices=[{"delta": {"role": "assistant"}}]).reset()


async def no_http(reply):
    reply.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


async def a_page(reply):
    reply.start(kind="text/html").raw(b"<html>welcome</html>")


async def bad_json(reply):
    reply.start().raw(b"data: {oops\n\n")


async def error_event(reply):
    reply.start().chunk(error={"code": 500, "message": "slot lost"})


async def no_done(reply):
    reply.start()


async def cut_chunk(reply):
    reply.raw(b"HTTP/1.1 200 So\r\nTransfer-Encoding: chunked\r\n\r\n40\r\ndata: {")


ENDINGS = [after_headers, after_role, bad_json, error_event, no_done]


@pytest.mark.parametrize("script", [*ENDINGS, before_headers, no_http, a_page, cut_chunk])
async def test_a_stream_that_breaks_before_its_first_word_is_unreachable(answer, script):
    with pytest.raises(Unreachable):
        await answer(script)


async def bad_json_later(reply):
    reply.start().words("Hel", "lo").raw(b"data: {oops\n\n")


async def error_event_later(reply):
    reply.start().words("Hel", "lo").chunk(error={"code": 400, "message": "context is full"})


async def no_done_later(reply):
    reply.start().words("Hel", "lo")


async def silence_later(reply):
    reply.start().words("Hel", "lo")
    await reply.left.wait()


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (bad_json_later, "no answer"),
        (error_event_later, "context is full"),
        (no_done_later, "too early"),
        (silence_later, "fell silent"),
    ],
)
async def test_an_answer_cut_off_keeps_what_was_said(answer, script, why):
    with pytest.raises(Broken, match=f"cut off: .*{why}") as caught:
        await answer(script)
    assert caught.value.said == "Hello"


async def test_a_lost_connection_cuts_the_answer_off(upstream, session, impatient):
    heard = asyncio.Event()

    async def script(reply):
        event = b'data: {"choices": [{"delta": {"content": "Hello"}}]}\n\n'
        reply.raw(b"HTTP/1.1 200 So\r\nTransfer-Encoding: chunked\r\n\r\n")
        reply.raw(b"%x\r\n%s\r\n" % (len(event), event))
        await heard.wait()
        await reply.reset()

    server = await upstream(script)
    parts = stream_chat(session, server.url, REQUEST, impatient)
    assert await anext(parts) == Words("Hello")
    heard.set()
    with pytest.raises(Broken, match="was lost") as caught:
        await anext(parts)
    assert caught.value.said == "Hello"


async def pings(reply):
    """Alive on the wire while the model does nothing."""
    reply.start()
    while not reply.left.is_set():
        reply.raw(b": ping\n\n")
        with suppress(TimeoutError):
            async with asyncio.timeout(0.02):
                await reply.left.wait()


async def silence(reply):
    await reply.left.wait()


@pytest.mark.parametrize("script", [silence, pings])
async def test_silence_before_the_first_word_is_unreachable(answer, script):
    with pytest.raises(Unreachable, match="fell silent"):
        await answer(script, Timeouts(connect=2.0, first_byte=0.1, idle=60.0))


async def test_a_slow_listener_is_not_taken_for_a_silent_server(upstream, session, clock):
    async def script(reply):
        reply.start().words("Hel")
        await going_on.wait()
        reply.words("lo").end()

    going_on = asyncio.Event()
    server = await upstream(script)
    timeouts = Timeouts(connect=2.0, first_byte=2.0, idle=0.05)
    heard = []
    async for part in stream_chat(session, server.url, REQUEST, timeouts):
        heard.append(part)
        await clock.sleep(0.1)
        going_on.set()
    assert heard == [Words("Hel"), Words("lo"), Usage(None, "stop")]


async def test_closing_the_generator_closes_the_connection(upstream, session):
    async def script(reply):
        reply.start().words("Hello")
        await reply.left.wait()

    server = await upstream(script)
    async with aclosing(stream_chat(session, server.url, REQUEST, Timeouts())) as parts:
        await anext(parts)
    async with asyncio.timeout(1.0):
        await server.replies[0].left.wait()
