"""What a rehearsal pretends to run, on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from domain.made_of import MadeOf
from domain.replicas import Phase, ReplicaId


@dataclass(frozen=True, slots=True)
class Role:
    """One pretended replica."""

    phase: Phase
    operation: str
    since: datetime
    reason: str | None = None
    log: tuple[str, ...] = ()
    made_of: MadeOf = ()
    namespace: str | None = None


Roles = Mapping[ReplicaId, Role]

NOBODY: Roles = MappingProxyType({})


class Memory:
    """What is pretended to run, on disk. A file that is as it was is not read again."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._read: dict[str, tuple[tuple[int, ...], Roles]] = {}
        """Service -> what its file looked like from outside, and what stood in it."""

    def recall(self, service: str) -> Roles:
        """Every role of a service, in order of their names."""
        file = self._file(service)
        try:
            looks = _looks(file)
            known, roles = self._read.get(service, ((), NOBODY))
            if known != looks:
                roles = _roles(Path(file).read_text())
                self._read[service] = looks, roles
        except FileNotFoundError:
            self._read.pop(service, None)
            return NOBODY
        return roles

    def note(self, replica: ReplicaId, role: Role | None) -> None:
        """Write one role down, or strike it out."""
        roles = {**self.recall(replica.service), **({replica: role} if role else {})}
        if role is None:
            roles.pop(replica, None)
        self._home.mkdir(parents=True, exist_ok=True)
        file = Path(self._file(replica.service))
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps({str(r): _fields(roles[r]) for r in sorted(roles)}, indent=1))
        draft.replace(file)
        self._read.pop(replica.service, None)

    def forget(self, service: str) -> None:
        """Strike out the service."""
        Path(self._file(service)).unlink(missing_ok=True)

    def _file(self, service: str) -> str:
        """As text: a thousand services are looked up at once, and paths are slow to make."""
        return f"{self._home}/{service}.json"


def _looks(file: str) -> tuple[int, ...]:
    """What differs once a file was replaced: another file, at another time, or of another size."""
    stat = os.stat(file)
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _roles(text: str) -> Roles:
    return {ReplicaId.parse(name): _role(fields) for name, fields in json.loads(text).items()}


def _role(fields: dict[str, Any]) -> Role:
    return Role(
        Phase(fields["phase"]),
        fields["operation"],
        datetime.fromisoformat(fields["since"]),
        fields["reason"],
        tuple(fields["log"]),
        tuple((what, which) for what, which in fields.get("made_of", ())),
        fields.get("namespace"),
    )


def _fields(role: Role) -> dict[str, Any]:
    return {
        "phase": role.phase,
        "operation": role.operation,
        "since": role.since.isoformat(),
        "reason": role.reason,
        "log": role.log,
        "made_of": role.made_of,
        "namespace": role.namespace,
    }
