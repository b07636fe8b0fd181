"""Fetching one file from a Hugging Face hub: resumed, verified, and there whole or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aiohttp
from yarl import URL

from deployers.models import parts
from deployers.models.checksums import Checksums, Known, identity
from deployers.models.hub_errors import explain
from deployers.models.hub_headers import continues, remote_of, whole_size
from deployers.models.parts import Remote
from deployers.models.repositories import OnlyFiles, Repository, gguf, listed, shape, weights
from deployers.models.transfer import Tell, Transfer, in_words
from domain.clock import Clock
from domain.errors import Refused, Unreachable
from domain.sources import Source

_CHUNK = 1 << 20
_TRIES = 5
_HOPS = 8
_GLANCE = aiohttp.ClientTimeout(total=8, sock_connect=4)
_PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=60)


class Dropped(Exception):
    """The connection ended early; what came is kept."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first bytes of a file that is not here."""

    data: bytes
    size: int | None
    """Of the whole file, in bytes."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub by its address. The token goes there and nowhere a redirect leads."""

    endpoint: str
    token: str | None
    clock: Clock

    async def download(self, source: Source, place: Path, tell: Tell, checksums: Checksums) -> None:
        """Have the file at `place`, verified, or raise and leave none there.

        Its checksum, which had to be worked out for that, and its commit are kept.

        A part fetched earlier is continued if the file is still the same. One download of a file
        runs at a time, on this machine; others wait and find it done.
        """
        with parts.disk_errors(place.parent):
            await asyncio.to_thread(place.parent.mkdir, parents=True, exist_ok=True)
        part = place.with_name(f"{place.name}.part")
        async with parts.alone(place.with_name(f"{place.name}.lock"), self.clock, tell):
            if not await asyncio.to_thread(place.exists):
                known = await self._persist(source, part, tell)
                checksums.note(place, known, identity(part))  # which moving it does not change
                part.replace(place)
                parts.forget(part)

    async def beginning(self, source: Source, count: int) -> Beginning:
        """The first bytes of a file, `count` of them or all there are, and its size.

        Raises Refused and Unreachable as `download` does, but gives up within seconds: nothing is
        tried twice.
        """
        url, ask = self._url(source), {"Range": f"bytes=0-{count - 1}"}
        try:
            async with aiohttp.ClientSession(
                timeout=_GLANCE, trust_env=True, auto_decompress=False
            ) as session:
                async with self._following(session, "HEAD", url, {}, to_cdn=False) as first:
                    explain(first, source, has_token=self.token is not None)
                    remote = remote_of(first)
                async with self._following(session, "GET", url, ask, to_cdn=True) as answer:
                    if answer.status >= 400:
                        raise Dropped(f"{answer.url.host} answered {answer.status}")
                    return Beginning(await _first(answer, count), whole_size(answer) or remote.size)
        except (Dropped, aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(source, error) from error

    async def repository(self, source: Source) -> Repository:
        """What a repository of safetensors is like, by its list of files and its config.json.

        Raises Refused and Unreachable as `beginning` does, OnlyFiles for one that has GGUF files
        and no safetensors, and Refused for one that has neither, or a configuration that cannot be
        read.
        """
        try:
            async with (
                aiohttp.ClientSession(timeout=_GLANCE, trust_env=True) as session,
                self._following(session, "GET", self._listing(source), {}, to_cdn=False) as answer,
            ):
                explain(answer, source, has_token=self.token is not None)
                files = listed(json.loads(await answer.read()))
            if (single := gguf(files)) and not weights(files):
                raise OnlyFiles.of(source.repository, single)
            config = Source("hf", f"{source.repository}/config.json", source.revision)
            shaped = shape(dict(json.loads((await self.beginning(config, _CHUNK)).data)))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(source, error) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Refused(f"what the hub says of {source.repository} cannot be read") from error
        size = weights(files)
        if not size:
            raise Refused(
                f"{source.repository} holds no safetensors",
                hint=f"name a GGUF file of it: hf://{source.repository}/NAME.gguf",
            )
        return Repository(size, shaped)

    async def _persist(self, source: Source, part: Path, tell: Tell) -> Known:
        failures = 0
        async with aiohttp.ClientSession(
            timeout=_PATIENCE, trust_env=True, auto_decompress=False
        ) as session:
            while True:
                had = parts.length(part)
                try:
                    remote = await self._attempt(session, source, part, tell)
                    break
                except aiohttp.ClientConnectorError as error:
                    raise self._unreachable(source, error) from error
                except (Dropped, aiohttp.ClientError, TimeoutError) as error:
                    failures = 0 if parts.length(part) > had else failures + 1
                    if failures >= _TRIES:
                        raise self._unreachable(source, error) from error
                    here = in_words(parts.length(part))
                    tell(None, f"the connection broke; going on from {here}")
                    await self.clock.sleep(min(2.0**failures, 30.0) / 4)
        tell(None, "checking what came")
        return Known(await asyncio.to_thread(parts.verify, part, remote, source), remote.commit)

    async def _attempt(
        self, session: aiohttp.ClientSession, source: Source, part: Path, tell: Tell
    ) -> Remote:
        url = self._url(source)
        async with self._following(session, "HEAD", url, {}, to_cdn=False) as first:
            explain(first, source, has_token=self.token is not None)
            remote = remote_of(first)
        have = parts.resumable(part, remote)
        if have and have == remote.size:
            return remote
        parts.check_disk(part, remote, have)
        ask = {"Range": f"bytes={have}-"} if have else {}
        async with self._following(session, "GET", url, ask, to_cdn=True) as answer:
            if answer.status == 416:
                parts.forget(part)
                raise Dropped("the part kept from before does not fit")
            if answer.status >= 400:
                raise Dropped(f"{answer.url.host} answered {answer.status}")
            if not continues(answer, have):
                have = 0
            parts.note(part, remote)
            await self._receive(answer, part, Transfer(remote.size, have, self.clock), tell)
        if remote.size is not None and parts.length(part) < remote.size:
            raise Dropped("the file ended early")
        return remote

    @asynccontextmanager
    async def _following(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: URL,
        headers: dict[str, str],
        *,
        to_cdn: bool,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Follow redirects by hand: the first that leaves the hub carries what the hub knows of
        the file, and nothing after it may see the token."""
        home = url
        for _ in range(_HOPS):
            own = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            sent = headers | (own if url.origin() == home.origin() else {})
            async with session.request(
                method, url, headers={"Accept-Encoding": "identity"} | sent, allow_redirects=False
            ) as answer:
                onward = answer.headers.get("Location")
                if answer.status not in (301, 302, 303, 307, 308) or onward is None:
                    yield answer
                    return
                target = url.join(URL(onward, encoded=True))
                if target.origin() != home.origin() and not to_cdn:
                    yield answer
                    return
                url = target
        raise Refused(f"{self.endpoint} redirects {home.path} in circles")

    async def _receive(
        self, answer: aiohttp.ClientResponse, part: Path, transfer: Transfer, tell: Tell
    ) -> None:
        with parts.disk_errors(part.parent), part.open("r+b" if transfer.had else "wb") as file:
            file.seek(transfer.had)
            file.truncate()
            async for chunk in answer.content.iter_chunked(_CHUNK):
                await asyncio.to_thread(file.write, chunk)
                if news := transfer.received(len(chunk)):
                    tell(*news)

    def _listing(self, source: Source) -> URL:
        revision = quote(source.revision or "main", safe="")
        path = f"api/models/{source.repository}/revision/{revision}?blobs=true"
        return URL(f"{self.endpoint.rstrip('/')}/{path}", encoded=True)

    def _url(self, source: Source) -> URL:
        revision = quote(source.revision or "main", safe="")
        path = f"{source.repository}/resolve/{revision}/{quote(source.file or '')}"
        return URL(f"{self.endpoint.rstrip('/')}/{path}", encoded=True)

    def _unreachable(self, source: Source, error: Exception) -> Unreachable:
        host = URL(self.endpoint).host
        cannot = "keeps breaking off" if isinstance(error, Dropped) else "cannot be reached"
        return Unreachable(
            f"{host} {cannot} from here ({str(error) or type(error).__name__})",
            hint=f"put {source.file} on the machine and use path:/where/it/is.gguf",
        )


async def _first(answer: aiohttp.ClientResponse, count: int) -> bytes:
    """So many bytes of an answer, which is the whole file where ranges are not known."""
    data = b""
    while len(data) < count and (chunk := await answer.content.read(count - len(data))):
        data += chunk
    return data
