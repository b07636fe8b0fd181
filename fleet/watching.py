"""Hears what happens to replicas by itself, and has it told where their services belong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import datetime

import structlog

from deployers.protocol import Watchful
from domain.clock import Clock
from domain.errors import OpsError
from domain.incidents import Allowance, Incident
from fleet.claims import Claim
from fleet.store.database import Store, Transaction
from fleet.store.messages import Content, Message

FIRST_WAIT, LONGEST_WAIT = 2.0, 120.0
"""Seconds before a target that could not be listened to is listened to again."""

RECENT = 50
"""Operations that are looked through for one that did it."""

Words = Callable[[Incident, datetime, int], Content]
"""(incident, now, how many more of this service may be told soon) -> what its room is told."""

log = structlog.get_logger()


class Watch:
    """Listens to every target that tells of incidents, for ever, and each apart.

    What was told and up to where are kept in one transaction: a restart of the bot neither loses
    nor repeats what its target still remembers.
    """

    def __init__(
        self,
        store: Store,
        deployers: Mapping[str, object],
        claims: Callable[[], tuple[Claim, ...]],
        words: Words,
        say: Callable[[Message], None],
        clock: Clock,
    ) -> None:
        self._store, self._clock, self._claims = store, clock, claims
        self._watchful = {n: each for n, each in deployers.items() if isinstance(each, Watchful)}
        self._words, self._say = words, say
        self._allowance = Allowance()

    async def run(self) -> None:
        """Listen, for ever."""
        async with asyncio.TaskGroup() as group:
            for target, deployer in self._watchful.items():
                group.create_task(self._listen(target, deployer), name=f"watch {target}")
            await asyncio.Event().wait()

    async def _listen(self, target: str, deployer: Watchful) -> None:
        wait, away = FIRST_WAIT, False
        while True:
            begun = self._clock.monotonic()
            async with self._store.transaction() as tx:
                since = await tx.incidents.upto(target, self._clock.now())
            try:
                async with aclosing(deployer.incidents(since)) as found:
                    async for incident in found:
                        await self.hear(incident)
                return  # there will never be any
            except OpsError as error:
                if self._clock.monotonic() - begun > LONGEST_WAIT:
                    wait, away = FIRST_WAIT, False
                if not away:
                    log.warning("not listened to", target=target, why=error.summary)
            away = True
            await self._clock.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    async def hear(self, incident: Incident) -> None:
        """Have it told in the room where its service was last changed, unless we did it or it was
        told before."""
        service, message = incident.replica.service, None
        async with self._store.transaction() as tx:
            wanted = await tx.services.get(service)
            if wanted is not None and not await self._ours(incident, tx):
                message = await self._told(tx, incident, wanted.room)
            if incident.upto is not None:
                await tx.incidents.reached(incident.target, incident.upto)
        log.info("incident", target=incident.target, what=str(incident), told=message is not None)
        if message is not None:
            self._say(message)

    async def _told(self, tx: Transaction, incident: Incident, room: str) -> Message | None:
        key, now = f"incident:{incident.target}:{incident.id}", self._clock.now()
        if await tx.messages.get(key) is not None:
            return None
        await tx.incidents.put(incident)
        self._allowance, left = self._allowance.after(incident.replica.service, now)
        if left < 0:
            return None
        return await tx.messages.want(key, room, self._words(incident, now, left))

    async def _ours(self, incident: Incident, tx: Transaction) -> bool:
        """Whether an operation of ours was changing the service just then."""
        service, at = incident.replica.service, incident.at
        if incident.by_itself:
            return False
        if any(each.service == service and at >= each.since for each in self._claims()):
            return True
        lately = await tx.operations.recent(RECENT)
        return any(
            each.started_at <= at <= each.ended_at
            for each in lately
            if each.service == service and each.started_at and each.ended_at
        )
