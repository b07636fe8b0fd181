"""`--namespace`: where a service's replicas are set apart, and which targets can do that."""

from __future__ import annotations

from typing import Any, Protocol

import click

from commands.verb import Deps, option
from domain.errors import Unsupported
from domain.services import NO_NAMESPACE, ServiceSpec, namespace


class Apart(Protocol):
    """A request that may name a namespace. None where nothing was said, "" for a target's own."""

    @property
    def namespace(self) -> str | None:
        """Its name."""
        ...


class NamespaceWord(click.ParamType[str]):
    """A namespace, or `none`, which is ""."""

    name = "namespace"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Take a DNS label of at most 63 characters."""
        text = str(value)
        if text in ("", NO_NAMESPACE):
            return ""
        try:
            return namespace(text)
        except ValueError as error:
            self.fail(str(error))


OPTION = option(
    "--namespace",
    NamespaceWord(),
    "NAMESPACE",
    "where its replicas are set apart, on targets that have namespaces; `none` for their own",
)


def set_apart(request: Apart, spec: ServiceSpec) -> ServiceSpec:
    """The service in the namespace that was said; where nothing was, it stays. Pure."""
    if request.namespace is None:
        return spec
    return spec.model_copy(update={"namespace": request.namespace or None})


def refuse_without_namespaces(request: Apart, want: ServiceSpec, deps: Deps) -> None:
    """Raise Unsupported where somebody asks for a namespace and a target has none.

    One that nobody asked for just now, an environment's own for example, keeps nothing from
    running: the target passes it over, and its plan says so.
    """
    if not request.namespace:
        return
    for place in want.placements:
        why = deps.fleet.survey.no_namespaces(place.target)
        if place.replicas and why:
            raise Unsupported(
                f"{place.target} has no namespaces: {why}",
                hint="leave --namespace out, or choose another target",
            )
