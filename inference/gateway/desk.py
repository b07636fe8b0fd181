"""Takes the requests that come over HTTP, and sees that each is answered and told of once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import aclosing

from aiohttp import web

from domain.clock import Clock
from domain.errors import OpsError, UnknownName
from domain.usage import Fault
from inference.gateway.admission import Admission
from inference.gateway.asked import PATHS, Asked, read
from inference.gateway.attempt import Opening
from inference.gateway.misses import CutOff
from inference.gateway.pages import answered, body_of, marked, model_page, opened, session_of
from inference.gateway.problems import GONE, problem
from inference.gateway.relay import Relay
from inference.gateway.streams import broken_off
from inference.gateway.tally import Caller, Listener, Tally
from inference.goals import Goal, unknown_model
from inference.patience import Patience

TAKEN_WITHIN = 60.0
"""Seconds a client may leave what was sent lying, before it is taken to be gone."""


class Desk:
    """Handlers for an aiohttp application."""

    def __init__(
        self,
        relay: Relay,
        admission: Admission,
        clock: Clock,
        ended: Listener,
        affinity: str = "none",
    ) -> None:
        self._relay = relay
        self._router = relay.router
        self._admission = admission
        self._clock = clock
        self._ended = ended
        self._affinity = affinity

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """One of OpenAI's four calls."""
        api = PATHS[request.path]
        try:
            caller = self._admission.caller(request.headers.get("Authorization"))
            asked = read(api, await body_of(request))
            goal = self._goal(caller, asked)
        except OpsError as error:
            return answered(problem(error).answer)
        return await self._serve(request, caller, asked, goal)

    async def models(self, request: web.Request) -> web.StreamResponse:
        """`/v1/models`: every name that can be asked for, also of what is asleep."""
        try:
            caller = self._admission.caller(request.headers.get("Authorization"))
            names = self._mine(caller, self._router.offered)
            wanted = request.match_info.get("name")
            if wanted is None:
                listed = {"object": "list", "data": [model_page(name) for name in names]}
                return web.json_response(listed)
            if wanted not in names:
                raise unknown_model(wanted, names)
        except OpsError as error:
            return answered(problem(error).answer)
        return web.json_response(model_page(wanted))

    def _goal(self, caller: Caller, asked: Asked) -> Goal:
        """What may be asked. A name that is not for the caller is one that is not there."""
        try:
            goal = self._router.goal(asked.model, asked.backend)
        except UnknownName:
            mine = self._mine(caller)
            if len(mine) == len(self._router.names):
                raise  # nothing that it tells of is not for the caller
            raise unknown_model(asked.backend or asked.model, mine) from None
        if not self._admission.may(caller, goal.name):
            raise unknown_model(asked.backend or asked.model, self._mine(caller))
        self._admission.admit(caller, goal.name)
        return goal

    def _mine(self, caller: Caller, names: Iterable[str] | None = None) -> list[str]:
        """Those that are for the caller. Behind a backend's name everything is for whom it is."""
        known = self._router.names if names is None else names
        return [n for n in known if self._admission.may(caller, n.partition("/")[0])]

    async def _serve(
        self, request: web.Request, caller: Caller, asked: Asked, goal: Goal
    ) -> web.StreamResponse:
        tally = Tally(caller, goal.name, asked.api, self._clock, streamed=asked.stream)
        affinity = self._drawn_to(request, asked)
        status: int = 500
        fault: Fault | None = Fault.FAILED
        try:
            if asked.stream:
                response, fault = await self._stream(request, asked, goal, tally, affinity)
            else:
                whole = await self._relay.whole(asked, goal, tally, affinity)
                whole = marked(whole, asked, tally.endpoint)
                response, fault = answered(whole, tally.endpoint), None
            status = response.status
        except OpsError as error:
            told = problem(error)
            response = answered(told.answer, tally.endpoint)
            status, fault = response.status, told.fault
        except (asyncio.CancelledError, OSError):  # the client's own connection, or its patience
            status, fault = GONE, Fault.GONE
            raise
        finally:
            self._ended(tally.closed(status, fault))
        return response

    async def _stream(
        self,
        request: web.Request,
        asked: Asked,
        goal: Goal,
        tally: Tally,
        affinity: str | None,
    ) -> tuple[web.StreamResponse, Fault | None]:
        """Send a stream on as it comes. What goes wrong after content is told in the stream."""
        parts = self._relay.stream(asked, goal, tally, affinity)
        patience = Patience(TAKEN_WITHIN)
        patience.pause()
        response = web.StreamResponse()
        async with aclosing(parts), patience:
            try:
                async for part in parts:
                    patience.resume()
                    if isinstance(part, Opening):
                        response = opened(part, tally.endpoint)
                        await response.prepare(request)
                    else:
                        await response.write(part)
                    patience.pause()
            except CutOff as error:
                if not error.told:
                    await response.write(broken_off(error.summary))
                return response, error.fault
        return response, None

    def _drawn_to(self, request: web.Request, asked: Asked) -> str | None:
        if self._affinity == "prefix":
            return asked.prefix
        return session_of(request, asked) if self._affinity == "session" else None
