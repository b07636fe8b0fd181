"""Why a replica failed, kept in its container so that the next bot tells the same."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import asdict
from datetime import timedelta

from deployers.docker.api import Answer, Api, Gone
from deployers.docker.diagnosis import diagnose
from deployers.docker.looking import Seen
from domain.errors import Failure

_NAME = "gantry-failure.json"
_MOST = 64 << 10
LINES = 400
"""Log lines a diagnosis is made from: vLLM's root cause stands a hundred lines before its last."""

_A_MOMENT = timedelta(seconds=2)
"""What a run wrote may be a little older than its start, as the engine notes that."""


async def remember(api: Api, container: str, failure: Failure) -> None:
    """Write down why, for those who ask later. The container may be running or not."""
    await api.put(container, "/", tarred(_NAME, json.dumps(asdict(failure)).encode()))


async def failure(api: Api, seen: Seen) -> Failure:
    """Why it failed: as was written down, else by its log and its end. Raises Gone."""
    try:
        _, tar = await api.get(seen.id, f"/{_NAME}", _MOST)
        return _read(tar)
    except (Gone, Answer, tarfile.TarError, ValueError, KeyError, TypeError):
        begun = seen.started - _A_MOMENT if seen.started else None
        log = await api.last_words(seen.id, LINES, since=begun)
        memory = seen.out_of_memory if seen.exit_code is not None else None
        return diagnose(seen.exit_code, log, out_of_memory=memory, error=seen.error)


def tarred(name: str, content: bytes) -> bytes:
    """A tar of one file, readable for everybody. Folders in its name are made."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), 0o644
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _read(tar: bytes) -> Failure:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        file = opened.extractfile(_NAME)
        told = json.loads(file.read() if file else b"")
    return Failure(**{**told, "evidence": tuple(told["evidence"])})
