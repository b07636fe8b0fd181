"""Asks one OpenAI-compatible server for one chat completion, streamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
from pydantic import SecretStr

from domain.errors import Refused, TargetError, Unreachable
from inference.pace import Pace
from inference.sse import EventParser
from inference.wire import DONE, Chunk, Completion, Listing, Tokens, read_chunk, rejection

_MAX_BODY = 1_048_576
"""Bytes read of an answer that is not streamed."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing said in a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str
    pictures: tuple[str, ...] = ()
    """Shown along with it, each as a `data:` URL."""

    @property
    def content(self) -> str | list[dict[str, Any]]:
        """As OpenAI writes it: plain text, or parts of it."""
        if not self.pictures:
            return self.text
        shown = [{"type": "image_url", "image_url": {"url": url}} for url in self.pictures]
        return [{"type": "text", "text": self.text}, *shown]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked, in the order it was said."""

    model: str
    turns: tuple[Turn, ...]
    max_tokens: int | None = None
    """None leaves the end to the model and its context."""
    temperature: float | None = None
    """None takes the server's default."""

    def body(self) -> dict[str, Any]:
        """The request as OpenAI writes it, with usage asked for."""
        wishes = {"max_tokens": self.max_tokens, "temperature": self.temperature}
        return {
            "model": self.model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in self.turns],
            "stream": True,
            "stream_options": {"include_usage": True},
            **{name: wish for name, wish in wishes.items() if wish is not None},
        }


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Patience in stages, in seconds. There is no limit on a whole answer."""

    connect: float = 5.0
    first_byte: float = 60.0
    """From asking to the first thing the model produces; pings and empty chunks do not count."""
    idle: float = 30.0
    """From one thing the model produces to the next."""
    whole: float = 600.0
    """For an answer that is not streamed, whose first byte comes when it is whole."""


@dataclass(frozen=True, slots=True)
class Words:
    """The next few characters of an answer, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """The end of a complete answer."""

    tokens: Tokens | None
    """None where the server does not count."""
    finish_reason: str | None
    engine_speed: float | None = None
    """Tokens a second as the engine itself measured them, where it does."""

    def completion_tokens(self, pace: Pace) -> int:
        """Tokens of the answer; its pieces, where the server does not count."""
        return self.tokens.completion_tokens if self.tokens else pace.pieces

    def speed(self, pace: Pace) -> float | None:
        """Tokens a second after the first; None where none followed it.

        What the engine measured goes before what was heard: pieces that come faster than they
        are read come in heaps, and say nothing about the speed.
        """
        heard = pace.tokens_per_second(self.completion_tokens(pace))
        return heard if heard is None else self.engine_speed or heard


class Broken(TargetError):
    """The answer ended before its end; what was said until then is kept in `said`."""

    def __init__(self, why: str, said: str) -> None:
        super().__init__(f"the answer was cut off: {why}", hint="ask again")
        self.said = said


class NoList(Unreachable):
    """Who answers there is no model server, or not at that URL."""


def open_session() -> aiohttp.ClientSession:
    """A session for every model server there is; the caller closes it.

    A connection each: llama.cpp announces keep-alive after a streamed answer, yet closes, and a
    request sent into that is lost. No limit over all, so that one hung replica cannot keep
    others waiting for a connection. Proxies of the environment are for elsewhere.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


async def stream_chat(
    session: aiohttp.ClientSession, url: str, request: ChatRequest, timeouts: Timeouts
) -> AsyncGenerator[Words | Usage, None]:
    """Stream one answer from the server at `url`: words as they come, at the end one Usage.

    Closing the generator closes the connection, which is how a server learns to stop.

    Before the first word raises Unreachable where another replica may do better (no
    connection, silence, 5xx, 429, a stream that breaks off) and Refused where it would not.
    After it raises Broken, whatever happened.
    """
    said: list[str] = []
    tokens: Tokens | None = None
    finish_reason: str | None = None
    speed: float | None = None
    try:
        async with aclosing(_chunks(session, url, request, timeouts)) as chunks:
            async for chunk in chunks:
                tokens = chunk.usage or tokens
                finish_reason = chunk.finish_reason or finish_reason
                speed = chunk.timings.predicted_per_second if chunk.timings else speed
                if chunk.text:
                    said.append(chunk.text)
                    yield Words(chunk.text)
    except TargetError as error:
        if said:
            raise Broken(error.summary, "".join(said)) from error
        raise
    yield Usage(tokens, finish_reason, speed)


async def complete_once(
    session: aiohttp.ClientSession, url: str, model: str, timeouts: Timeouts
) -> bool:
    """Have a text gone on with by one token, without a conversation, and say whether one came.
    Raises Unreachable or Refused."""
    asked = {"model": model, "prompt": "Hello", "max_tokens": 1, "temperature": 0.0}
    where = f"{_base(url)}/completions"
    with _in_words():
        body = await _answer(session.post(where, json=asked, **_options(timeouts)), timeouts)
        return Completion.model_validate_json(body).produced


async def list_models(
    session: aiohttp.ClientSession, url: str, timeouts: Timeouts, key: SecretStr | None = None
) -> Listing:
    """The models that the server at `url` has. Raises Unreachable or Refused, the latter for more
    than anybody would want to read, too; NoList where somebody answers, and with something else."""
    shown = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
    where = f"{_base(url)}/models"
    with _in_words():
        body = await _answer(session.get(where, headers=shown, **_options(timeouts)), timeouts)
        try:
            return Listing.model_validate_json(body)
        except ValueError as error:
            if len(body) >= _MAX_BODY:
                raise Refused("its list of models is too long") from error
            raise NoList("what it has at `/v1/models` is no list of models") from error


async def _chunks(
    session: aiohttp.ClientSession, url: str, request: ChatRequest, timeouts: Timeouts
) -> AsyncGenerator[Chunk, None]:
    """The chunks of a stream up to `[DONE]`; raises Unreachable if it ends without one."""
    now = asyncio.get_running_loop().time
    deadline = now() + timeouts.first_byte
    where, body = f"{_base(url)}/chat/completions", request.body()
    with _in_words():
        async with asyncio.timeout_at(deadline):
            response = await session.post(where, json=body, **_options(timeouts))
        try:
            if response.status != 200:
                async with asyncio.timeout_at(deadline):
                    raise rejection(response.status, await _whole(response))
            parser = EventParser()
            while True:
                async with asyncio.timeout_at(deadline):
                    received = await response.content.readany()
                for event in parser.feed(received or b"\n\n"):
                    if event == DONE:
                        return
                    chunk = read_chunk(event)
                    yield chunk
                    if chunk.produced:
                        deadline = now() + timeouts.idle
                if not received:
                    raise Unreachable("the model server ended the stream too early")
        finally:
            response.close()


async def _answer(
    asking: AbstractAsyncContextManager[aiohttp.ClientResponse], timeouts: Timeouts
) -> str:
    """What comes back whole; raises Unreachable or Refused where that is no 200."""
    async with asyncio.timeout(timeouts.first_byte), asking as response:
        body = await _whole(response)
        if response.status != 200:
            raise rejection(response.status, body)
        return body


async def _whole(response: aiohttp.ClientResponse) -> str:
    """An answer that is not streamed, as far as anybody would want to read it."""
    body = bytearray()
    while len(body) < _MAX_BODY and (received := await response.content.readany()):
        body += received
    return body.decode(errors="replace")


def _base(url: str) -> str:
    return f"{url.rstrip('/')}/v1"


def _options(timeouts: Timeouts) -> dict[str, Any]:
    patience = aiohttp.ClientTimeout(total=None, connect=timeouts.connect)
    return {"timeout": patience, "allow_redirects": False}


@contextmanager
def _in_words() -> Iterator[None]:
    """Say what aiohttp raises in words a person can act on."""
    hint = "try again in a moment"
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise Unreachable("no connection to the model server in time", hint) from error
    except aiohttp.ClientConnectorError as error:
        raise Unreachable("the model server takes no connections", hint) from error
    except aiohttp.ClientError as error:
        raise Unreachable("the connection to the model server was lost", hint) from error
    except TimeoutError as error:
        raise Unreachable("the model server fell silent", hint) from error
    except ValueError as error:
        raise Unreachable("the model server sent something that is no answer", hint) from error
