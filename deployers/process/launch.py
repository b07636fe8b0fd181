"""From a spec to the command line that serves it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from domain.errors import Unsupported
from domain.fit import Need
from domain.services import ServiceSpec

MAX_DEFAULT_CONTEXT = 8192
"""Tokens a conversation gets when the spec leaves it open, to bound memory. Ask for more by
`context`."""

_UNKNOWN_CONTEXT = 2048
_ENGINE = 40 * 1000 * 1000
"""Bytes of a server without its model: 36 MB were measured with the smallest one."""
_ONE_OF_SEVERAL = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
_SMALL = 64 * 1024 * 1024
_RANGES = {"parallel": (1, 256), "threads": (1, 1024), "port": (1, 65_535), "batch": (32, 16_384)}
_PROGRAM = Path(__file__).with_name("serve_gguf.py")


@dataclass(frozen=True, slots=True)
class Tuning:
    """The engine settings of a spec, checked. None and 0 leave the choice to us."""

    parallel: int = 4
    threads: int | None = None
    port: int = 0
    batch: int = 512


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A GGUF file that is on this machine, or is to be fetched to it."""

    path: Path
    size: int
    """Bytes."""
    context: int | None = None
    """Tokens it was trained for, where its header says so."""
    cache_per_token: int | None = None
    buffers_per_token: int | None = None
    """Bytes, as in `gguf.Header`."""
    quantisation: str | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """What of the machine a launch depends on."""

    python: str
    cpus: int
    threads: int = 0
    """What the target's configuration allows a replica; 0 takes half the processors."""


def tuning(spec: ServiceSpec) -> Tuning:
    """The spec's settings as numbers.

    Raises Unsupported, naming the known ones, for a setting the engine does not have or a value
    it cannot take.
    """
    found = Tuning()
    for key, value in spec.settings:
        if key not in _RANGES:
            raise Unsupported(f"llama.cpp here has no setting `{key}`", hint=_nearest(key))
        low, high = _RANGES[key]
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise Unsupported(
                f"{key}={value} is out of range", hint=f"{key} is a number from {low} to {high}"
            )
        found = replace(found, **{key: int(value)})
    return found


def command(spec: ServiceSpec, model: ModelFile, host: Host, folder: Path) -> tuple[str, ...]:
    """The whole command line of one replica that keeps its records in `folder`."""
    tuned = tuning(spec)
    line = (
        *(host.python, "-P", str(_PROGRAM)),
        *("--replica-dir", str(folder)),
        *("--model", str(model.path)),
        *("--alias", spec.name),
        *("--context", str(_tokens(spec, model, tuned))),
        *("--parallel", str(tuned.parallel)),
        *("--batch", str(tuned.batch)),
        *("--threads", str(_threads(tuned, model, host))),
        *("--port", str(tuned.port)),
    )
    return (*line, "--gpu-layers", "0") if spec.gpu == "none" else line


def need(spec: ServiceSpec, model: ModelFile) -> Need | None:
    """Memory a replica takes; None where the model's header does not tell, or where the file is
    one of several.

    The buffers for one batch's results are what llama.cpp reserves for the vocabulary and the
    embedding, and are most of the rest for a small model.
    """
    if model.cache_per_token is None or model.buffers_per_token is None:
        return None
    if _ONE_OF_SEVERAL.search(model.path.name):
        return None
    tuned = tuning(spec)
    tokens = _tokens(spec, model, tuned)
    overhead = _ENGINE + tuned.batch * model.buffers_per_token
    return Need(
        model.size,
        tokens * model.cache_per_token,
        overhead,
        tokens,
        tuned.parallel,
        model.quantisation,
    )


def _tokens(spec: ServiceSpec, model: ModelFile, tuned: Tuning) -> int:
    context = spec.context or min(model.context or _UNKNOWN_CONTEXT, MAX_DEFAULT_CONTEXT)
    return context * tuned.parallel


def _threads(tuned: Tuning, model: ModelFile, host: Host) -> int:
    if tuned.threads:
        return tuned.threads
    if model.size < _SMALL:
        return 1  # a tiny model spends longer on handing work between threads than on the work
    return host.threads or max(1, host.cpus // 2)


def _nearest(key: str) -> str:
    close = get_close_matches(key, _RANGES, n=1)
    known = f"it has {', '.join(_RANGES)}"
    return f"did you mean `{close[0]}`? {known}" if close else known
