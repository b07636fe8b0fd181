"""A bot's time as the one that acts: from when it takes the lease until it gives it up or loses it.

Once it is over, nobody gets to write, nor an error to react to: whoever asks waits, and the house
comes down around them. It is as if the process had been killed there, and from that the bot knows
how to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.clock import Clock
from domain.errors import OpsError
from fleet.store.lease import PATIENCE, RENEW_EVERY, Lease, is_held, look, release, renew
from fleet.store.steady import finished

T = TypeVar("T")


class StateLost(OpsError):
    """The connection to the database is gone. What was not committed is not kept."""


class LostLease(OpsError):
    """Another bot acts now; this one must not."""


class Tenure:
    """One turn of this bot, kept up for as long as `guarding` runs."""

    def __init__(
        self,
        lease: Lease,
        clock: Clock,
        sure_for: Callable[[float], None],
        abort: Callable[[], None],
    ) -> None:
        self.lease = lease
        self._clock = clock
        self._sure_for = sure_for
        """Told at each renewal for how many seconds nobody else can act."""
        self._abort = abort
        """Drops the connection, and with it whatever waits for an answer."""
        self._end: asyncio.Future[OpsError] = asyncio.get_running_loop().create_future()
        self._tell()

    @property
    def is_over(self) -> bool:
        """Whether nothing may be written any more."""
        return self._end.done()

    async def admit(self, connection: AsyncConnection) -> None:
        """Let a transaction be this turn's, to its end. Raises LostLease."""
        if not await is_held(connection, self.lease):
            raise await self._lost(connection)

    async def renew(self, connection: AsyncConnection) -> Lease:
        """Hold the lease for longer, once the transaction is committed. Raises LostLease."""
        kept = await renew(connection, self.lease, self._clock.monotonic())
        if kept is None:
            raise await self._lost(connection)
        return kept

    def renewed(self, lease: Lease) -> None:
        """The renewal is committed."""
        self.lease = lease
        self._tell()

    def over(self, why: OpsError, *, abort: bool = True) -> None:
        """End it. The first reason counts."""
        if self._end.done():
            return
        self._end.set_result(why)
        if abort:
            self._abort()

    async def undo(self, connection: AsyncConnection, error: BaseException) -> None:
        """Roll a transaction back that was ended by this error.

        Whether a connection is still good shows when it is asked to do that. If it is not, or the
        lease is lost, this never returns: whoever wrote waits to be cancelled, unless they are.
        """
        why: OpsError | None = error if isinstance(error, LostLease) else None
        try:
            await finished(connection.rollback())
        except (sa.exc.SQLAlchemyError, OSError, TimeoutError) as broken:
            why = why or StateLost(f"the connection to the database broke: {_brief(broken)}")
        if connection.closed or connection.invalidated:
            why = why or StateLost(f"the connection to the database broke: {_brief(error)}")
        if why is not None:
            self.over(why)
        if self._end.done() and not isinstance(error, asyncio.CancelledError):
            await asyncio.Event().wait()

    async def release(self, connection: AsyncConnection) -> None:
        """Let the next bot have it at once; if that cannot be said, it waits a little."""
        self.over(StateLost("the state is closed"), abort=False)
        with suppress(sa.exc.SQLAlchemyError, OSError, TimeoutError):
            await release(connection, self.lease)
            await connection.commit()

    async def guarding(
        self, work: Coroutine[Any, Any, T], renewing: Callable[[], Coroutine[Any, Any, None]]
    ) -> T:
        """Do the work for as long as this lasts.

        Raises StateLost once it is over and the work, which was told to end, has ended; LostLease
        at once, for then there is no time to wait.
        """
        task = asyncio.create_task(work, name="acting")
        keeping = asyncio.create_task(self._keep(renewing), name="lease")
        try:
            await asyncio.wait((task, self._end), return_when=asyncio.FIRST_COMPLETED)
            if not self._end.done():
                return await task
            raise self._end.result()
        finally:
            for each in (task, keeping):
                each.cancel()
            if not (self._end.done() and isinstance(self._end.result(), LostLease)):
                await asyncio.gather(task, keeping, return_exceptions=True)

    async def _keep(self, renewing: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while not self._end.done():
            await self._clock.sleep(RENEW_EVERY)
            attempt = asyncio.create_task(renewing(), name="renew the lease")
            patience = asyncio.create_task(self._clock.sleep(PATIENCE - RENEW_EVERY))
            try:
                await asyncio.wait({attempt, patience}, return_when=asyncio.FIRST_COMPLETED)
                if not attempt.done():
                    self.over(StateLost("the database does not answer"))
                elif error := attempt.exception():
                    self.over(StateLost(f"the lease cannot be renewed: {_brief(error)}"))
            finally:
                attempt.cancel()
                patience.cancel()
                await asyncio.gather(attempt, patience, return_exceptions=True)

    def _tell(self) -> None:
        self._sure_for(self.lease.sure_for(self._clock.monotonic()))

    async def _lost(self, connection: AsyncConnection) -> LostLease:
        claim = await look(connection)
        return LostLease(
            f"the bot `{claim.holder}` has taken over: this one did not show itself for too long",
            hint="nothing to do: started again, this one stands by",
        )


def _brief(error: BaseException) -> str:
    """What the driver said, without the statement and what was in it."""
    lines = str(getattr(error, "orig", None) or error).splitlines()
    return lines[0] if lines else type(error).__name__
