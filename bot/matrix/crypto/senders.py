"""Which device encrypted what was said, and whether its owner's identity vouches for that device.

Specification: "Device keys", "Cross-signing". Who sent an event is what the homeserver says; which
device encrypted it is proven, and so is what the owner's keys have signed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import nio
import structlog

from bot.matrix.answers import LoggedOut
from bot.matrix.crypto.asking import Request, ask
from bot.matrix.crypto.encoding import mapping
from bot.matrix.crypto.published_keys import Published, judge, published
from bot.matrix.inbound import text_of
from domain.errors import OpsError

log = structlog.get_logger()

WITHIN = 1.0
"""Seconds in which keys are to be had. What was said is filed then, with them or without."""

NOT_AGAIN_FOR = 10.0
"""Seconds for which keys that could not be had are not asked for again."""


@dataclass(frozen=True, slots=True)
class Seal:
    """The room key that an event was encrypted with, by the names it has there."""

    sender_key: str
    """The Curve25519 key of the device that made it."""
    session_id: str

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Seal:
        """Of an `m.room.encrypted` event, as it came."""
        content = mapping(event.get("content"))
        return cls(str(content.get("sender_key")), str(content.get("session_id")))


@dataclass(frozen=True, slots=True)
class Author:
    """A device, as far as it is known."""

    device: str | None = None
    master: str | None = None
    """The public master key of the identity that vouches for it; None while none does."""


NOBODY = Author()


def author(keys: Published, seal: Seal, claimed: str) -> Author:
    """The device of an account that made a room key, and claimed that Ed25519 key with it.

    The chain is followed: master key, self-signing key, device, and from the device to both its
    keys, which the device has signed as well.
    """
    found = NOBODY
    for name in keys.devices:
        if keys.device_key(name, "curve25519") != seal.sender_key:
            continue
        trust = judge(keys, name)
        if trust.proven and keys.device_key(name) == claimed:
            return Author(text_of(name), trust.master)
        found = Author(text_of(name))
    return found


class Senders:
    """The keys of those who talk to us, as the homeserver last told them."""

    def __init__(self, client: nio.AsyncClient, request: Request) -> None:
        self._client = client
        self._request = request
        self._known: dict[str, Published] = {}
        self._authors: dict[tuple[str, Seal, str], Author] = {}
        """(user, room key, claimed key) -> what came of it: following signatures takes a while."""
        self._not_before: dict[str, float] = {}
        self._changes = 0

    def changed(self, users: Collection[str]) -> None:
        """The keys of these are not what they were, or nobody will tell us when they change."""
        self._changes += bool(users)
        for user in users:
            self._known.pop(user, None)
            self._not_before.pop(user, None)
        self._authors = {key: made for key, made in self._authors.items() if key[0] in self._known}

    async def meet(self, users: Iterable[str]) -> None:
        """Learn the keys of those that are not known. Gives up after a second. Raises LoggedOut."""
        now, changes = time.monotonic(), self._changes
        unknown = [user for user in users if user not in self._known]
        wanted = [user for user in unknown if now >= self._not_before.get(user, 0.0)]
        if not wanted:
            return
        found = await self._look_up(wanted)
        if changes == self._changes:
            self._known |= found
        for user in wanted:
            if user not in found:
                self._not_before[user] = now + NOT_AGAIN_FOR

    def of(self, room: str, sender: str, seal: Seal) -> Author:
        """Who encrypted an event that was decrypted; nobody where that cannot be told.

        A room key that did not come from its device itself may have been made by anybody.
        """
        keys = self._known.get(sender)
        session = self._client.olm.inbound_group_store.get(room, seal.sender_key, seal.session_id)
        if keys is None or session is None:
            return NOBODY
        key = (sender, seal, str(session.ed25519))
        if key not in self._authors:
            self._authors[key] = author(keys, seal, str(session.ed25519))
        made = self._authors[key]
        return Author(made.device) if session.forwarding_chain else made

    async def _look_up(self, users: list[str]) -> dict[str, Published]:
        """What can be had now: other homeservers may not answer."""
        path = f"/keys/query?timeout={WITHIN * 1000:.0f}"
        body = {"device_keys": {user: list[str]() for user in users}}
        try:
            async with asyncio.timeout(WITHIN):
                answer = await ask(self._request, "POST", path, body)
        except LoggedOut:
            raise
        except (TimeoutError, OpsError) as error:
            log.warning("keys cannot be had", users=users, why=str(error) or "timeout")
            return {}
        silent = mapping(answer.get("failures"))
        there = [user for user in users if user.partition(":")[2] not in silent]
        return {user: published(user, answer) for user in there}
