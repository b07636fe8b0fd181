"""The line to the homeserver: requests by nio and past it, with what they may raise."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import nio
from pydantic import SecretStr

from bot.discretion import Discretion
from bot.matrix.answers import Answer, refusal
from domain.errors import Unreachable

MARGIN = 0.2
"""The part of an access token's life that is left when it is renewed."""

Renew = Callable[[str], Awaitable[None]]
"""Puts another access token in the place of the one that was used."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A new access token, and what the next one is got with."""

    access: SecretStr
    refresh: SecretStr | None
    """None when the old refresh token stays."""
    lifetime: float | None
    """Seconds; None for one that does not run out."""

    def renew_at(self, now: datetime) -> datetime | None:
        """When to get another one."""
        if self.lifetime is None:
            return None
        return now + timedelta(seconds=self.lifetime * (1 - MARGIN))


class Line:
    """Asks on behalf of one nio client."""

    def __init__(self, client: nio.AsyncClient, discretion: Discretion) -> None:
        self._client = client
        self._discretion = discretion
        self.renew: Renew | None = None
        """What to do about a login that ran out, if anything can be done."""
        self._token = ""

    @property
    def token(self) -> str:
        """What we prove ourselves with. nio forgets it when a request finds that it ran out, even
        if it has a newer one by then: it is reminded here."""
        if self._client.access_token:
            self._token = str(self._client.access_token)
        else:
            self._client.access_token = self._token
        return self._token

    def use(self, token: SecretStr) -> None:
        """Prove ourselves with another access token of the same device."""
        self._discretion.learn("access token", token)
        self._token = self._client.access_token = token.get_secret_value()

    async def ask(self, call: Any) -> Any:
        """Await a call of nio's. Raises what it answers for errors, and Unreachable for a login
        that ran out and is renewed: everybody asks again after that."""
        used = self.token
        try:
            answer = await call
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"the homeserver does not answer: {error or 'timeout'}") from error
        if isinstance(answer, nio.ErrorResponse):
            if answer.soft_logout and self.renew is not None:
                await self.renew(used)
                raise Unreachable("the login had run out and is renewed")
            code = str(answer.status_code or "")
            raise refusal(code, str(answer.message or ""), answer.retry_after_ms)
        return answer

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Answer:
        """A call that nio does not know, `path` from `/_matrix` on, with our access token.

        Whatever the homeserver answers is returned; raises Unreachable when it does not.
        """
        used = self.token
        answer = await self._request(method, path, body, used)
        if answer.status == 401 and answer.body.get("soft_logout") and self.renew is not None:
            await self.renew(used)
            answer = await self._request(method, path, body, self.token)
        return answer

    async def refresh(self, token: SecretStr) -> Tokens:
        """Use a refresh token. Raises LoggedOut when it is none (any more)."""
        self._discretion.learn("refresh token", token)
        body = {"refresh_token": token.get_secret_value()}
        got = (await self._request("POST", "/_matrix/client/v3/refresh", body, "")).expected()
        lifetime, another = got.get("expires_in_ms"), got.get("refresh_token")
        access = SecretStr(str(got["access_token"]))
        next_one = SecretStr(another) if isinstance(another, str) else None
        self._discretion.learn("access token", access)
        self._discretion.learn("refresh token", next_one)
        return Tokens(access, next_one, lifetime / 1000 if isinstance(lifetime, int) else None)

    async def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None, token: str
    ) -> Answer:
        data = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            response = await self._client.send(method, path, data, headers)
            answer = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unreachable(f"the homeserver does not answer: {error or 'timeout'}") from error
        return Answer(response.status, answer if isinstance(answer, dict) else {})
