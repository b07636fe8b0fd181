"""The few Matrix calls the bot makes, with typed results. nio's oddities end here."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import nio
from pydantic import SecretStr

from bot.matrix.inbound import Event
from bot.matrix.keyring import Keyring, KeyStore
from domain.errors import OpsError, Refused, Unreachable

SYNC_TIMEOUT = 30_000
"""Milliseconds the homeserver may hold an answer back when nothing happens."""

_TYPES = ["m.room.message", "m.room.encrypted", "m.room.member", "m.room.encryption"]
_NOTHING: dict[str, list[str]] = {"types": []}
FILTER: dict[str, Any] = {
    "presence": _NOTHING,
    "account_data": _NOTHING,
    "room": {
        "timeline": {"limit": 200, "types": _TYPES},
        "state": {"lazy_load_members": True, "types": ["m.room.member", "m.room.encryption"]},
        "ephemeral": _NOTHING,
        "account_data": _NOTHING,
    },
}
"""The default of 10 events a room and sync loses commands whenever 11 come at once."""


SURE_FOR = 0.25
"""Seconds for which a room that was found unencrypted is not asked about again."""

_KEY_EVENTS = (nio.RoomKeyEvent, nio.ForwardedRoomKeyEvent)


class LoggedOut(OpsError):
    """The homeserver no longer takes our token: nothing will work until somebody acts."""


class TooLarge(OpsError):
    """The homeserver will not take an event of that size."""


class RateLimited(OpsError):
    """The homeserver asks us to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the homeserver asks for {seconds:.1f} s of patience")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened in one room since the last sync."""

    room: str
    events: tuple[Event, ...]
    limited: bool
    """True when there is more between the last sync and the first of these events."""
    before: str | None
    """Where to go on backwards from."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """Somebody wants us in a room."""

    room: str
    sender: str


@dataclass(frozen=True, slots=True)
class Sync:
    """One answer of the homeserver to "what is new?"."""

    token: str
    timelines: tuple[Timeline, ...]
    invitations: tuple[Invitation, ...]
    keys_came: bool = False
    """True when keys came with it, so that events that were sealed may open now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the homeserver said to a request that nio does not know."""

    status: int
    body: Mapping[str, Any]

    @property
    def errcode(self) -> str | None:
        """Matrix's code for what is wrong, if something is."""
        return self.body.get("errcode")


@dataclass(frozen=True, slots=True)
class Login:
    """A device that may act for the account."""

    user_id: str
    device_id: str
    access_token: SecretStr


class MatrixApi:
    """One account on one homeserver."""

    def __init__(self, homeserver: str, user_id: str, keys: KeyStore) -> None:
        keys.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = nio.AsyncClientConfig(
            store=nio.store.SqliteStore,
            pickle_key=keys.passphrase.get_secret_value(),
            store_sync_tokens=False,
            max_limit_exceeded=0,
            max_timeouts=0,
            request_timeout=60,
        )
        self._client = nio.AsyncClient(
            homeserver, user_id, store_path=str(keys.folder), config=config
        )
        self.keyring = Keyring(self._client, self._ask)
        self.user_id = user_id
        self._sure_until: dict[str, float] = {}

    @property
    def client(self) -> nio.AsyncClient:
        """nio's side of it, for what else in this package deals in keys."""
        return self._client

    def has_keys(self, device_id: str) -> bool:
        """Whether the keys of a device are in the key store."""
        return Path(self._client.store_path, f"{self.user_id}_{device_id}.db").exists()

    async def log_in(self, password: SecretStr, device_id: str | None) -> Login:
        """Make (or take up again) a device by password. Raises LoggedOut or Unreachable."""
        if device_id:
            self._client.device_id = device_id
        answer = await self._ask(
            self._client.login(password.get_secret_value(), device_name="Gantry")
        )
        return Login(answer.user_id, answer.device_id, SecretStr(answer.access_token))

    def restore(self, login: Login) -> None:
        """Use a device that exists."""
        self._client.restore_login(
            login.user_id, login.device_id, login.access_token.get_secret_value()
        )

    async def whoami(self, token: SecretStr) -> Login:
        """Whose token this is. Raises LoggedOut if it is nobody's."""
        self._client.access_token = token.get_secret_value()
        answer = await self._ask(self._client.whoami())
        return Login(answer.user_id, answer.device_id or "", token)

    async def sync(self, since: str | None, *, everything: bool = False) -> Sync:
        """Wait for news. `everything` asks for the rooms' state too, as at each start."""
        self._client.next_batch = since or ""  # nio passes over an answer it has seen before
        answer = await self._ask(
            self._client.sync(
                timeout=0 if everything else SYNC_TIMEOUT,
                sync_filter=FILTER,
                since=since,
                full_state=everything or None,
            )
        )
        timelines = tuple(
            Timeline(
                room,
                tuple(event.source for event in info.timeline.events),
                bool(info.timeline.limited),
                info.timeline.prev_batch,
            )
            for room, info in answer.rooms.join.items()
        )
        invitations = tuple(
            Invitation(room, self._inviter(info.invite_state))
            for room, info in answer.rooms.invite.items()
        )
        keys = any(isinstance(event, _KEY_EVENTS) for event in answer.to_device_events)
        return Sync(answer.next_batch, timelines, invitations, keys)

    async def earlier(self, room: str, before: str, until: str) -> tuple[list[Event], str | None]:
        """A page of events before one point and after another, newest first, and where the
        next page begins (None at the end)."""
        answer = await self._ask(
            self._client.room_messages(
                room,
                start=before,
                end=until,
                limit=500,
                direction=nio.MessageDirection.back,
                message_filter={"types": _TYPES},
            )
        )
        return [event.source for event in answer.chunk], answer.end

    async def send(self, room: str, content: Mapping[str, Any], transaction: str) -> str:
        """Say something; the same transaction id says it once. Returns the event id.

        Raises RateLimited, TooLarge, LoggedOut, Refused (a clear no) or Unreachable.
        """
        await self._be_sure(room)
        if self.encrypted(room):
            await self.keyring.share(room)
        call = self._client.room_send(
            room, "m.room.message", dict(content), transaction, ignore_unverified_devices=True
        )
        return str((await self._ask(call)).event_id)

    async def join(self, room: str) -> None:
        """Accept an invitation. Raises as `send` does."""
        await self._ask(self._client.join(room))

    async def leave(self, room: str) -> None:
        """Decline an invitation, or go."""
        await self._ask(self._client.room_leave(room))

    async def room_id(self, alias: str) -> str:
        """The room behind an alias. Raises Refused when there is none."""
        answer = await self._ask(self._client.room_resolve_alias(alias))
        return str(answer.room_id)

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Answer:
        """A call that nio does not know, `path` from `/_matrix` on, with our access token.

        Whatever the homeserver answers is returned; raises Unreachable when it does not.
        """
        data = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {self._client.access_token}"}
        try:
            response = await self._client.send(method, path, data, headers)
            answer = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unreachable(f"the homeserver does not answer: {error or 'timeout'}") from error
        return Answer(response.status, answer if isinstance(answer, dict) else {})

    def encrypted(self, room: str) -> bool:
        """Whether the room is known to be encrypted."""
        known = self._client.rooms.get(room)
        return bool(known and known.encrypted)

    async def _be_sure(self, room: str) -> None:
        """Before anything is sent in the clear: ask whether the room is still as we know it.

        Encryption may have been turned on since the last sync. Once on, it stays on.
        """
        known = self._client.rooms.get(room)
        if known is None:
            raise Unreachable(f"{room} is not known yet")
        if known.encrypted or time.monotonic() < self._sure_until.get(room, 0.0):
            return
        path = f"/_matrix/client/v3/rooms/{quote(room, safe='')}/state/m.room.encryption"
        answer = await self.request("GET", path)
        if answer.status == 200:
            known.encrypted = True
        elif answer.errcode != "M_NOT_FOUND":
            raise Unreachable(f"whether {room} is encrypted cannot be told: {answer.errcode}")
        self._sure_until[room] = time.monotonic() + SURE_FOR

    async def aclose(self) -> None:
        """Close connections; the device stays."""
        await self._client.close()

    def _inviter(self, state: list[Any]) -> str:
        for event in state:
            if getattr(event, "state_key", None) == self.user_id:
                return str(event.sender)
        return ""

    async def _ask(self, call: Any) -> Any:
        try:
            answer = await call
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"the homeserver does not answer: {error or 'timeout'}") from error
        if isinstance(answer, nio.ErrorResponse):
            raise _error(answer)
        return answer


def _error(answer: nio.ErrorResponse) -> OpsError:
    status = str(answer.status_code or "")
    said = f"{answer.message or 'no reason given'} ({status or 'no code'})"
    if status in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_USER_DEACTIVATED"):
        return LoggedOut(
            f"the homeserver no longer accepts the bot's login: {said}",
            hint="check the account, then remove the old login or give a new token or password",
        )
    if status == "M_LIMIT_EXCEEDED" or answer.retry_after_ms:
        return RateLimited((answer.retry_after_ms or 5000) / 1000)
    if status == "M_TOO_LARGE":
        return TooLarge(said)
    if status.startswith("M_") and status != "M_UNKNOWN":
        return Refused(f"the homeserver says no: {said}")
    return Unreachable(f"the homeserver answered oddly: {said}")
