"""`--cpu` and `--memory`: what a replica may use of its machine, and where that can be kept."""

from __future__ import annotations

import re
from typing import Any, Protocol

import click

from commands.verb import Deps, option
from domain.amounts import read_memory
from domain.errors import Unsupported
from domain.services import MAX_CPUS, MAX_MEMORY, MIN_CPUS, MIN_MEMORY, ServiceSpec

NO_LIMIT = "none"
"""Takes a limit away."""


class Limited(Protocol):
    """A request that may set limits. None where nothing was said, 0 for no limit."""

    @property
    def cpu(self) -> float | None:
        """Cores."""
        ...

    @property
    def memory(self) -> int | None:
        """Bytes."""
        ...


class CpuWord(click.ParamType[float]):
    """Cores, or `none`, which is 0."""

    name = "cores"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Take plain decimals."""
        text = str(value)
        if text == NO_LIMIT:
            return 0.0
        plain = re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text, re.ASCII)
        if not plain or not MIN_CPUS <= float(text) <= MAX_CPUS:
            self.fail(
                f"`{text[:40]}` is not a number of cores from {MIN_CPUS:g} to {MAX_CPUS:g}; write "
                "`4`, `0.5` or `none`"
            )
        return float(text)


class MemoryWord(click.ParamType[int]):
    """`512m` or `8g` in bytes, or `none`, which is 0."""

    name = "memory"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Take what `read_memory` takes, within reason."""
        if isinstance(value, int):
            return value
        if value == NO_LIMIT:
            return 0
        try:
            amount = read_memory(str(value))
        except ValueError as error:
            self.fail(f"{error}, or `none`")
        if not MIN_MEMORY <= amount <= MAX_MEMORY:
            self.fail(f"`{value[:40]}` is not within 6m and 1024t")
        return amount


OPTIONS = (
    option("--cpu", CpuWord(), "N", "cores a replica may use; `none` for no limit"),
    option("--memory", MemoryWord(), "8g", "memory a replica may use; `none` for no limit"),
)


def limited(request: Limited, spec: ServiceSpec) -> ServiceSpec:
    """The service with the limits that were said; what was not mentioned stays. Pure."""
    said = {"cpus": request.cpu, "memory": request.memory}
    return spec.model_copy(update={k: v or None for k, v in said.items() if v is not None})


def refuse_unkept(request: Limited, want: ServiceSpec, deps: Deps) -> None:
    """Raise Unsupported where somebody asks for a limit and a target cannot keep it.

    Limits that nobody asked for just now, an environment's own for example, keep nothing from
    running: the target's plan warns of them.
    """
    if not (request.cpu or request.memory):
        return
    for place in want.placements:
        why = deps.fleet.survey.limits_nothing(place.target)
        if place.replicas and why:
            raise Unsupported(
                f"{place.target} cannot keep --cpu or --memory: {why}",
                hint="leave them out, or choose another target",
            )
