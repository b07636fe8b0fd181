"""`deploy`: make it so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

import click
from pydantic import ValidationError

from commands import limits, namespaces
from commands.access import Permit
from commands.changing import Change, Changing
from commands.lasting import lasting
from commands.limits import limited, refuse_unkept
from commands.namespaces import refuse_without_namespaces, set_apart
from commands.outcomes import live, unchanged
from commands.replies import Reply
from commands.terms import FORCE, STRATEGY, terms
from commands.verb import ENVIRONMENT, PLAN, Deps, Verb, argument, option
from commands.weighing import touched, weighed
from commands.words import (
    CountWord,
    EnvWord,
    GpuWord,
    ImageWord,
    NameWord,
    PlacementsWord,
    SettingWord,
    SourceWord,
    TtlWord,
    WholeWord,
)
from domain.access import Environment
from domain.engines import EngineName, usual
from domain.errors import UsageError
from domain.people import Role
from domain.services import Placement, ServiceSpec
from domain.sources import Source
from fleet.fleet import Outcome


@dataclass(frozen=True)
class Deploy:
    """What was asked for; None where nothing was said."""

    name: str
    source: Source | None = None
    target: tuple[tuple[str, int | None], ...] | None = None
    engine: str | None = None
    gpu: str | int | None = None
    replicas: int | None = None
    ctx: int | None = None
    set: tuple[tuple[str, str], ...] = field(default=())
    image: str | None = None
    env: tuple[tuple[str, str], ...] = field(default=())
    compose: str | None = None
    take_over: str | None = None
    cpu: float | None = None
    memory: int | None = None
    namespace: str | None = None
    ttl: float | None = None
    plan: bool = False
    environment: str | None = None
    strategy: str | None = None
    force: bool = False

    @property
    def service(self) -> str:
        """The service it concerns."""
        return self.name


async def deploy(request: Deploy, permit: Permit, deps: Deps) -> Change:
    """Bring the service to what was asked, keeping what was not mentioned."""

    def decide(before: ServiceSpec | None) -> ServiceSpec:
        want = spec(request, before, permit.place)
        refuse_unkept(request, want, deps)
        refuse_without_namespaces(request, want, deps)
        permit.allow(touched(before, want), want, before)
        return want

    def tell(outcome: Outcome) -> Reply:
        return live(outcome) if outcome.changed else unchanged(outcome)

    beside = lasting(request, permit, deps)
    return Change(request.name, decide, tell, beside=beside, terms=terms(request))


def spec(request: Deploy, before: ServiceSpec | None, place: Environment) -> ServiceSpec:
    """What the request amounts to, on top of what there was. Pure.

    Raises UsageError when something needed was never said, or does not fit together.
    """
    if before is None and request.source is None:
        raise UsageError(
            f"there is no service `{request.name}` yet, so `deploy` needs a model source",
            hint=f"For example `!deploy {request.name} tiny://ops`",
        )
    new = {"name": request.name, "source": request.source, **place.defaults.fields}
    old = before.model_dump() if before else new
    said = {
        "source": request.source,
        "engine": request.engine or _engine(request, before),
        "image": request.image,
        "env": tuple({**dict(before.env if before else ()), **dict(request.env)}.items()) or None,
        "compose": None if request.compose is None else request.compose == "yes",
        "take_over": _leave(request, before),
        "gpu": request.gpu,
        "context": request.ctx,
        "settings": _merged(before, request, place) if request.set else None,
        "placements": _placements(request, before, place),
    }
    _refuse_nothing_to_take_over(request, before)
    try:
        want = ServiceSpec(**{**old, **{key: v for key, v in said.items() if v is not None}})
        return set_apart(request, limited(request, want))
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _leave(request: Deploy, before: ServiceSpec | None) -> bool | None:
    """Whether what runs may be taken over: that was said of one project, and of no other."""
    if request.take_over is not None:
        return request.take_over == "yes"
    moved = before is not None and request.source not in (None, before.source)
    return False if moved else None


def _refuse_nothing_to_take_over(request: Deploy, before: ServiceSpec | None) -> None:
    source = request.source or (before.source if before else None)
    if request.take_over == "yes" and (source is None or source.scheme != "compose"):
        raise UsageError(
            "only what runs of a Compose project can be taken over",
            hint=f"For example `!deploy {request.name} compose:/srv/projects/chat --take-over yes`",
        )


def _engine(request: Deploy, before: ServiceSpec | None) -> str | None:
    """The engine that a source usually means, where the one there was came from its source too."""
    if request.source is None or (before and before.engine != usual(before.source)):
        return None
    return usual(request.source)


def _placements(
    request: Deploy, before: ServiceSpec | None, place: Environment
) -> tuple[Placement, ...]:
    usual = place.defaults.replicas or 1
    if request.target is None:
        if before is None:
            return (Placement(target=place.default_target, replicas=request.replicas or usual),)
        return before.placements if request.replicas is None else _scaled(before, request.replicas)
    if request.replicas is not None and len(request.target) > 1:
        raise UsageError("say how many on each target", hint="For example `--target eu:2,us:1`")
    kept = before.replicas if before and len(request.target) == 1 else usual
    default = request.replicas or kept
    return tuple(
        Placement(target=target, replicas=(default or 1) if count is None else count)
        for target, count in request.target
    )


def _scaled(before: ServiceSpec, replicas: int) -> tuple[Placement, ...]:
    try:
        return before.scaled(replicas).placements
    except ValueError as error:
        raise UsageError(str(error), hint="For example `--target eu:2,us:1`") from error


def _merged(
    before: ServiceSpec | None, request: Deploy, place: Environment
) -> tuple[tuple[str, str], ...]:
    old = before.settings if before else place.defaults.settings
    return tuple({**dict(old), **dict(request.set)}.items())


VERB = Verb(
    name="deploy",
    summary="run a model server, or change one that runs",
    examples=(
        "deploy tiny tiny://ops",
        "deploy qwen hf://Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_k_m.gguf",
        "deploy gemma path:/models/gemma-3-4b-it-Q4_K_M.gguf --ctx 8192 --replicas 2",
        "deploy coder hf://Qwen/Qwen2.5-Coder-7B-Instruct --target wks --gpu 1",
    ),
    request=Deploy,
    handle=Changing(deploy),
    role=Role.OPERATOR,
    changes=True,
    params=(
        argument("name", NameWord()),
        argument("source", SourceWord(), required=False),
        option("--target", PlacementsWord(), "T[:N],...", "where; default: the room's own target"),
        option("--engine", click.Choice(get_args(EngineName)), "ENGINE", "what serves it"),
        option("--gpu", GpuWord(), "auto|none|N", "GPUs for each replica"),
        *limits.OPTIONS,
        namespaces.OPTION,
        option("--replicas", CountWord(1), "N", "copies"),
        option("--ctx", WholeWord(64, 16_777_216), "TOKENS", "context of one conversation"),
        option(
            "--set",
            SettingWord(),
            "KEY=VALUE",
            "an engine setting; may be said again",
            multiple=True,
        ),
        option("--image", ImageWord(), "IMAGE", "container image instead of the engine's own"),
        option(
            "--env",
            EnvWord(),
            "NAME=VALUE",
            "a variable of its environment, no secret; may be said again",
            multiple=True,
        ),
        option("--compose", click.Choice(["yes", "no"]), "yes|no", "make it a Compose project"),
        option(
            "--take-over",
            click.Choice(["yes", "no"]),
            "yes|no",
            "take over what runs already of a `compose:` project, as it runs",
        ),
        ENVIRONMENT,
        option("--ttl", TtlWord(), "8h", "how long it is meant for; `none` for good"),
        STRATEGY,
        FORCE,
        PLAN,
    ),
    weigh=weighed(deploy),
    notes=(
        "A new version is started, proved by a real token and given the requests before the old "
        "one is stopped. If it never gets ready, the old one goes on serving.",
        "Without `--engine` the source says what serves it: a GGUF file llama.cpp, a whole `hf://` "
        "repository vLLM, `ollama://` Ollama.",
        "What does not fit into the memory that is free is refused, with what would fit; see "
        "docs/fit.md.",
        "With `--ttl` it is removed after that time, once whoever deployed it was asked and nobody "
        "said `keep`. A later deploy without `--ttl` leaves its end as it is.",
    ),
)
