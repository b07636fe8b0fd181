"""One request put to one endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp

from domain.usage import Fault
from inference.client import Timeouts
from inference.endpoints import Endpoint
from inference.gateway.asked import Asked
from inference.gateway.misses import CutOff, Missed, Whole, in_words, turned_down
from inference.gateway.streams import Stream, StreamError, usage_of
from inference.gateway.tally import Tally
from inference.gateway.upstreams import Upstreams, passed_on, read_whole
from inference.gateway.wires import Outgoing, Translate, wire_of
from inference.goals import Goal
from inference.patience import Patience
from inference.router import Router, Visit, model_there
from inference.sse import MAX_EVENT

Feed = Callable[[bytes], bytes]

FAREWELL = 1.0
"""Seconds a connection gets to end after the last event of a stream, so that it can be kept."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The beginning of a streamed answer: from here on nobody else may give it."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Attempt:
    """Made once. Raises Missed, or Rejected for a clear no, before content; CutOff after it."""

    asked: Asked
    goal: Goal
    endpoint: Endpoint
    tally: Tally
    router: Router
    upstreams: Upstreams
    timeouts: Timeouts
    fresh: bool
    """Whether no connection may be used that was used before."""
    usage: bool
    """Whether a stream may be asked for its usage."""

    async def whole(self) -> Whole:
        """An answer that is not streamed."""
        out, patience = self._put(), Patience(self.timeouts.whole)
        with self._leased(patience), in_words(patience):
            async with patience, self._post(out) as response:
                answer = await self._read(response)
        if answer.status != 200:
            raise turned_down(answer, ours=self.endpoint.ours)
        self._answered()
        self.tally.counts(usage_of(answer.body), 0)
        return answer

    async def stream(self) -> AsyncGenerator[Opening | bytes, None]:
        """A streamed one: an Opening once there is content, then whole events as they come.

        Closing the generator closes the connection, which is how a backend learns to stop.
        """
        out, patience = self._put(), Patience(self.timeouts.first_byte)
        stream = Stream(strip_usage=not self.asked.wants_usage)
        translate = wire_of(self.endpoint).translate(self.tally.created)
        feed = partial(_feed, stream, translate)
        with self._leased(patience), in_words(patience, lambda: stream.begun):
            async with patience, self._post(out) as response:
                opening = await self._beginning(response, stream, feed)
                patience.pause()
                yield Opening({**passed_on(response), "Content-Type": "text/event-stream"})
                yield opening
                patience.heard(self.timeouts.idle)
                while not stream.ended:
                    patience.resume()
                    received = await response.content.readany()
                    patience.pause()
                    block = feed(received)
                    self.tally.counts(stream.usage, stream.pieces)
                    if block:
                        yield block
                    if not received:
                        break
                await _ended(response)
        if stream.error is not None:
            raise CutOff("the backend broke off", Fault.CUT_OFF, told=True)
        if not stream.finished:
            raise CutOff("it ended too early", Fault.CUT_OFF)

    async def _beginning(
        self, response: aiohttp.ClientResponse, stream: Stream, feed: Feed
    ) -> bytes:
        """What came until there was content."""
        if response.status != 200:
            answer = await self._read(response)
            if self._usage_unknown(answer):
                raise Missed("it cannot tell usage in streams", Fault.REFUSED, usage=True)
            raise turned_down(answer, ours=self.endpoint.ours)
        held = b""
        try:
            while not stream.begun and not stream.ended:
                received = await response.content.readany()
                held += feed(received)
                if not received and not stream.begun:
                    raise Missed("it ended the stream before it said anything", Fault.FAILED)
                if not stream.begun and len(held) > MAX_EVENT:
                    raise Missed("it says much, and nothing of an answer", Fault.FAILED)
        except StreamError as error:
            if not error.body:
                raise Missed(f"what it sent is no answer: {error}", Fault.FAILED) from error
            body, kind = error.body.encode(errors="replace"), {"Content-Type": "application/json"}
            answer = Whole(error.status, body, kind)
            raise turned_down(answer, ours=self.endpoint.ours) from error
        self._answered()
        self.tally.counts(stream.usage, stream.pieces)
        return held

    def _usage_unknown(self, answer: Whole) -> bool:
        """Whether it was turned down for nothing but what the gateway itself had added."""
        added = self.usage and self.asked.counts_on_request and not self.asked.wants_usage
        return added and answer.status in (400, 422) and b"stream_options" in answer.body

    def _answered(self) -> None:
        self.router.health.answered(self.endpoint)
        self.tally.begins()

    def _put(self) -> Outgoing:
        """The request as it is sent. What goes wrong with that is no fault of the endpoint's."""
        self.tally.asks(self.endpoint)
        asked, endpoint = self.asked, self.endpoint
        model = model_there(self.goal, endpoint) or asked.model
        usage = asked.counts_on_request and self.usage
        return wire_of(endpoint).put(asked, model, endpoint, usage=usage)

    def _post(self, out: Outgoing) -> Any:
        return self.upstreams.post(self.endpoint, out.path, out.body, out.headers, fresh=self.fresh)

    async def _read(self, response: aiohttp.ClientResponse) -> Whole:
        answer = Whole(response.status, await read_whole(response), passed_on(response))
        return wire_of(self.endpoint).whole(answer, self.tally.created)

    def _leased(self, patience: Patience) -> Visit:
        return self.router.leased(self.goal, self.endpoint, patience)


def _feed(stream: Stream, translate: Translate | None, received: bytes) -> bytes:
    """The next bytes of a stream, or its end -> those that may be sent on."""
    if not received:
        return stream.rest()
    return stream.feed(translate(received) if translate else received)


async def _ended(response: aiohttp.ClientResponse) -> None:
    """Read on to the end of the connection's message; whatever comes still is no part of the
    answer, and whatever goes wrong no fault of it."""
    try:
        async with asyncio.timeout(FAREWELL):
            while await response.content.readany():
                pass
    except (aiohttp.ClientError, OSError):  # TimeoutError among them
        response.close()
