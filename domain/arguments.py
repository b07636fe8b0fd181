"""Conditions on what a change comes to: `replicas<=4`, `source=hf://org/*`."""

from __future__ import annotations

import difflib
import ntpath
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from domain.amounts import memory, read_memory
from domain.services import NO_NAMESPACE, ServiceSpec
from domain.sources import Source
from domain.subjects import glob

NAMESPACE = "namespace"
"""The argument that tells whose a service is: what it was counts as much as what it would be."""

SETTING = "setting."
"""Begins the name of an engine's setting."""

_FORM = re.compile(r"\s*([a-z_]+(?:\.[^\s<>=]+)?)\s*(<=|>=|=)\s*(\S.*?)\s*", re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")


def _source(source: Source) -> str:
    """As it is typed, but that `/models/../etc` does not look like something in /models."""
    if source.scheme not in ("path", "compose"):
        return str(source)
    flavour = posixpath if source.location.startswith("/") else ntpath
    return f"{source.scheme}:{flavour.normpath(source.location)}"


ARGUMENTS: Final[Mapping[str, Callable[[ServiceSpec], object]]] = {
    "service": lambda spec: spec.name,
    "source": lambda spec: _source(spec.source),
    "engine": lambda spec: spec.engine,
    "image": lambda spec: "default" if spec.image is None else spec.image,
    "gpu": lambda spec: spec.gpu,
    "context": lambda spec: "default" if spec.context is None else spec.context,
    "replicas": lambda spec: spec.replicas,
    "cpus": lambda spec: "unlimited" if spec.cpus is None else spec.cpus,
    "memory": lambda spec: "unlimited" if spec.memory is None else memory(spec.memory),
    NAMESPACE: lambda spec: NO_NAMESPACE if spec.namespace is None else spec.namespace,
    "take_over": lambda spec: "yes" if spec.take_over else "no",
    "startup_budget": lambda spec: spec.startup_budget,
    "drain_timeout": lambda spec: spec.drain_timeout,
}
"""What may be asked of a service as it would be, and how it is found there."""

NUMBERS: Final = frozenset(
    {"gpu", "context", "replicas", "cpus", "memory", "startup_budget", "drain_timeout"}
)
"""Those that `<=` and `>=` make sense of. Budgets and timeouts are in seconds, memory is written
with a unit."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One of them. It is asked of the service that a command comes to, however it was said."""

    argument: str
    sign: str
    value: str

    def __str__(self) -> str:
        return f"{self.argument}{self.sign}{self.value}"

    def found(self, spec: ServiceSpec) -> str:
        """What a service has there, in the words it is compared by."""
        if self.argument.startswith(SETTING):
            return dict(spec.settings).get(self.argument.removeprefix(SETTING), "default")
        value = self._of(spec)
        return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)

    def holds(self, spec: ServiceSpec) -> bool:
        """Whether it is true. A number that is left open (`gpu` auto, no context, no limit) is not
        known to be within any bound; no GPU is 0 of them."""
        found = self.found(spec)
        if self.sign == "=":
            return re.fullmatch(glob(self.value), found, re.DOTALL) is not None
        has, bound = _number(self.argument, found), _number(self.argument, self.value)
        if has is None or bound is None:
            return False
        return has <= bound if self.sign == "<=" else has >= bound

    def _of(self, spec: ServiceSpec) -> object:
        return ARGUMENTS[self.argument](spec)


def parse_condition(text: str) -> Condition:
    """Read a condition as it is written. Raises ValueError with what is wrong and what is right."""
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError(
            f"`{text[:80]}` is no condition; write `replicas<=4`, `source=hf://org/*` or `gpu=none`"
        )
    argument, sign, value = form[1], form[2], form[3]
    setting = argument.startswith(SETTING)
    if not setting and argument not in ARGUMENTS:
        known = [*ARGUMENTS, f"{SETTING}KEY"]
        close = difflib.get_close_matches(argument, known, n=1, cutoff=0.5)
        right = f"did you mean `{close[0]}`?" if close else f"there is {', '.join(known)}"
        raise ValueError(f"`{text[:80]}`: there is no argument `{argument[:40]}`; {right}")
    if sign != "=" and not (setting or argument in NUMBERS):
        raise ValueError(f"`{text[:80]}`: `{argument}` is no number; write `{argument}=...`")
    if argument == "memory":
        value = _memory(value, word=sign == "=")
    elif sign != "=" and _number(argument, value) is None:
        raise ValueError(f"`{text[:80]}`: `{value[:40]}` is no number")
    return Condition(argument, sign, value)


def _memory(text: str, *, word: bool) -> str:
    """As it is found in a service, so that `8g` is the same as `8 GiB`; a word, where that may be,
    stays as it is."""
    try:
        return memory(read_memory(text))
    except ValueError:
        if not word:
            raise
        return text


def _number(argument: str, text: str) -> float | None:
    """What is compared: memory in bytes, no GPU as 0 of them; None for what is no number."""
    if argument == "memory":
        return None if text == "unlimited" else float(read_memory(text))
    number = "0" if argument == "gpu" and text == "none" else text
    return float(number) if _NUMBER.fullmatch(number) else None
