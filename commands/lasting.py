"""Services that are only meant for a while: `--ttl` on `deploy`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from commands.access import Permit
from commands.replies import Reply
from commands.verb import Deps, Handler
from domain.expiries import Expiry, span, until
from domain.progress import Report


class Lasting(Protocol):
    """A request that may say how long what it makes is meant for."""

    @property
    def name(self) -> str:
        """The service."""
        ...

    @property
    def ttl(self) -> float | None:
        """Seconds; 0 for good; None where nothing was said."""
        ...

    @property
    def plan(self) -> bool:
        """True when nothing is to be done."""
        ...


R = TypeVar("R", bound=Lasting)


def lasting(handle: Handler[R]) -> Handler[R]:
    """The same change, with an end if one was asked for. An end it has already stays otherwise."""

    async def handled(request: R, permit: Permit, deps: Deps, report: Report) -> Reply:
        reply = await handle(request, permit, deps, report)
        if request.plan:
            line = _would_end(request.ttl)
        else:
            line = await _given(request, permit.person.mxid, deps)
        return replace(reply, blocks=(*reply.blocks, line)) if line else reply

    return handled


async def _given(request: Lasting, by: str, deps: Deps) -> str:
    now, name = deps.clock.now(), request.name
    async with deps.store.transaction() as tx:
        before = await tx.expiries.get(name)
        if request.ttl == 0 and before is not None:
            await tx.expiries.put(before.for_good())
        if request.ttl == 0:
            return "It stays for good." if before else ""
        if not request.ttl:
            return _ends(before, now) if before and before.at else ""
        asked = (before.question, before.asked_for) if before else (None, None)
        expiry = Expiry(name, by, request.ttl, now + timedelta(seconds=request.ttl), *asked)
        await tx.expiries.put(expiry)
    return _ends(expiry, now)


def _ends(expiry: Expiry, now: datetime) -> str:
    end = until(expiry.at or now, now)
    return f"It stays {end}, and is asked about before; `!keep {expiry.service}` prolongs that."


def _would_end(ttl: float | None) -> str:
    if ttl is None:
        return ""
    return f"It would be removed after {span(ttl)}, after asking" if ttl else "It would have no end"
