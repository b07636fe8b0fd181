"""`batch`: ask everything that stands in a file, and hand the answers over as one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from commands.access import Permit
from commands.batching import CANCELLED, Batching
from commands.model_words import EventWord, ModelWord
from commands.replies import Reply
from commands.unanswered import explained
from commands.verb import Deps, Verb, argument, option
from commands.weighing import touched
from domain.errors import Cancelled, OpsError, RequestError, UnknownName
from domain.people import Role
from domain.progress import Report
from domain.services import ServiceSpec
from inference.batch.course import GaveUp
from inference.batch.lines import MOST_BYTES, MOST_LINES
from inference.goals import Goal


@dataclass(frozen=True)
class Batch:
    """A file of requests, and who is to answer them."""

    name: str
    """A service, a backend, `backend/model`, or a route."""
    file: str | None = None
    """The message that is the file."""


async def batch(request: Batch, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Ask line by line, never more at once than half of what whoever is asked can do.

    What was answered is kept as it comes, so that nothing is asked twice if the bot is killed; it
    is handed over however the batch ends.
    """
    run = Batching(request.name, request.file, permit, deps, report)
    try:
        await _weighed(request, permit, deps)
        await deps.cancellations.guard(permit.operation.id, run.run())
    except Cancelled as error:
        return await run.cut_short(error, CANCELLED)
    except (UnknownName, GaveUp) as error:
        return await run.cut_short(await explained(error, request.name, deps))
    except OpsError as error:
        return await run.cut_short(error)
    return await run.complete()


async def _weighed(
    request: Batch, permit: Permit, deps: Deps
) -> tuple[Sequence[str], ServiceSpec | None]:
    """An operator may ask everything. For a role it counts what is asked: a service is on its
    targets; a backend is on none, and a route where the services are that it leads to."""
    specs, one = await _asked(request.name, deps)
    targets = touched(*specs)
    spec = specs[0] if one and specs else None
    if not permit.enough:
        permit.allow(targets, spec)
    return targets, spec


async def _asked(name: str | None, deps: Deps) -> tuple[list[ServiceSpec], bool]:
    """The services a name leads to, and whether it is the name of one."""
    goal: Goal | None = None
    with suppress(RequestError):
        goal = deps.models.goal(name or "")
    members = goal.members if goal else (name or "",)
    async with deps.store.transaction() as tx:
        found = [await tx.services.get(member) for member in members]
    return [each.spec for each in found if each], goal is None or goal.route is None


VERB = Verb(
    name="batch",
    summary="ask a model everything that stands in a file",
    examples=("batch tiny", "batch @chat"),
    request=Batch,
    handle=batch,
    role=Role.OPERATOR,
    acts=True,
    lasts=True,
    weigh=_weighed,
    params=(
        argument("name", ModelWord()),
        option("--file", EventWord(), "EVENT", "a message here that is the file"),
    ),
    notes=(
        "Say it as a reply to a file, as its caption, or in a thread on it: JSON Lines as OpenAI's "
        f"batches have them, up to {MOST_LINES:,} lines and {MOST_BYTES / 1e6:g} MB. NAME says who "
        "answers, as with `infer`; a `model` in the file does not.",
        "The whole file is looked at before anything is asked. The answers come as a file in the "
        "thread of the message that shows how far it is, one line for each request, in order.",
        "People come first: it takes half of what the replicas can do, and less while others ask.",
        "❌ under its message ends it; what was answered until then is handed over. A restart of "
        "the bot goes on where it was.",
    ),
)
