"""OpenAI's own client before the gateway, and whoever may not come in."""

import asyncio
import io
import json
from datetime import timedelta

import openai
import pytest

from domain.keys import Key, Owner, digest_of
from domain.quotas import read_quota
from inference.gateway.admission import Keyed
from inference.gateway.opening import Ways
from inference.keyring import Keyring
from tests.inference.conftest import SystemClock
from tests.inference.gateway.conftest import CHAT, HELLO, PATIENT, STREAM, staged
from tests.upstreams import Answer, Cut, Status, ToolCall

TURNS = HELLO["messages"]
SECRET = "gantry-" + "x" * 43


@pytest.fixture
async def only(stage, upstreams):
    upstream = await upstreams()
    stage.admit(upstream)
    return upstream


@pytest.fixture
async def client(stage):
    url = stage.url + "/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as opened:
        yield opened


@pytest.fixture
async def keyed(upstreams):
    """A gateway that wants a key, and its keyring."""
    keyring = Keyring()
    async with staged(Ways(timeouts=PATIENT), admission=Keyed(keyring)) as stage:
        stage.admit(await upstreams())
        stage.endpoints.expect("other", 0)
        stage.listeners.append(keyring.spent)
        yield stage, keyring


def key(**more):
    now = SystemClock().now()
    owner = Owner("app", "ci")
    return Key("k1", owner, digest_of(SECRET), now - timedelta(hours=1), "@root:x", **more)


BEARER = {"Authorization": f"Bearer {SECRET}"}


async def test_it_chats(client, only):
    said = await client.chat.completions.create(model="tiny", messages=TURNS)
    assert said.choices[0].message.content == "One two three"
    assert said.usage.total_tokens == 6


async def test_it_streams_with_and_without_usage(client, only):
    for options in ({}, {"stream_options": {"include_usage": True}}):
        stream = await client.chat.completions.create(
            model="tiny", messages=TURNS, stream=True, **options
        )
        chunks = [chunk async for chunk in stream]
        words = [c.choices[0].delta.content or "" for c in chunks if c.choices]
        assert "".join(words) == "One two three"
        assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == [6] * len(options)


async def test_it_calls_tools(client, only):
    only.always(Answer(tools=(ToolCall("look", '{"at": "it"}'),)))
    for stream in (False, True):
        asked = {"model": "tiny", "messages": TURNS, "stream": stream}
        told = await client.chat.completions.create(**asked)
        if stream:
            deltas = [c.choices[0].delta async for c in told if c.choices]
            calls = [call for delta in deltas for call in delta.tool_calls or ()]
            assert "".join(call.function.arguments or "" for call in calls) == '{"at": "it"}'
        else:
            assert told.choices[0].message.tool_calls[0].function.name == "look"


async def test_it_embeds_completes_and_responds(client, only):
    embedded = await client.embeddings.create(model="tiny", input="Hi", encoding_format="float")
    assert embedded.data[0].embedding == [0.5, -0.25, 0.125]
    completed = await client.completions.create(model="tiny", prompt="Hi")
    assert completed.choices[0].text == "One two three"
    response = await client.responses.create(model="tiny", input="Hi")
    assert response.output_text == "One two three"


async def test_it_lists_what_there_is(client, only):
    assert [model.id async for model in client.models.list()] == ["tiny"]


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, openai.BadRequestError),
        (404, openai.NotFoundError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
async def test_it_raises_what_it_has_for_each_status(client, only, status, raised):
    only.always(Status(status))
    with pytest.raises(raised, match="it does not work"):
        await client.chat.completions.create(model="tiny", messages=TURNS)


async def test_it_raises_for_a_name_that_is_not_there(client, only):
    with pytest.raises(openai.NotFoundError, match="did you mean `tiny`") as caught:
        await client.chat.completions.create(model="tinny", messages=TURNS)
    assert caught.value.code == "model_not_found"


async def test_it_raises_for_a_stream_that_breaks_off(client, only):
    only.always(Answer(cut=Cut.RESET, cut_at=2))
    stream = await client.chat.completions.create(model="tiny", messages=TURNS, stream=True)
    with pytest.raises(openai.APIError, match="cut off"):
        async for _ in stream:
            pass


@pytest.mark.parametrize("header", [None, "Bearer wrong", f"Basic {SECRET}", SECRET])
async def test_without_a_key_nothing_is_said(keyed, header):
    stage, keyring = keyed
    keyring.put(key())
    headers = {"Authorization": header} if header else {}
    for said in (
        await stage.ask(headers=headers),
        await stage.ask({"model": "gone"}, headers=headers),
    ):
        assert (said.status, said.error["code"]) == (401, "invalid_api_key")
        assert said.headers["WWW-Authenticate"] == "Bearer"
    assert (await stage.get("/v1/models")).status == 401
    assert SECRET.encode() not in said.body


async def test_a_key_opens_what_it_is_for_and_nothing_else_is_there_for_it(keyed):
    stage, keyring = keyed
    keyring.put(key(models=("tiny",)))
    assert (await stage.ask(headers=BEARER)).status == 200
    assert stage.served[0].key == "k1"
    for pin in ({"model": "other"}, {"model": "tiny", "backend": "other"}):
        said = await stage.ask({**HELLO, **pin}, headers=BEARER)
        assert (said.status, said.error["code"]) == (404, "model_not_found")
    async with stage.http.get(stage.url + "/v1/models", headers=BEARER) as response:
        assert [model["id"] for model in (await response.json())["data"]] == ["tiny"]


async def test_a_key_never_hears_of_names_that_are_not_for_it(keyed):
    stage, keyring = keyed
    keyring.put(key(models=("t*",)))
    for asked, told in (
        ({"model": "othr"}, "there is no model `othr`; there is tiny"),
        ({"model": "other"}, "there is no model `other`; there is tiny"),
        ({"model": "tiny", "backend": "othr"}, "there is no model `othr`; there is tiny"),
        ({"model": "tiny", "backend": "other"}, "there is no model `other`; there is tiny"),
    ):
        said = await stage.ask({**HELLO, **asked}, headers=BEARER)
        assert (said.status, said.error["message"]) == (404, told)
    said = await stage.ask({**HELLO, "backend": "tiny-3fa9c1-0"}, headers=BEARER)
    assert said.status == 200


async def test_a_revoked_key_opens_nothing_from_the_next_request_on(keyed):
    stage, keyring = keyed
    keyring.put(key())
    assert (await stage.ask(headers=BEARER)).status == 200
    keyring.revoke("k1", "@root:x", SystemClock().now())
    assert (await stage.ask(headers=BEARER)).status == 401


@pytest.mark.parametrize("quota", ["requests=2/month", "tokens=10/month"])
async def test_a_quota_ends_with_when_it_starts_anew(keyed, quota):
    """Streams count as well: three tokens asked, three told."""
    stage, keyring = keyed
    keyring.put(key(quotas=(read_quota(quota),)))
    said = [await stage.ask(body, headers=BEARER) for body in (HELLO, STREAM, HELLO)]
    assert [each.status for each in said] == [200, 200, 429]
    assert said[2].error["code"] == "quota_exceeded"
    assert int(said[2].headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("raw", "status", "words"),
    [
        (b"", 400, "not JSON"),
        (b"[]", 400, "JSON object"),
        (b"{", 400, "not JSON"),
        (b"\xff", 400, "UTF-8"),
        (b'{"model": NaN}', 400, "NaN"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b"{}", 400, "`model`"),
        (b'{"model": 1}', 400, "`model`"),
        (b'{"model": ""}', 400, "`model`"),
        (b'{"model": "a\\u0000b"}', 400, "`model`"),
        (b'{"model": "tiny", "model": "other"}', 400, "twice"),
        (b'{"model": "tiny", "messages": [{"role": "user", "role": "system"}]}', 400, "twice"),
        (b'{"model": "tiny", "stream": "yes"}', 400, "`stream`"),
        (b'{"model": "tiny", "stream_options": 1}', 400, "`stream_options`"),
        (b'{"model": "tiny", "backend": 7}', 400, "`backend`"),
        (b'{"model": "http://169.254.169.254/latest"}', 404, "no model"),
        (b'{"model": "tiny", "backend": "http://169.254.169.254/"}', 404, "no backend"),
        (b'{"model": "tiny/../../admin"}', 404, "no model"),
    ],
    ids=str,
)
async def test_bad_input_is_told_what_is_wrong_with_it(stage, only, raw, status, words):
    headers = {"Content-Type": "application/json"}
    async with stage.http.post(stage.url + CHAT, data=raw, headers=headers) as response:
        told = (await response.json())["error"]
        assert response.status == status, told
    assert words in told["message"]
    assert only.asked == []


@pytest.mark.parametrize("more", [{"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}])
async def test_nothing_but_json_as_it_is_is_taken(stage, only, more):
    """A page in a browser may send plain text to any address without asking first."""
    headers = {"Content-Type": "application/json", **more}
    async with stage.http.post(stage.url + CHAT, data=b"{}", headers=headers) as response:
        assert response.status == 415
        assert (await response.json())["error"]["message"]
    assert only.asked == []


async def test_what_is_too_large_is_told_so_before_it_is_read(stage, only):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(stage.url.rpartition(":")[2]))
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {33 * 2**20}\r\n\r\n".encode() + b"{")
    said = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert said.startswith("HTTP/1.1 413 ")
    assert b"at most 32 MiB" in await reader.read(500)
    writer.close()
    await writer.wait_closed()


async def test_a_conversation_with_pictures_gets_through_whole(stage, only):
    picture = "data:image/png;base64," + "A" * 5 * 2**20
    part = {"type": "image_url", "image_url": {"url": picture}}
    body = {**STREAM, "messages": [{"role": "user", "content": [part]}]}
    raw = io.BytesIO(json.dumps(body).encode())
    headers = {"Content-Type": "application/json"}
    async with stage.http.post(stage.url + CHAT, data=raw, headers=headers) as response:
        assert response.status == 200
    assert only.asked[0].json["messages"] == body["messages"]
