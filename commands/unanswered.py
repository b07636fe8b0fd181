"""What is said where no model answers."""

from __future__ import annotations

from collections.abc import Sequence

from commands.verb import Deps
from domain.errors import OpsError, UnknownName, Unreachable
from fleet.survey import ServiceStatus
from inference.goals import unknown_model

OTHERS = 5
"""Names that are told of instead of one that does not answer."""


async def explained(error: OpsError, name: str, deps: Deps) -> OpsError:
    """The same error, and what helps whoever asked for that name."""
    if isinstance(error, UnknownName):
        return _unknown(error, name, deps.models.names)
    return await _placed(error, name, deps) if isinstance(error, Unreachable) else error


def _unknown(error: UnknownName, name: str, known: Sequence[str]) -> UnknownName:
    """Say what there is, unless it is only the model inside a backend that there is not."""
    if name.partition("/")[0] in known:
        return error
    return unknown_model(name, known, what="service, backend or route")


async def _placed(error: Unreachable, name: str, deps: Deps) -> Unreachable:
    """How a service stands; for what is none, who else could be asked."""
    try:
        (status,) = await deps.fleet.survey.status(name)
    except UnknownName:
        others = [f"`{each}`" for each in deps.models.names if each != name.partition("/")[0]]
        there = f"; there is also {', '.join(others[:OTHERS])}" if others else ""
        error.hint = f"ask again in a moment{there}"
    else:
        error.standing = _standing(status)
    return error


def _standing(status: ServiceStatus) -> str:
    spec = status.wanted.spec
    if status.busy_with:
        return f"Operation `{status.busy_with}` is changing it right now."
    if not spec.replicas:
        return f"It is stopped; `!scale {spec.name} 1` brings it back."
    return f"{status.ready} of {spec.replicas} replicas are ready."
