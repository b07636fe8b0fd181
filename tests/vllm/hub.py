"""A hub with one repository, as huggingface_hub asks for one. Real servers fetch from it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

REPOSITORY = "org/tiny"
COMMIT = "c" * 40


@dataclass
class FolderHub:
    """Serves a folder as `org/tiny`, at `main` and at its one commit."""

    folder: Path
    token: str | None = None
    """Asked for, if set."""
    endpoint: str = ""
    asked: list[str] = field(default_factory=list)
    """Every file of it that was fetched."""

    @asynccontextmanager
    async def listening(self, address: str) -> AsyncIterator[FolderHub]:
        """Listen there until the block ends."""
        app = web.Application()
        app.router.add_get("/api/models/{repository:[^/]+/[^/]+}", self._told)
        app.router.add_get("/api/models/{repository:[^/]+/[^/]+}/revision/{revision}", self._told)
        app.router.add_get("/api/models/{repository:[^/]+/[^/]+}/tree/{revision}", self._tree)
        app.router.add_get("/{repository:[^/]+/[^/]+}/resolve/{revision}/{file:.+}", self._file)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, address, 0)
        await site.start()
        self.endpoint = "http://{}:{}".format(*runner.addresses[0][:2])
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _told(self, request: web.Request) -> web.Response:
        if no := self._no(request):
            return no
        files = [{"rfilename": each["path"], "size": each["size"]} for each in self._files()]
        said = {"id": REPOSITORY, "sha": COMMIT, "private": False, "siblings": files, "tags": []}
        return web.json_response(said)

    async def _tree(self, request: web.Request) -> web.Response:
        return self._no(request) or web.json_response(self._files())

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if no := self._no(request):
            return no
        name = request.match_info["file"]
        path = self.folder / name
        if not path.is_file():
            return _refused(404, "EntryNotFound")
        if request.method == "GET":
            self.asked.append(name)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return web.FileResponse(path, headers={"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT})

    def _no(self, request: web.Request) -> web.Response | None:
        if request.match_info["repository"] != REPOSITORY:
            return _refused(401, "RepoNotFound")
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return _refused(401, "GatedRepo")
        return None

    def _files(self) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": each.name, "size": each.stat().st_size, "oid": "0" * 40}
            for each in sorted(self.folder.iterdir())
        ]


def _refused(status: int, code: str) -> web.Response:
    return web.Response(status=status, headers={"X-Error-Code": code, "X-Error-Message": code})
