"""Renews an access token that runs out, by a refresh token that is another one each time."""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog
from pydantic import SecretStr

from bot.matrix.answers import RateLimited
from bot.matrix.api import MatrixApi
from domain.clock import Clock
from domain.errors import Unreachable
from fleet.store.database import Store

log = structlog.get_logger()

LOOK_EVERY = 3600.0
"""Seconds: a clock may be set meanwhile."""

WAIT = 5.0
"""Seconds between attempts."""


class Renewal:
    """One login that is never let run out while the bot runs."""

    def __init__(
        self, api: MatrixApi, store: Store, refresh: SecretStr, at: datetime | None, clock: Clock
    ) -> None:
        self._api = api
        self._store = store
        self._refresh = refresh
        self._at = at
        """When it is time; None when it never is."""
        self._clock = clock
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Renew in good time, for ever. Raises LoggedOut when the refresh token is not taken."""
        while True:
            now = self._clock.now()
            if self._at is None or self._at > now:
                left = (self._at - now).total_seconds() if self._at else LOOK_EVERY
                await self._clock.sleep(min(left, LOOK_EVERY))
                continue
            try:
                await self.renew(self._api.line.token)
            except RateLimited as error:
                await self._clock.sleep(error.seconds)
            except Unreachable as error:
                log.warning("login not renewed yet", why=error.summary)
                await self._clock.sleep(WAIT)

    async def renew(self, used: str) -> None:
        """Put another access token in the place of one that was used, unless somebody did.

        What is got is kept before it is used: a homeserver lets go of the old refresh token when
        it sees one of the new. Raises LoggedOut, Unreachable and RateLimited.
        """
        async with self._turn:
            if self._api.line.token != used:
                return
            got = await self._api.line.refresh(self._refresh)
            self._refresh = got.refresh or self._refresh
            self._at = got.renew_at(self._clock.now())
            access, refresh = got.access.get_secret_value(), self._refresh.get_secret_value()
            async with self._store.transaction() as tx:
                await tx.positions.renewed(self._api.user_id, access, refresh, self._at)
            self._api.line.use(got.access)
            log.info("login renewed", again_at=str(self._at))
