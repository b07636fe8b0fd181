"""Starting a replica's process so that it outlives us, and ending one whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

from deployers.process.records import Folder, Record, Taken
from domain.clock import Clock
from domain.errors import Refused
from domain.replicas import ReplicaId

_PASSED_ON = {
    *("PATH", "HOME", "LANG", "TMPDIR", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "PYTHONPATH")
}
_POLITE = 10.0
_AT_ONCE = 5.0
_LOOK_EVERY = 0.02


class Children:
    """The processes started here, kept only to be reaped and asked for their exit code.

    Not asyncio's own subprocesses: their transport kills the child when it is collected.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ours: dict[ReplicaId, subprocess.Popen[bytes]] = {}

    def start(self, folder: Folder, record: Record) -> int | None:
        """Start the replica and return its pid, or find that it runs already and return None.

        The lock is taken here and handed to the child, so that there is no moment at which a
        started replica looks dead, and never two of one name.
        """
        try:
            with folder.taken() as lock:
                folder.begin(record)
                child = self._ours[folder.replica] = _spawn(folder, record, lock)
        except Taken:
            return None
        return child.pid

    def exit_code(self, folder: Folder) -> int | None:
        """How the replica ended; None while it lives or when somebody else started it."""
        child = self._ours.get(folder.replica)
        return child.poll() if child else None

    def reap(self) -> None:
        """Take leave of those that ended, so that they do not stay behind as zombies."""
        for child in self._ours.values():
            child.poll()

    async def stop(self, folder: Folder) -> None:
        """End the replica, politely at first. Raises Refused if it does not go at all."""
        if folder.exists:
            folder.remember_stopping()
        for signum, patience in ((signal.SIGTERM, _POLITE), (signal.SIGKILL, _AT_ONCE)):
            if await self._ended(folder, signum, patience):
                await self._bury(folder.replica)
                return
        raise Refused(
            f"{folder.replica} does not end, not even killed", hint=f"look at process {folder.pid}"
        )

    def let_go(self) -> None:
        """Forget the living without ending them."""
        for child in self._ours.values():
            if child.poll() is None:
                child.returncode = 0  # Popen cannot detach, and warns of children that live on
        self._ours.clear()

    async def _bury(self, replica: ReplicaId) -> None:
        """Take leave of one that ended. It lets go of its lock a moment before it can be waited
        for."""
        deadline = self._clock.monotonic() + _AT_ONCE
        while (child := self._ours.get(replica)) is not None and child.poll() is None:
            if self._clock.monotonic() >= deadline:
                return
            await self._clock.sleep(_LOOK_EVERY)
        self._ours.pop(replica, None)

    async def _ended(self, folder: Folder, signum: int, patience: float) -> bool:
        deadline = self._clock.monotonic() + patience
        told = False
        while folder.held:
            told = told or _signal_holder(folder, signum)
            if self._clock.monotonic() >= deadline:
                return False
            await self._clock.sleep(_LOOK_EVERY)
        return True


def environment(ours: dict[str, str]) -> dict[str, str]:
    """What a replica gets to see of the bot's environment: no secrets are among it."""
    return {k: v for k, v in ours.items() if k in _PASSED_ON or k.startswith("LC_")}


def _spawn(folder: Folder, record: Record, lock: int) -> subprocess.Popen[bytes]:
    with folder.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603
            (*record.command, "--lock", str(lock)),
            cwd=folder.path,
            env=environment(dict(os.environ)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(lock,),
        )


def _signal_holder(folder: Folder, signum: int) -> bool:
    """Signal the process that holds the lock, and only that one. False if it cannot be yet."""
    pid = folder.pid
    if pid is None:  # started a moment ago, its pid not yet written
        return False
    if not hasattr(os, "pidfd_open"):
        with suppress(ProcessLookupError):
            os.kill(pid, signum)
        return True
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if folder.held:  # looked at again: now the descriptor cannot come to mean another
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signum)
        return True
    finally:
        os.close(process)
