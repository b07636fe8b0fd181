"""Room keys on the homeserver, so that a lost store does not lose what was said.

Specification: "Server-side key backups". The private key lives in secret storage and is there
before the backup is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote

import structlog

from bot.matrix.crypto.asking import CLIENT, Request, ask, look_for, refusal
from bot.matrix.crypto.backup_key import ALGORITHM, BackupKey
from bot.matrix.crypto.cross_signing import Identity
from bot.matrix.crypto.encoding import mapping
from bot.matrix.crypto.recovery_key import RecoveryKey
from bot.matrix.crypto.room_keys import RoomKey
from bot.matrix.crypto.secret_storage import Vault
from bot.matrix.crypto.signatures import sign
from domain.errors import Refused

log = structlog.get_logger()

_SECRET = "m.megolm_backup.v1"  # noqa: S105 - the name of one
_BATCH = 100
"""Room keys in one request, about a kilobyte each."""

_NEVER = 1 << 32
"""Later than any message."""

Place = tuple[str, str]
"""Room and session."""


@dataclass(frozen=True, slots=True)
class _Version:
    """One backup on the homeserver, and what opens it."""

    number: str
    key: BackupKey


class _Replaced(Exception):
    """There is a newer backup than the one we write to, or ours is gone."""


class KeyBackup:
    """The account's current backup."""

    def __init__(
        self, request: Request, identity: Identity, vault: Vault, version: _Version
    ) -> None:
        self._request = request
        self._identity = identity
        self._vault = vault
        self._version = version
        self._there: dict[Place, int] | None = None
        """First index of what is in the backup; None until the homeserver was asked."""

    @classmethod
    async def open(cls, request: Request, identity: Identity, recovery: RecoveryKey) -> KeyBackup:
        """Find the account's backup, or make one. Safe to repeat.

        One whose key is not in secret storage is left behind as it is and a new one is made.
        Raises Refused when the recovery key opens nothing; RateLimited, LoggedOut, Unreachable.
        """
        vault = await Vault.open(request, identity.user_id, recovery)
        if vault is None:
            raise Refused(f"the recovery key does not open the secrets of {identity.user_id}")
        return cls(request, identity, vault, await _current(request, identity, vault))

    @property
    def version(self) -> str:
        """Its name on the homeserver."""
        return self._version.number

    async def upload(self, keys: Iterable[RoomKey]) -> int:
        """Add the keys that are not in the backup yet. How many those were.

        What is there is asked once and remembered, so this may be called often, with
        everything. Raises Refused, RateLimited, LoggedOut or Unreachable; what went before
        stays and is not sent again.
        """
        known = list(keys)
        try:
            return await self._add(known)
        except _Replaced:
            self._version = await _current(self._request, self._identity, self._vault)
            self._there = None
            log.warning("the backup of room keys was replaced", now=self.version)
        try:
            return await self._add(known)
        except _Replaced:
            raise Refused(
                "somebody keeps replacing the backup of room keys",
                hint="log other clients out of the bot's account",
            ) from None

    async def restore(self) -> list[RoomKey]:
        """Every key in the backup that is readable; the others are logged and left out."""
        found, unreadable = [], 0
        user_id, key = self._identity.user_id, self._version.key
        for (room, session), kept in (await self._kept()).items():
            room_key = key.unseal(room, session, kept, user_id)
            if room_key:
                found.append(room_key)
            else:
                unreadable += 1
        if unreadable:
            log.warning("room keys in the backup are unreadable", count=unreadable)
        return found

    async def _add(self, keys: Sequence[RoomKey]) -> int:
        if self._there is None:
            self._there = {
                place: _first_index(kept) for place, kept in (await self._kept()).items()
            }
        there = self._there
        missing = [key for key in keys if key.first_index < there.get(_place(key), _NEVER)]
        rest = iter(missing)
        while batch := list(islice(rest, _BATCH)):
            await self._put(batch)
            there.update((_place(key), key.first_index) for key in batch)
        return len(missing)

    async def _put(self, keys: Sequence[RoomKey]) -> None:
        rooms: dict[str, Any] = {}
        for key in keys:
            sealed = self._version.key.seal(key, self._identity.user_id)
            rooms.setdefault(key.room, {"sessions": {}})["sessions"][key.session_id] = sealed
        answer = await self._request("PUT", CLIENT + self._path(), {"rooms": rooms})
        if answer.errcode in ("M_WRONG_ROOM_KEYS_VERSION", "M_NOT_FOUND"):
            raise _Replaced
        if answer.status != 200:
            raise refusal(answer, "PUT /room_keys/keys")

    async def _kept(self) -> dict[Place, Mapping[str, Any]]:
        """What the homeserver has, sealed."""
        rooms = mapping((await look_for(self._request, self._path()) or {}).get("rooms"))
        return {
            (room, session): mapping(kept)
            for room, inside in rooms.items()
            for session, kept in mapping(mapping(inside).get("sessions")).items()
        }

    def _path(self) -> str:
        return f"/room_keys/keys?version={quote(self._version.number, safe='')}"


def _place(key: RoomKey) -> Place:
    return key.room, key.session_id


def _first_index(kept: Mapping[str, Any]) -> int:
    index = kept.get("first_message_index")
    return index if isinstance(index, int) else _NEVER


async def _current(request: Request, identity: Identity, vault: Vault) -> _Version:
    """The current backup if we have its key, else a new one."""
    secret = await vault.read(_SECRET)
    key = BackupKey.from_secret(secret) if secret else None
    there = await look_for(request, "/room_keys/version")
    if there and key and _opens(key, there):
        return _Version(str(there["version"]), key)
    if there:
        log.warning("the backup of room keys has a key unknown to us", left=there.get("version"))
    if key is None:
        key = BackupKey.generate()
        await vault.write(_SECRET, key.to_secret())
    data = sign({"public_key": key.public}, identity.user_id, identity.keys["master"])
    body = {"algorithm": ALGORITHM, "auth_data": data}
    made = await ask(request, "POST", "/room_keys/version", body)
    log.info("backup of room keys made", version=made["version"])
    return _Version(str(made["version"]), key)


def _opens(key: BackupKey, there: Mapping[str, Any]) -> bool:
    public = mapping(there.get("auth_data")).get("public_key")
    return there.get("algorithm") == ALGORITHM and public == key.public
