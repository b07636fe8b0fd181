"""Keeps reading the rooms, and files every command before anything is done about it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import structlog

from bot.matrix.api import Invitation, LoggedOut, MatrixApi, RateLimited, Sync, Timeline
from bot.matrix.inbound import Event, Message, messages
from domain.clock import Clock
from domain.errors import OpsError, Refused, Unreachable

log = structlog.get_logger()

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
"""Seconds between attempts while the homeserver does not answer."""

File = Callable[[str, Sequence[Message]], Awaitable[None]]
"""Keep the token and the messages, all or nothing."""


class Session:
    """One supervised sync loop. Nothing slow runs inside it."""

    def __init__(
        self,
        api: MatrixApi,
        file: File,
        welcome: Callable[[Invitation], bool],
        clock: Clock,
        token: str | None,
    ) -> None:
        self._api = api
        self._file = file
        self._welcome = welcome
        self._clock = clock
        self._token = token
        self._known = False
        self.caught_up = asyncio.Event()
        """Set once everything said while the bot was away is filed."""

    async def run(self) -> None:
        """Read, for ever. Raises LoggedOut when the account is no longer ours."""
        wait = FIRST_WAIT
        while True:
            try:
                await self.step()
                wait = FIRST_WAIT
            except RateLimited as error:
                await self._clock.sleep(error.seconds)
            except (Unreachable, Refused) as error:
                log.warning("cannot sync", why=error.summary, wait=wait)
                await self._clock.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                wait = min(wait * 2, LONGEST_WAIT)

    async def step(self) -> None:
        """Read what is new and file it. Should this fail half-way, it is read again."""
        news = await self._api.sync(self._token, everything=not self._known)
        found = await self._messages(news) if self._token else []
        await self._file(news.token, found)
        self._token, self._known = news.token, True
        self.caught_up.set()
        for invitation in news.invitations:
            await self._answer(invitation)

    async def _messages(self, news: Sync) -> list[Message]:
        found: list[Message] = []
        for timeline in news.timelines:
            missed = await self._missed(timeline) if timeline.limited else []
            events = [*missed, *timeline.events]
            found += messages(events, timeline.room, self._api.user_id)
        return found

    async def _missed(self, timeline: Timeline) -> list[Event]:
        """What lies between the last sync and a limited timeline, oldest first."""
        missed: list[Event] = []
        before = timeline.before
        while before and self._token:
            page, before = await self._api.earlier(timeline.room, before, self._token)
            missed += page
            if not page:
                break
        log.info("gap filled", room=timeline.room, events=len(missed))
        return missed[::-1]

    async def _answer(self, invitation: Invitation) -> None:
        try:
            if self._welcome(invitation):
                await self._api.join(invitation.room)
                log.info("joined", room=invitation.room, invited_by=invitation.sender)
            else:
                await self._api.leave(invitation.room)
                log.warning("invitation declined", room=invitation.room, by=invitation.sender)
        except LoggedOut:
            raise
        except OpsError as error:
            log.warning("invitation unanswered", room=invitation.room, why=error.summary)
