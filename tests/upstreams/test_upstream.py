"""The scripted upstream, asked by plain aiohttp and by OpenAI's own client."""

import asyncio
import json
from typing import get_args

import aiohttp
import openai
import pytest

from tests.upstreams import (
    CLOSE,
    RESET,
    SILENCE,
    After,
    Answer,
    Cut,
    Fate,
    Play,
    Redirect,
    Status,
    ToolCall,
    Upstream,
    Usage,
)
from tests.upstreams.acts import Flavour
from tests.upstreams.reading import RequestReader
from tests.upstreams.steps import Send

ASKED = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
STREAMED = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}
CHAT = "/v1/chat/completions"


@pytest.fixture
async def upstream():
    async with Upstream.started() as running:
        yield running


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def client(upstream):
    async with openai.AsyncOpenAI(
        base_url=upstream.url + "/v1", api_key="sk-test", max_retries=0
    ) as opened:
        yield opened


@pytest.fixture
def ask(upstream, http):
    """The status and the bytes of what comes for a request."""

    async def post(body, path=CHAT, **options):
        async with http.post(upstream.url + path, json=body, **options) as response:
            return response.status, await response.read()

    return post


def words(stream: bytes) -> list[str]:
    lines = [line[6:] for line in stream.decode().split("\n") if line.startswith("data: {")]
    deltas = [choice["delta"] for line in lines for choice in json.loads(line).get("choices", ())]
    return [delta["content"] for delta in deltas if delta.get("content")]


async def test_it_lists_its_models_and_is_healthy(upstream, http, client):
    assert [model.id async for model in client.models.list()] == ["tiny"]
    async with http.get(upstream.url + "/health") as response:
        assert await response.json() == {"status": "ok"}
    assert [asked.path for asked in upstream.probed] == ["/v1/models", "/health"]
    assert upstream.asked == []


async def test_it_answers_a_chat_as_openai_does(upstream, client):
    said = await client.chat.completions.create(**ASKED)
    assert said.choices[0].message.content == "One two three"
    assert (said.usage.prompt_tokens, said.usage.completion_tokens) == (3, 3)
    [asked] = upstream.asked
    assert asked.json == ASKED
    assert asked.header("authorization") == "Bearer sk-test"
    assert await asked.over() is Fate.ANSWERED


async def test_it_streams_a_chat_with_usage_only_where_that_is_asked_for(client):
    told = [chunk async for chunk in await client.chat.completions.create(**STREAMED)]
    texts = [choice.delta.content for chunk in told for choice in chunk.choices]
    assert texts == ["", "One", " two", " three", None]
    assert [chunk.usage.completion_tokens for chunk in told if chunk.usage] == [3]
    stream = await client.chat.completions.create(**ASKED, stream=True)
    assert not [chunk.usage async for chunk in stream if chunk.usage]


async def test_it_calls_tools(upstream, client):
    upstream.always(Answer(tools=(ToolCall("weather", '{"city":"Ulm"}'),)))
    said = await client.chat.completions.create(**ASKED)
    [call] = said.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Ulm"}')
    stream = await client.chat.completions.create(**ASKED, stream=True)
    deltas = [chunk.choices[0].delta async for chunk in stream]
    parts = [delta.tool_calls[0].function for delta in deltas if delta.tool_calls]
    assert parts[0].name == "weather"
    assert "".join(part.arguments for part in parts) == '{"city":"Ulm"}'


async def test_it_completes_embeds_and_responds(client):
    completion = await client.completions.create(model="tiny", prompt="Hi")
    assert completion.choices[0].text == "One two three"
    stream = await client.completions.create(model="tiny", prompt="Hi", stream=True)
    assert [chunk.choices[0].text async for chunk in stream] == ["One", " two", " three", ""]
    embedded = await client.embeddings.create(model="tiny", input="Hi", encoding_format="float")
    assert embedded.data[0].embedding == [0.5, -0.25, 0.125]
    response = await client.responses.create(model="tiny", input="Hi")
    assert response.output_text == "One two three"
    events = [
        event
        async for event in await client.responses.create(model="tiny", input="Hi", stream=True)
    ]
    assert [event.delta for event in events if "delta" in event.type] == ["One", " two", " three"]
    assert events[-1].response.usage.output_tokens == 3


async def test_it_lies_about_usage_or_tells_none(upstream, client):
    upstream.will(Answer(usage=Usage(0, 10**6)), Answer(usage=None))
    assert (await client.chat.completions.create(**ASKED)).usage.completion_tokens == 10**6
    assert (await client.chat.completions.create(**ASKED)).usage is None


@pytest.mark.parametrize("flavour", get_args(Flavour))
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
async def test_it_fails_in_the_words_of_many_servers(upstream, client, status, flavour):
    upstream.will(Status(status, "no way", flavour=flavour, retry_after="7"))
    with pytest.raises(openai.APIStatusError) as caught:
        await client.chat.completions.create(**ASKED)
    assert caught.value.status_code == status
    assert caught.value.response.headers["Retry-After"] == "7"


async def test_acts_are_used_up_in_order_and_then_it_does_what_it_always_does(upstream, ask):
    upstream.always(Status(503))
    upstream.will(Status(500), Answer())
    assert [(await ask(ASKED))[0] for _ in range(4)] == [500, 200, 503, 503]


async def test_an_act_for_a_path_is_for_that_path_alone(upstream, ask, http):
    upstream.always(Status(500), path="/v1/models")
    assert (await ask(ASKED))[0] == 200
    async with http.get(upstream.url + "/v1/models") as response:
        assert response.status == 500


async def test_what_nobody_serves_is_not_found(ask):
    assert (await ask(ASKED, "/elsewhere"))[0] == 404


async def test_it_refuses_connections_and_takes_them_again_on_the_same_port(upstream, ask):
    before = upstream.url
    await upstream.refuse()
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask(ASKED)
    await upstream.accept()
    assert upstream.url == before
    assert (await ask(ASKED))[0] == 200


async def test_it_resets_connections_before_a_request_is_read(upstream, ask):
    upstream.reset_connections(1)
    with pytest.raises(aiohttp.ClientError):
        await ask(ASKED)
    assert upstream.asked == []
    assert (await ask(ASKED))[0] == 200


@pytest.mark.parametrize("act", [RESET, CLOSE])
async def test_it_drops_a_request_that_it_has_read(upstream, ask, act):
    upstream.will(act)
    with pytest.raises(aiohttp.ClientError):
        await ask(ASKED)
    assert await upstream.asked[0].over() is Fate.CUT


async def test_it_is_silent_until_the_client_leaves_and_knows_when_it_did(upstream, ask):
    upstream.will(SILENCE)
    asking = asyncio.create_task(ask(ASKED))
    asked = await upstream.request()
    assert (asked.fate, upstream.in_flight) == (None, 1)
    asking.cancel()
    assert await asked.over() is Fate.LEFT
    assert asked.ended_at >= asked.at
    assert (asked.sent, upstream.in_flight) == (0, 0)


async def test_it_hangs_in_the_middle_of_a_stream(upstream, http):
    upstream.will(Answer(cut=Cut.HANG, cut_at=1))
    async with http.post(upstream.url + CHAT, json=STREAMED) as response:
        while b"One" not in await response.content.readline():
            pass
    assert await upstream.asked[0].over() is Fate.LEFT


async def _until_broken(response, into: bytearray) -> None:
    async for data in response.content.iter_any():
        into += data


@pytest.mark.parametrize("cut", [Cut.RESET, Cut.CLOSE])
@pytest.mark.parametrize("said", [0, 2])
async def test_a_stream_breaks_after_the_role_or_after_content(upstream, http, cut, said):
    upstream.will(Answer(cut=cut, cut_at=said))
    received = bytearray()
    async with http.post(upstream.url + CHAT, json=STREAMED) as response:
        with pytest.raises(aiohttp.ClientError):
            await _until_broken(response, received)
    assert b'"role"' in received
    assert len(words(received)) == said
    assert await upstream.asked[0].over() is Fate.CUT


async def test_a_stream_has_a_chunk_without_a_size(upstream):
    """Read from the socket: aiohttp's client closes the connection at that, and says nothing."""
    upstream.will(Answer(cut=Cut.BAD_CHUNK, cut_at=1))
    assert (await _until_closed(upstream)).endswith(b"zz\r\nno size\r\n")
    assert await upstream.asked[0].over() is Fate.CUT


@pytest.mark.parametrize(
    ("cut", "last"),
    [
        (Cut.STOP, b'"content":"One"'),
        (Cut.ERROR, b'{"error":'),
        (Cut.NAMED_ERROR, b"event: error\ndata: {"),
        (Cut.MALFORMED, b"{not json"),
    ],
)
async def test_a_stream_ends_well_formed_without_its_end(upstream, ask, cut, last):
    upstream.will(Answer(cut=cut, cut_at=1))
    status, stream = await ask(STREAMED)
    assert status == 200
    assert last in stream[stream.rindex(b'"One"') - 20 :]
    assert b"[DONE]" not in stream


async def test_a_stream_may_lack_only_its_done(upstream, ask):
    upstream.will(Answer(done=False))
    _, stream = await ask(STREAMED)
    assert b'"finish_reason":"stop"' in stream
    assert b"[DONE]" not in stream


async def test_half_a_body_that_was_not_streamed_is_cut(upstream, ask):
    upstream.will(Answer(cut=Cut.RESET))
    with pytest.raises(aiohttp.ClientError):
        await ask(ASKED)


@pytest.mark.parametrize("body", [ASKED, STREAMED])
@pytest.mark.parametrize(
    "act", [Answer(trickle=True), Answer(packed="gzip"), Answer(comments=True)]
)
async def test_the_same_is_said_in_other_wrappings(upstream, ask, body, act):
    plain = await ask(body)
    upstream.will(act)
    status, told = await ask(body)
    assert (status, told.replace(b": still here\n\n", b"")) == plain


async def test_a_huge_event_comes_whole(upstream, ask):
    upstream.will(Answer(pieces=("x" * 2_000_000,)))
    _, stream = await ask(STREAMED)
    assert words(stream) == ["x" * 2_000_000]


async def test_it_redirects(upstream, ask, http):
    upstream.will(Redirect("http://127.0.0.1:1/"))
    assert await ask(ASKED, allow_redirects=False) == (307, b"")


async def test_a_kept_connection_is_used_again_and_a_closed_one_is_not(upstream, ask):
    upstream.will(Answer(), Answer(after=After.CLOSED), Answer())
    for _ in range(3):
        await ask(STREAMED)
    kept, closed, fresh = (asked.connection for asked in upstream.asked)
    assert kept == closed < fresh
    assert {asked.fate for asked in upstream.asked} == {Fate.ANSWERED}


async def test_it_announces_keep_alive_and_closes_nevertheless(upstream):
    """Read from the socket: whether a client notices in time is up to chance."""
    upstream.will(Answer(after=After.DROPPED))
    told = await _until_closed(upstream)
    assert b"Keep-Alive: timeout=5" in told
    assert b"Connection: close" not in told
    assert told.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert await upstream.asked[0].over() is Fate.ANSWERED


async def _until_closed(upstream) -> bytes:
    port = int(upstream.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps(STREAMED).encode()
    writer.write(b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (CHAT.encode(), len(body)))
    writer.write(body)
    told = await reader.read(-1)
    writer.close()
    return told


async def test_a_pause_lasts_until_the_test_ends_it(upstream, http):
    upstream.will(Answer(pause_at=1))
    async with http.post(upstream.url + CHAT, json=STREAMED) as response:
        asked = await upstream.request()
        await asked.paused()
        assert asked.fate is None
        asked.proceed()
        assert words(await response.read()) == ["One", " two", " three"]


async def test_frozen_it_takes_requests_and_answers_them_when_it_thaws(upstream, ask):
    upstream.freeze()
    asking = [asyncio.create_task(ask(ASKED)) for _ in range(3)]
    await upstream.request(2)
    assert (upstream.in_flight, [asked.sent for asked in upstream.asked]) == (3, [0, 0, 0])
    upstream.thaw()
    assert [(await each)[0] for each in asking] == [200, 200, 200]
    await upstream.idle()
    assert (upstream.in_flight, upstream.most_in_flight) == (0, 3)


async def test_it_plays_any_bytes(upstream, ask):
    upstream.will(Play(Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")))
    assert await ask(ASKED) == (200, b"hi")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_requests_are_read_however_they_are_cut(size):
    wire = (
        b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
        b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\n yo\r\n0\r\n\r\n"
        b"GET /d HTTP/1.1\r\n\r\n"
    )
    reader = RequestReader()
    parts = (wire[at : at + size] for at in range(0, len(wire), size))
    read = [request for part in parts for request in reader.feed(part)]
    told = [(each.method, each.target, each.body) for each in read]
    assert told == [("POST", "/a?b", b"hi"), ("POST", "/c", b"hi yo"), ("GET", "/d", b"")]
    assert not reader.midway
