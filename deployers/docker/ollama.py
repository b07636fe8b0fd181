"""What an Ollama server is told once it listens: which model, and under which name.

By docs/api.md of its repository: `GET /api/tags`, `POST /api/pull`, `POST /api/copy`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from deployers.docker.images import Tell
from deployers.models.transfer import Transfer
from domain.clock import Clock
from domain.errors import Refused

_PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=120)
_LATEST = ":latest"
_HOST, _OWNER = "registry.ollama.ai/", "library/"
"""What a name means that does not say it."""


async def introduce(url: str, tag: str, name: str, clock: Clock, tell: Tell) -> bool:
    """Have it serve a tag of its library under a service's name. False while it does not listen,
    or where it went away meanwhile: the same again goes on from there.

    What it has already is not pulled. Raises Refused with the server's own words.
    """
    try:
        async with aiohttp.ClientSession(url, timeout=_PATIENCE) as session:
            if full(tag) not in await _tags(session):
                await _pull(session, tag, clock, tell)
            told = {"source": tag, "destination": name}
            async with session.post("/api/copy", json=told) as answer:
                if not answer.ok:
                    raise Refused(f"Ollama cannot name {tag} {name}: {await _error(answer)}")
    except (aiohttp.ClientError, TimeoutError):
        return False
    return True


def full(tag: str) -> str:
    """A model's name as its server lists it: in its shortest form, and with a tag."""
    tag = tag.removeprefix(_HOST).removeprefix(_OWNER)
    return tag if ":" in tag.rpartition("/")[2] else tag + _LATEST


async def _tags(session: aiohttp.ClientSession) -> list[str]:
    async with session.get("/api/tags") as answer:
        answer.raise_for_status()
        said = await answer.json()
    return [str(each.get("name")) for each in said.get("models") or ()]


async def _pull(session: aiohttp.ClientSession, tag: str, clock: Clock, tell: Tell) -> None:
    layers = _Layers(clock, tell)
    async with session.post("/api/pull", json={"model": tag, "stream": True}) as answer:
        if not answer.ok:
            raise _refused(tag, await _error(answer))
        async for line in answer.content:
            if line.strip():
                news = json.loads(line)
                if "error" in news:
                    raise _refused(tag, str(news["error"]))
                layers.hear(news)


async def _error(answer: aiohttp.ClientResponse) -> str:
    try:
        return str(json.loads(await answer.text())["error"])
    except (ValueError, KeyError, TypeError):
        return f"it answered {answer.status}"


def _refused(tag: str, words: str) -> Refused:
    return Refused(f"Ollama cannot pull {tag}: {words}", hint="see ollama.com/library for its tags")


class _Layers:
    """What a pull told of each layer: `{"status": ..., "digest": ..., "total": ..,
    "completed": ..}`."""

    def __init__(self, clock: Clock, tell: Tell) -> None:
        self._clock, self._tell = clock, tell
        self._transfers: dict[str, tuple[Transfer, int]] = {}
        self._status = ""

    def hear(self, news: Mapping[str, Any]) -> None:
        digest, total = news.get("digest"), news.get("total")
        status = str(news.get("status", ""))
        if not digest or not total:
            if status != self._status:
                self._tell(None, status)
            self._status = status
            return
        done = int(news.get("completed", 0))
        transfer, before = self._transfers.get(
            str(digest), (Transfer(int(total), done, self._clock), done)
        )
        self._transfers[str(digest)] = (transfer, done)
        if told := transfer.received(done - before):
            self._tell(*told)
