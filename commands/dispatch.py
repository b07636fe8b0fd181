"""Runs a handler, whatever comes of it."""

from __future__ import annotations

import structlog

from commands.access import Permit
from commands.grammar import Parsed
from commands.replies import Reply
from commands.verb import Deps
from domain.errors import Cancelled, OpsError
from domain.progress import Report

log = structlog.get_logger()


async def dispatch(parsed: Parsed, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Carry out a permitted request and say how it ended. Raises nothing but a shutdown.

    The one place that catches everything: a bug gets a reference for the room and a traceback
    for the log.
    """
    title = " ".join(permit.operation.text.split()[:2])
    try:
        return await parsed.verb.handle(parsed.request, permit, deps, report)
    except Cancelled as error:
        return Reply.failed(title, error).marked_cancelled()
    except OpsError as error:
        return Reply.failed(title, error)
    except Exception:
        log.exception("bug", operation=permit.operation.id, verb=parsed.verb.name)
        bug = OpsError(
            f"a bug in the bot, not in what you asked; its log has it as {permit.operation.id}",
            hint="`!status` shows what runs now",
        )
        return Reply.failed(title, bug)
