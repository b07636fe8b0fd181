"""A hub with the oddities its documentation names, on two ports of this machine."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class HubDouble:
    """One repository with one file, answered as the real hub and its CDN do.

    The hub redirects to the CDN, another origin. Only the redirect itself carries the file's
    SHA-256 and size, as `X-Linked-Etag` (in quotes) and `X-Linked-Size`.
    """

    content: bytes
    token: str | None = None
    """Asked for, if set."""
    linked_sha256: str | None = None
    """What the hub claims; by default the truth."""
    drop_after: list[int] = field(default_factory=list)
    """Bytes after which the CDN breaks each next answer off."""
    ranges: bool = True
    """False for a CDN that ignores Range."""
    error: tuple[int, str] | None = None
    """(status, X-Error-Code) the hub answers with instead."""
    renamed_from: str | None = None
    """An old repository name the hub redirects from, by a relative Location."""
    repository: dict[str, bytes | int] | None = None
    """Name -> content, or size alone, of the other files of the repository; small ones are served
    by the hub itself."""
    seen: list[tuple[str, str, str | None, str | None]] = field(default_factory=list)
    """(who, method, Authorization, Range) of every request."""
    address: str = "127.0.0.1"
    """Where it listens; a bridge's for those in containers."""
    gate: asyncio.Event | None = None
    """If set, the CDN sends `halfway` bytes of what is asked, and the rest once this is."""
    endpoint: str = ""
    _cdn: str = ""
    _runners: list[web.AppRunner] = field(default_factory=list)

    @property
    def halfway(self) -> int:
        """About half of the file, in whole blocks: what writes these by the block has them all."""
        return len(self.content) // 2 & ~0xFFFF

    async def start(self) -> None:
        """Listen, the CDN first."""
        self._cdn = await self._listen("cdn", self._serve_cdn)
        self.endpoint = await self._listen("hub", self._serve_hub)

    async def stop(self) -> None:
        """Close both."""
        for runner in self._runners:
            await runner.cleanup()

    async def _listen(self, who: str, handler: object) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)  # type: ignore[arg-type]
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, self.address, 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        return f"http://{self.address}:{port}"

    async def _serve_hub(self, request: web.Request) -> web.StreamResponse:
        self._note("hub", request)
        if self.error:
            return web.Response(status=self.error[0], headers={"X-Error-Code": self.error[1]})
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401, headers={"X-Error-Code": "GatedRepo"})
        if self.renamed_from and self.renamed_from in request.path:
            location = request.path.replace(self.renamed_from, "org/model")
            return web.Response(status=307, headers={"Location": location})
        if self.repository is not None and request.path == "/api/models/org/model/revision/main":
            return web.json_response({"id": "org/model", "siblings": self._siblings(request)})
        small = (self.repository or {}).get(request.path.removeprefix("/org/model/resolve/main/"))
        if isinstance(small, bytes):
            return web.Response(body=small, headers={"ETag": '"a git hash"'})
        if request.path != "/org/model/resolve/main/folder/m.gguf":
            return web.Response(status=404, headers={"X-Error-Code": "EntryNotFound"})
        sha256 = self.linked_sha256 or hashlib.sha256(self.content).hexdigest()
        headers = {
            "Location": f"{self._cdn}/blob?signature=a%2Fb",
            "X-Linked-Etag": f'"{sha256}"',
            "X-Linked-Size": str(len(self.content)),
            "X-Repo-Commit": "f" * 40,
        }
        return web.Response(status=302, headers=headers)

    async def _serve_cdn(self, request: web.Request) -> web.StreamResponse:
        self._note("cdn", request)
        if request.raw_path != "/blob?signature=a%2Fb":
            return web.Response(status=403)
        start, end = 0, len(self.content)
        wanted = request.headers.get("Range")
        partly = bool(wanted and self.ranges)
        if wanted and self.ranges:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(end, int(last) + 1) if last else end
            if start >= len(self.content):
                return web.Response(status=416)
        body = self.content[start:end]
        answer = web.StreamResponse(status=206 if partly else 200)
        answer.content_length = len(body)
        answer.headers["ETag"] = '"not-the-sha256-but-some-multipart-md5-7"'
        if partly:
            answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(self.content)}"
        await answer.prepare(request)
        if self.drop_after:
            await answer.write(body[: self.drop_after.pop(0)])
            assert request.transport is not None
            request.transport.close()
            return answer
        first = self.halfway if self.gate else 0
        if self.gate:
            await answer.write(body[:first])
            await self.gate.wait()
        await answer.write(body[first:])
        return answer

    def _siblings(self, request: web.Request) -> list[dict[str, object]]:
        """The files; their sizes only where `blobs` is asked for."""
        sized = request.query.get("blobs") == "true"
        return [
            {"rfilename": name, **({"size": _length(size)} if sized else {})}
            for name, size in (self.repository or {}).items()
        ]

    def _note(self, who: str, request: web.Request) -> None:
        said = request.headers
        self.seen.append((who, request.method, said.get("Authorization"), said.get("Range")))


def _length(content: bytes | int) -> int:
    return content if isinstance(content, int) else len(content)
