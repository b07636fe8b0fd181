"""What went wrong, as a client of OpenAI's is told. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from domain.errors import (
    NotAuthenticated,
    NotPermitted,
    OpsError,
    QuotaUsedUp,
    Refused,
    RequestError,
    UnknownName,
)
from domain.usage import Fault
from inference.gateway.asked import BadRequest
from inference.gateway.misses import CutOff, Missed, Rejected, Whole
from inference.router import NotReady
from inference.wire import error_body

GONE = 499
"""What nginx calls a request whose client went away; nobody is told it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """How an error is told over HTTP, and what it counts as."""

    answer: Whole
    fault: Fault | None


def problem(error: OpsError) -> Problem:
    """The answer to a request that came to nothing.

    What a backend itself said is passed on as it said it. Names that are not there are told with
    OpenAI's code for that, so that its clients raise what they have for it.
    """
    match error:
        case Rejected():
            return Problem(error.answer, Fault.REFUSED)
        case Missed() if error.answer is not None and error.answer.status >= 400:
            return Problem(error.answer, error.fault)
        case Missed():
            status = 504 if error.fault is Fault.SILENT else 502
            return Problem(_told(error, status, "upstream_error"), error.fault)
        case NotReady():
            again = {"Retry-After": str(error.retry_after)}
            return Problem(_told(error, 503, "not_ready", headers=again), Fault.BUSY)
        case NotAuthenticated():
            bearer = {"WWW-Authenticate": "Bearer"}
            told = _told(error, 401, "invalid_request_error", "invalid_api_key", headers=bearer)
            return Problem(told, None)
        case NotPermitted():
            return Problem(_told(error, 403, "invalid_request_error", "model_not_allowed"), None)
        case QuotaUsedUp():
            again = {"Retry-After": str(error.retry_after)}
            told = _told(error, 429, "insufficient_quota", "quota_exceeded", headers=again)
            return Problem(told, None)
        case UnknownName():
            told = _told(error, 404, "invalid_request_error", "model_not_found", param="model")
            return Problem(told, None)
        case BadRequest():
            told = _told(error, error.status, "invalid_request_error", param=error.param)
            return Problem(told, None)
        case RequestError() | Refused():
            return Problem(_told(error, 400, "invalid_request_error"), Fault.REFUSED)
        case CutOff():
            return Problem(_told(error, 502, "upstream_error"), error.fault)
    return Problem(_told(error, 502, "upstream_error"), Fault.FAILED)


def _told(
    error: OpsError,
    status: int,
    kind: str,
    code: str | None = None,
    *,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Whole:
    message = f"{error.summary}; {error.hint}" if error.hint else error.summary
    body = json.dumps(error_body(message, kind, code, param)).encode()
    return Whole(status, body, {"Content-Type": "application/json", **(headers or {})})
