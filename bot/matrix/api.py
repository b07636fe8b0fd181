"""The few Matrix calls the bot makes, with typed results. nio's oddities end here."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nio
from pydantic import SecretStr

from bot.discretion import Discretion
from bot.matrix.certainty import Certainty
from bot.matrix.content import transaction_id
from bot.matrix.crypto.keyring import DeviceStore, Keyring, KeyStore, WholeSyncs
from bot.matrix.crypto.senders import Senders
from bot.matrix.discreet import discreet, discreet_file
from bot.matrix.inbound import Event
from bot.matrix.line import Line
from bot.matrix.marks import marked
from bot.matrix.news import (
    FILTER,
    NO_ROOMS,
    TYPES,
    Invitation,
    Page,
    Sync,
    invitations_filter,
    inviter,
    news,
    page,
)

SYNC_TIMEOUT = 30_000
"""Milliseconds the homeserver may hold an answer back when nothing happens."""

_V3 = "/_matrix/client/v3"
_VIA = ("via", "server_name")
"""What servers call it since Matrix 1.12, and before."""

UPLOAD_TIMEOUT = 300.0
"""Seconds one file may take."""


@dataclass(frozen=True, slots=True)
class Login:
    """A device that may act for the account."""

    user_id: str
    device_id: str
    access_token: SecretStr


class MatrixApi:
    """One account on one homeserver. Whatever it says or uploads is masked here."""

    def __init__(
        self, homeserver: str, user_id: str, keys: KeyStore, discretion: Discretion
    ) -> None:
        keys.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = nio.AsyncClientConfig(
            store=DeviceStore,
            pickle_key=keys.passphrase.get_secret_value(),
            store_sync_tokens=False,
            max_limit_exceeded=0,
            max_timeouts=0,
            request_timeout=60,
        )
        self._client = WholeSyncs(homeserver, user_id, store_path=str(keys.folder), config=config)
        self._discretion = discretion
        self.line = Line(self._client, discretion)
        self._ask, self.request = self.line.ask, self.line.request
        self.keyring = Keyring(self._client, self._ask)
        self.senders = Senders(self._client, self.request)
        self.user_id = user_id
        self._filter = ""
        self._certainty = Certainty(self._client, self.line)

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
        token = SecretStr(answer.access_token)
        self._discretion.learn("access token", token)
        return Login(answer.user_id, answer.device_id, token)

    def restore(self, login: Login) -> None:
        """Use a device that exists."""
        self._client.restore_login(
            login.user_id, login.device_id, login.access_token.get_secret_value()
        )

    async def whoami(self, token: SecretStr) -> Login:
        """Whose token this is. Raises LoggedOut if it is nobody's."""
        self.line.use(token)
        answer = await self._ask(self._client.whoami())
        return Login(answer.user_id, answer.device_id or "", token)

    async def sync(self, since: str | None, *, everything: bool = False) -> Sync:
        """Wait for news. `everything` asks for the rooms' state too, as at each start."""
        wanted = await self._interest()
        encrypted = frozenset(self._client.encrypted_rooms)
        self._client.next_batch = ""  # else nio passes over an answer that goes no further
        answer = await self._ask(
            self._client.sync(
                timeout=0 if everything else SYNC_TIMEOUT,
                sync_filter=wanted,
                since=since,
                full_state=everything or None,
            )
        )
        self._certainty.synced()
        self.senders.changed({*answer.device_list.changed, *answer.device_list.left})
        brought = news(answer, self.user_id, self.name, encrypted)
        for room in brought.left:
            self._client.rooms.pop(room, None)
        if everything:
            self._certainty.all_known()
        return brought

    async def fetch_keys(self, since: str | None) -> None:
        """Take in what was sent to this device, keys above all, while another device of the account
        read the rooms: from where this one was left, None for its beginning.

        To be done before a sync that goes on from where the other was: the homeserver takes what
        lies before that for received.
        """
        while True:
            self._client.next_batch = ""
            answer = await self._ask(
                self._client.sync(timeout=0, sync_filter=NO_ROOMS, since=since)
            )
            since = answer.next_batch
            if not answer.to_device_events:
                return

    async def _interest(self) -> str:
        """The homeserver's name for our filter. One sent along is checked anew at every sync, which
        takes Synapse milliseconds."""
        if not self._filter:
            path = f"{_V3}/user/{quote(self.user_id, safe='')}/filter"
            self._filter = str((await self.request("POST", path, FILTER)).expected()["filter_id"])
        return self._filter

    async def invitations(self) -> tuple[Invitation, ...]:
        """Every room that somebody wants us in, however long ago they said so."""
        looking_for = json.dumps(invitations_filter(time.time_ns()))
        path = f"{_V3}/sync?timeout=0&filter={quote(looking_for, safe='')}"
        rooms = (await self.request("GET", path)).expected().get("rooms", {})
        return tuple(
            Invitation(room, inviter(info["invite_state"]["events"], self.user_id))
            for room, info in rooms.get("invite", {}).items()
        )

    async def earlier(self, room: str, before: str, until: str) -> Page:
        """A page of events before one point and after another."""
        answer = await self._ask(
            self._client.room_messages(
                room,
                start=before,
                end=until,
                limit=500,
                direction=nio.MessageDirection.back,
                message_filter={"types": TYPES},
            )
        )
        return page(answer)

    async def send(self, room: str, content: Mapping[str, Any], transaction: str) -> str:
        """Say something, its secrets masked; the same transaction id says it once. Returns the
        event id.

        Raises RateLimited, TooLarge, LoggedOut, Refused (a clear no) or Unreachable.
        """
        content = discreet(content, self._discretion)
        async with self._certainty.turn(room):
            await self._certainty.make_sure(room)
        kind, said = "m.room.message", marked(content, transaction)
        if self.encrypted(room):
            await self.keyring.share(room)
            kind, said = self.keyring.seal(room, kind, said)
            said = marked(said, transaction)
        path = f"{_V3}/rooms/{quote(room, safe='')}/send/{kind}/{transaction}"
        return str((await self.request("PUT", path, said)).expected()["event_id"])

    async def remove(self, room: str, event_id: str, why: str = "") -> None:
        """Take a message away. Raises Forbidden where we lack the power, or as `send`."""
        what = f"{quote(room, safe='')}/redact/{quote(event_id, safe='')}"
        transaction = transaction_id("remove", event_id)
        path = f"{_V3}/rooms/{what}/{transaction}"
        (await self.request("PUT", path, {"reason": why} if why else {})).expected()

    async def upload(
        self, data: bytes, name: str, mimetype: str, *, encrypt: bool, secret: bool = False
    ) -> dict[str, Any]:
        """Put a file on the homeserver, the secrets in text masked unless it is `secret`: that
        hands one over. Returns what a message that offers it says of it.

        Encrypted, the homeserver carries what it cannot read: the key is in the message. Raises
        as `send` does.
        """
        keys: dict[str, Any] = {}
        name = self._discretion.masked(name)
        if not secret:
            data = discreet_file(data, mimetype, self._discretion)

        async def put() -> Any:
            async with asyncio.timeout(UPLOAD_TIMEOUT):
                answer, made = await self._client.upload(
                    io.BytesIO(data), mimetype, None if encrypt else name, encrypt, None, len(data)
                )
            keys.update(made or {})
            return answer

        url = str((await self._ask(put())).content_uri)
        where = {"file": {**keys, "url": url}} if encrypt else {"url": url}
        return {**where, "info": {"mimetype": mimetype, "size": len(data)}}

    async def join(self, room: str, via: Sequence[str] = ()) -> None:
        """Go into a room, by way of these servers if ours does not know it. Raises as `send`."""
        servers = "&".join(f"{key}={quote(each)}" for each in via for key in _VIA)
        path = f"{_V3}/join/{quote(room, safe='')}?{servers}"
        (await self.request("POST", path, {})).expected()

    async def state(self, room: str, kind: str, key: str = "") -> Event | None:
        """A state event of a room as it is now, whole; None when the room has none. Raises as
        `send` does."""
        where = f"{quote(room, safe='')}/state/{kind}/{quote(key, safe='')}"
        path = f"{_V3}/rooms/{where}?format=event"
        answer = await self.request("GET", path)
        return None if answer.errcode == "M_NOT_FOUND" else answer.expected()

    def knows(self, room: str) -> bool:
        """Whether a sync has shown us in that room."""
        return room in self._client.rooms

    def name(self, room: str) -> str:
        """What people call a room; "" when it has no name."""
        known = self._client.rooms.get(room)
        return str((known and known.named_room_name()) or "")

    async def leave(self, room: str) -> None:
        """Decline an invitation, or go."""
        await self._ask(self._client.room_leave(room))

    async def room_id(self, alias: str) -> str:
        """The room behind an alias. Raises Refused when there is none."""
        answer = await self._ask(self._client.room_resolve_alias(alias))
        return str(answer.room_id)

    async def is_encrypted(self, room: str) -> bool:
        """Whether the room is encrypted, asked now. Raises Unreachable when that cannot be told."""
        await self._certainty.make_sure(room)
        return self.encrypted(room)

    def encrypted(self, room: str) -> bool:
        """Whether the room is known to be encrypted."""
        return self._certainty.encrypted(room)

    async def aclose(self) -> None:
        """Close connections; the device stays."""
        await self._client.close()
