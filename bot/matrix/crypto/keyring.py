"""The device's keys, as nio keeps them: upkeep after each sync, and late readings."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import nio
import structlog
from nio.exceptions import EncryptionError
from pydantic import SecretStr

from bot.matrix.inbound import Event
from domain.errors import OpsError, Unreachable

log = structlog.get_logger()

_ROUNDS = 3
"""How often to try: people may join, and devices appear, while keys are being shared."""

Ask = Callable[[Awaitable[Any]], Awaitable[Any]]
"""Awaits a call of nio's and raises what it answers for errors."""


@dataclass(frozen=True, slots=True)
class KeyStore:
    """Where a device's keys are kept, and under what passphrase."""

    folder: Path
    passphrase: SecretStr


class DeviceStore(nio.store.SqliteStore):  # type: ignore[misc]
    """nio's store of keys, without the writing of nothing after every sync."""

    def save_encrypted_rooms(self, rooms: Collection[str]) -> None:
        """Remember rooms that turned out to be encrypted, if there are any."""
        if rooms:
            super().save_encrypted_rooms(rooms)


class WholeSyncs(nio.AsyncClient):  # type: ignore[misc]
    """nio's client, that keeps all keys of a sync or none.

    nio keeps a ratchet first and then the key that came by it. Killed in between, it would be given
    the same message again and could not read it any more.
    """

    async def receive_response(self, response: nio.Response) -> None:
        """As nio does, in one transaction of the key store."""
        if self.store is None:
            await super().receive_response(response)
            return
        with self.store.database.atomic():
            await super().receive_response(response)


class Keyring:
    """What end-to-end encryption needs done besides sending and reading."""

    def __init__(self, client: nio.AsyncClient, ask: Ask) -> None:
        self._client = client
        self._ask = ask
        self._sharing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """Two who share one room's key at a time would give it twice, or half."""

    async def tend(self) -> None:
        """Publish our keys, learn those of others, answer who asked for some.

        Never raises: what fails now is due again after the next sync.
        """
        client = self._client
        if client.olm is None:
            return
        try:
            if client.should_upload_keys:
                await self._ask(client.keys_upload())
            if client.should_query_keys:
                await self._ask(client.keys_query())
            if client.should_claim_keys:
                with _claiming():
                    await self._ask(client.keys_claim(client.get_users_for_key_claiming()))
            for answer in await self._ask(client.send_to_device_messages()):
                if isinstance(answer, nio.ErrorResponse):
                    log.warning("to-device message not sent", why=str(answer.message))
        except (OpsError, nio.LocalProtocolError) as error:
            log.warning("keys not tended", why=str(error))

    async def share(self, room: str) -> None:
        """See that all devices in an encrypted room have the key of what is said there next.

        Raises what `ask` raises, and Unreachable while a device could not be told: say nothing
        then, for it would never be able to read that. Left to itself nio says it all the same,
        and hangs for good when cancelled in the middle.
        """
        async with self._sharing[room]:
            await self._share_once(room)

    def seal(self, room: str, kind: str, content: Event) -> tuple[str, dict[str, Any]]:
        """An event's type and content, encrypted. To be called at once after `share`; raises
        Unreachable where that has not been done."""
        try:
            sealed: tuple[str, dict[str, Any]] = self._client.encrypt(room, kind, dict(content))
        except (EncryptionError, nio.LocalProtocolError) as error:
            raise Unreachable(f"nothing can be encrypted for {room} yet: {error}") from error
        return sealed

    async def _share_once(self, room: str) -> None:
        client = self._client
        if not client.rooms[room].members_synced:
            await self._ask(client.joined_members(room))
        self._forget_those_who_left(room)
        for _ in range(_ROUNDS):
            if client.should_query_keys:
                await self._ask(client.keys_query())
            if not client.olm.should_share_group_session(room) and not self._untold(room):
                return
            await self._share(room)
        raise Unreachable(f"not everybody in {room} could be given its key")

    async def _share(self, room: str) -> None:
        """What nio's `share_group_session` does, which takes no failure for one."""
        client, olm = self._client, self._client.olm
        if missing := client.get_missing_sessions(room):
            with _claiming():
                await self._ask(client.keys_claim(missing))
        session = olm.outbound_group_sessions.get(room)
        if session is not None and not session.expired:
            session.shared = False  # go on with those who were not told
        users = list(client.rooms[room].users)
        for told, messages in olm.share_group_session_parallel(room, users, True):
            await self._tell(messages)
            olm.outbound_group_sessions[room].users_shared_with.update(told)
        olm.outbound_group_sessions[room].shared = True

    async def _tell(self, messages: Mapping[str, Any]) -> None:
        """Send messages to devices. Raises unless the homeserver took them."""
        token = self._client.access_token
        method, path, body = nio.Api.to_device(token, "m.room.encrypted", messages, uuid4())
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        bare = path.partition("?")[0]
        answer = await self._ask(self._client.send(method, bare, body, headers))
        answer.release()
        if answer.status != 200:
            raise Unreachable(f"the homeserver did not pass keys on (HTTP {answer.status})")

    def _forget_those_who_left(self, room: str) -> None:
        """Begin with a new key if need be: nio misses it where `joined_members` came first."""
        session = self._client.olm.outbound_group_sessions.get(room)
        told = {user for user, _ in session.users_shared_with} if session else set()
        if told - self._client.rooms[room].users.keys():
            self._client.invalidate_outbound_session(room)

    def _untold(self, room: str) -> set[tuple[str, str]]:
        """Devices that could be told the key and were not."""
        client = self._client
        session = client.olm.outbound_group_sessions.get(room)
        if session is None:
            return set()
        told: set[tuple[str, str]] = session.users_shared_with | session.users_ignored
        able = {
            (user, device.id)
            for user in client.rooms[room].users
            for device in client.device_store.active_user_devices(user)
            if device.id != client.device_id and client.olm.session_store.get(device.curve25519)
        }
        return able - told

    def open(self, room: str, event: Event) -> Event | None:
        """The event in clear, now that its key may have come; None while it has not."""
        parsed = nio.Event.parse_encrypted_event(dict(event))
        if not isinstance(parsed, nio.MegolmEvent):
            return None
        parsed.room_id = room
        try:
            opened = self._client.decrypt_event(parsed)
        except EncryptionError:
            return None
        source: Event = opened.source
        return source

    async def request(self, room: str, event: Event) -> None:
        """Ask our own devices and the sender's for the key of an event. Never raises."""
        parsed = nio.Event.parse_encrypted_event(dict(event))
        if not isinstance(parsed, nio.MegolmEvent):
            return
        parsed.room_id = room
        client = self._client
        for user, device in ((client.user_id, "*"), (parsed.sender, parsed.device_id)):
            message = parsed.as_key_request(user, client.device_id, device_id=device)
            try:
                await self._ask(client.to_device(message))
            except (OpsError, nio.LocalProtocolError) as error:
                log.warning("key not asked for", event_id=parsed.event_id, why=str(error))


@contextmanager
def _claiming() -> Iterator[None]:
    """nio trips over its own error class when the homeserver says no to a claim of keys."""
    try:
        yield
    except TypeError as error:
        raise Unreachable("the homeserver did not give out keys of others") from error
