"""Requests and answers as aiohttp has them, read and made."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, web

from inference.endpoints import Endpoint
from inference.gateway.asked import Asked, BadRequest
from inference.gateway.attempt import Opening
from inference.gateway.misses import Whole

BODY_WITHIN = 30.0
"""Seconds a client gets to send what it asks."""

BACKEND, REPLICA = "X-Gantry-Backend", "X-Gantry-Replica"
"""Headers of an answer: the service or backend it is from, and which replica of it."""

SESSION = "X-Session-Id"
"""The header by which a client says which requests belong together."""


async def body_of(request: web.Request) -> bytes:
    """What a client sends. Raises BadRequest for what is too large, too slow, or no JSON.

    A page in somebody's browser can send anything but JSON anywhere without asking: so nothing
    else is taken.
    """
    _check_framing(request)
    if request.content_type != "application/json":
        raise BadRequest("send JSON, with `Content-Type: application/json`", status=415)
    if (request.content_length or 0) > request.client_max_size:
        raise BadRequest(_too_large(request), status=413)
    try:
        if request.content.is_eof():  # it came with the head
            return await request.read()
        async with asyncio.timeout(BODY_WITHIN):
            return await request.read()
    except TimeoutError:
        raise BadRequest(f"the body did not come within {BODY_WITHIN:g} s", status=408) from None
    except web.HTTPRequestEntityTooLarge:
        raise BadRequest(_too_large(request), status=413) from None


def session_of(request: web.Request, asked: Asked) -> str | None:
    """What a client calls the conversation; failing that, whom it says it asks for."""
    told = request.headers.get(SESSION) or asked.body.get("prompt_cache_key")
    told = told or asked.body.get("user")
    return told[:256] if isinstance(told, str) else None


def answered(whole: Whole, endpoint: Endpoint | None = None) -> web.Response:
    """An answer that is sent in one piece."""
    response = web.Response(status=whole.status, body=whole.body, headers=dict(whole.headers))
    _sign(response, endpoint)
    return response


def opened(opening: Opening, endpoint: Endpoint | None) -> web.StreamResponse:
    """The head of a streamed answer. Proxies on the way are told to hold nothing back."""
    headers = {**opening.headers, "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers)
    _sign(response, endpoint)
    return response


def marked(whole: Whole, asked: Asked, endpoint: Endpoint | None) -> Whole:
    """The answer with `_backend` in it, where that was asked for."""
    if not asked.tells_backend or whole.status != 200 or endpoint is None:
        return whole
    try:
        body = json.loads(whole.body)
    except (ValueError, RecursionError):
        return whole
    if not isinstance(body, dict):
        return whole
    body["_backend"] = endpoint.service
    return replace(whole, body=json.dumps(body).encode())


def model_page(name: str) -> dict[str, Any]:
    """A model as OpenAI lists it."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "gantry"}


def _too_large(request: web.Request) -> str:
    return f"the body is too large: at most {request.client_max_size // 2**20} MiB are taken"


def _check_framing(request: web.Request) -> None:
    """Refuse what two readers of one connection may read two ways; what aiohttp itself refuses
    does not come this far."""
    if request.version not in (HttpVersion10, HttpVersion11):
        raise BadRequest("HTTP/1.1 is spoken here", status=505)
    framing = request.headers.get("Transfer-Encoding", "")
    if framing and (framing.lower() != "chunked" or request.version == HttpVersion10):
        raise BadRequest("only `Transfer-Encoding: chunked` of HTTP/1.1 is taken", status=501)
    if "Content-Encoding" in request.headers:
        raise BadRequest("send the body as it is, without `Content-Encoding`", status=415)


def _sign(response: web.StreamResponse, endpoint: Endpoint | None) -> None:
    if endpoint is not None:
        response.headers[BACKEND] = endpoint.service
        if endpoint.ours:
            response.headers[REPLICA] = str(endpoint.replica)
