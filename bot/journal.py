"""The bot's log: JSON lines on standard error, one per decision, never a secret."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import structlog

from bot.discretion import Discretion
from bot.matrix.discreet import logged


def start(discretion: Discretion, level: str = "info") -> None:
    """Send all logging, our own and libraries', warnings and what nobody caught through one JSON
    formatter, secrets masked."""

    def masked(_: Any, __: str, line: Mapping[str, Any]) -> Mapping[str, Any]:
        return {key: logged(value, discretion) for key, value in line.items()}

    masked_json: list[Any] = [masked, structlog.processors.JSONRenderer()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, *masked_json],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    without_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[without_meta, *masked_json], foreign_pre_chain=shared
        )
    )
    logging.captureWarnings(True)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("deployers.docker.paramiko").setLevel(logging.CRITICAL)  # the room is told
    logging.getLogger("nio").setLevel(logging.ERROR)  # it warns of every ordinary "not found"
    _tell_of_the_uncaught()


def _tell_of_the_uncaught() -> None:
    """Have Python tell the log, not standard error, of what ends the process or a thread."""
    log = structlog.get_logger()

    def fell_over(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        log.critical("fell over", exc_info=(kind, error, trace))

    def thread_fell_over(args: threading.ExceptHookArgs) -> None:
        log.critical("thread fell over", exc_info=args.exc_value)

    sys.excepthook, threading.excepthook = fell_over, thread_fell_over
