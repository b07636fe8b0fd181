"""Services that are only meant for a while: `--ttl` on `deploy`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from commands.access import Permit
from commands.changing import Beside
from commands.replies import Block
from commands.verb import Deps
from domain.expiries import Expiry, span, until


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


def lasting(request: Lasting, permit: Permit, deps: Deps) -> Beside:
    """Gives what was changed an end if one was asked for. One it has already stays otherwise."""

    async def beside(planned: bool) -> list[Block]:
        by = permit.person.mxid
        line = _would_end(request.ttl) if planned else await _given(request, by, deps)
        return [line] if line else []

    return beside


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
