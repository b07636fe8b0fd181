"""A proxy with nothing to it: aiohttp on both sides under uvloop. The floor for one in Python.

    python -m bench.gateway.bare PORT URL...

It takes upstreams in turns, knows no failures, no names, no keys, and counts nothing.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import AsyncIterator, Sequence

import aiohttp
import uvloop
from aiohttp import web

from bench.gateway.serving import serve

_PASSED = ("Content-Type",)


class Proxy:
    """Sends each request on, and each answer back as it comes."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = itertools.cycle(urls)

    async def open(self, app: web.Application) -> AsyncIterator[None]:
        """Keep connections for as long as the application runs."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as self._http:
            yield

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        url, body = next(self._urls) + request.path, await request.read()
        headers = {name: request.headers[name] for name in _PASSED if name in request.headers}
        async with self._http.request(request.method, url, data=body, headers=headers) as answer:
            told = {name: answer.headers[name] for name in _PASSED if name in answer.headers}
            if "Content-Length" in answer.headers:
                whole = await answer.read()
                return web.Response(status=answer.status, body=whole, headers=told)
            response = web.StreamResponse(status=answer.status, headers=told)
            await response.prepare(request)
            while part := await answer.content.readany():
                await response.write(part)
            await response.write_eof()
            return response


def build(urls: Sequence[str]) -> web.Application:
    """As an application."""
    proxy, app = Proxy(urls), web.Application()
    app.cleanup_ctx.append(proxy.open)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    return app


if __name__ == "__main__":
    uvloop.run(serve(build(sys.argv[2:]), int(sys.argv[1])))
