"""A replica's folder: what started it, whether it lives, where it listens, what it wrote.

    HOME/SERVICE/REPLICA/
        replica.json   what started it
        lock           held by the replica's process as long as it lives; its pid is inside
        endpoint       its base URL, once the model is loaded
        ready          its first token, once it gave one
        stopping       there from the moment it was told to stop
        known.json     what its model file held, once that was found out
        failure.json   why it was given up
        log            everything it and its predecessors of the same name wrote

A pid proves nothing after a restart: it may be somebody else's by then. A lock is let go by the
kernel the moment its holder dies, so `held` can be trusted by a bot that started nothing itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deployers.models.checksums import Identity, Known
from deployers.process.logfile import last_lines
from domain.errors import Failure
from domain.readiness import FirstToken
from domain.replicas import Phase, ReplicaId

_BEGINNING = "=== "
_LAST_WORDS = 200
_LOOKS_WAITED_FOR = 200


@dataclass(frozen=True, slots=True)
class Record:
    """What started a replica."""

    operation: str
    spec: dict[str, Any]
    command: tuple[str, ...]
    started_at: str
    """ISO 8601."""
    engine: str = ""
    """Name and version; "" in records of older releases, and so below."""
    model: str = ""
    """The path of the file it serves."""
    identity: Identity = (0, 0, 0)
    """Which file that was when it started."""


class Taken(Exception):
    """Somebody holds the lock."""


class Folder:
    """One replica's folder. Reading never changes what others see."""

    def __init__(self, home: Path, replica: ReplicaId) -> None:
        self.replica = replica
        self.path = home / replica.service / str(replica)
        self.log = self.path / "log"

    @property
    def exists(self) -> bool:
        """True once anything about the replica was written."""
        return self.path.is_dir()

    @property
    def held(self) -> bool:
        """True while the replica's process lives."""
        try:
            lock = os.open(self.path / "lock", os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    @property
    def pid(self) -> int | None:
        """The process that holds the lock, or held it last."""
        text = self._read("lock").strip()
        return int(text) if text.isdigit() else None

    @property
    def endpoint(self) -> str | None:
        """Where it listens, once its model is loaded."""
        return self._read("endpoint").strip() or None

    @property
    def phase(self) -> Phase:
        """Where the replica is in its life."""
        if self.held:
            if self._has("stopping"):
                return Phase.DRAINING
            if self._has("ready"):
                return Phase.READY
            return Phase.LOADING if self.pid else Phase.STARTING
        if self._has("failure.json"):
            return Phase.FAILED
        if self._has("stopping"):
            return Phase.STOPPED
        return Phase.FAILED if self.pid else Phase.PENDING

    @property
    def since(self) -> datetime | None:
        """When it entered its phase, as near as its files tell."""
        for name in ("failure.json", "ready", "endpoint", "replica.json"):
            with suppress(FileNotFoundError):
                return datetime.fromtimestamp((self.path / name).stat().st_mtime, UTC)
        return None

    @property
    def record(self) -> Record | None:
        """What started it; None where that was never written whole."""
        fields = self._read_json("replica.json")
        lists = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
        return Record(**{**fields, **lists}) if fields else None

    @property
    def known(self) -> Known | None:
        """What its model file held; None while that was not found out."""
        fields = self._read_json("known.json")
        return Known(**fields) if fields else None

    @property
    def failure(self) -> Failure | None:
        """Why it was given up, if it was."""
        fields = self._read_json("failure.json")
        return Failure(**{**fields, "evidence": tuple(fields["evidence"])}) if fields else None

    def last_words(self, count: int = _LAST_WORDS) -> tuple[str, ...]:
        """The last lines of its present or last life, nothing of lives before."""
        lines = last_lines(self.log, count)
        begun = [n for n, line in enumerate(lines) if line.startswith(_BEGINNING)]
        return lines[begun[-1] + 1 :] if begun else lines

    @contextmanager
    def taken(self) -> Iterator[int]:
        """Hold the lock while something is changed or started. Raises Taken if the replica lives.

        Somebody else's look at it, over in microseconds, is waited for.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT)
        try:
            for _ in range(_LOOKS_WAITED_FOR):
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if self.held:
                    raise Taken(str(self.replica))
                time.sleep(0.001)
            else:
                raise Taken(str(self.replica))
            yield lock
        finally:
            os.close(lock)  # a child that was handed the lock goes on holding it

    def begin(self, record: Record) -> None:
        """Forget the last life and write down what starts the next. Only with the lock taken."""
        for name in ("endpoint", "ready", "stopping", "known.json", "failure.json"):
            (self.path / name).unlink(missing_ok=True)
        os.truncate(self.path / "lock", 0)
        self._write("replica.json", json.dumps(asdict(record), indent=1))
        with self.log.open("a") as log:
            log.write(f"{_BEGINNING}{self.replica} started by {record.operation}, ")
            log.write(f"{record.started_at}\n")

    def remember_ready(self, first: FirstToken) -> None:
        """Note the first token, so that a bot started later need not ask for one."""
        self._write("ready", json.dumps(asdict(first)))

    def remember_known(self, known: Known) -> None:
        """Note what its model file holds."""
        self._write("known.json", json.dumps(asdict(known)))

    def remember_stopping(self) -> None:
        """Note that its end is meant, so that it does not look like a crash."""
        self._write("stopping", "")

    def remember_failure(self, failure: Failure) -> None:
        """Note why it was given up."""
        self._write("failure.json", json.dumps(asdict(failure)))

    def remove(self) -> None:
        """Remove the folder and all in it. Raises Taken while the replica lives."""
        if not self.exists:
            return
        with self.taken():
            shutil.rmtree(self.path, ignore_errors=True)

    def _has(self, name: str) -> bool:
        return (self.path / name).exists()

    def _read(self, name: str) -> str:
        with suppress(FileNotFoundError):
            return (self.path / name).read_text()
        return ""

    def _read_json(self, name: str) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self._read(name) or "{}")
        return fields

    def _write(self, name: str, text: str) -> None:
        draft = self.path / f"{name}.draft"
        draft.write_text(text)
        draft.replace(self.path / name)


def folders(home: Path, service: str) -> list[Folder]:
    """Every replica of a service that left something here, in order of their names."""
    with suppress(FileNotFoundError):
        found = [entry.name for entry in (home / service).iterdir() if entry.is_dir()]
        return [Folder(home, replica) for replica in sorted(_replicas(found, service))]
    return []


def _replicas(names: list[str], service: str) -> Iterator[ReplicaId]:
    for name in names:
        with suppress(ValueError):
            replica = ReplicaId.parse(name)
            if replica.service == service:
                yield replica
