"""The bot's log: JSON lines on standard error, one per decision, never a secret."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from pydantic import SecretStr


def start(level: str = "info") -> None:
    """Send all logging, our own and libraries', through one JSON formatter."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        _without_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    renderer = structlog.processors.JSONRenderer()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared)
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("nio").setLevel(logging.ERROR)  # it warns of every ordinary "not found"


def _without_secrets(_: Any, __: str, line: dict[str, Any]) -> dict[str, Any]:
    """Values that are wrapped as secrets never reach the log, whoever puts them there."""
    return {k: "******" if isinstance(v, SecretStr) else v for k, v in line.items()}
