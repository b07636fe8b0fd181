"""Ends a process that may not act any more, before it does anything else."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, NoReturn

import structlog

from domain.errors import OpsError

log = structlog.get_logger()

TOO_LATE = OpsError(
    "this bot could not show the others in time that it lives, and one of them may act now",
    hint="nothing to do: started again, this one stands by if another has taken over",
)


class Watchdog:
    """Bites unless it is called off in time.

    The timer is the kernel's. It runs while the process is stopped, and the signal is there when
    the process wakes: Python handles it before the next line of whatever was going on.
    """

    def call_off(self, seconds: float) -> None:
        """Do not bite for so many seconds."""
        signal.signal(signal.SIGALRM, self._too_late)
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))

    def rest(self) -> None:
        """Nothing is being done that would have to be stopped."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def bite(self, why: OpsError) -> NoReturn:
        """End the process as a kill would, with a sentence and exit code 1.

        What tidies up might take its time, or send something.
        """
        log.error("cannot go on", why=why.summary, hint=why.hint)
        print(f"gantry: {why.summary}\n{why.hint}", file=sys.stderr, flush=True)  # noqa: T201
        os._exit(1)

    def _too_late(self, *_: Any) -> NoReturn:
        self.bite(TOO_LATE)
