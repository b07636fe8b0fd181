"""From a spec to the command line that serves it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deployers.engines import llamacpp
from deployers.engines.llamacpp import Tuning, per_conversation, tuning
from deployers.models.gguf import Header
from domain.fit import Need
from domain.services import ServiceSpec

_SMALL = 64 * 1024 * 1024
_PROGRAM = Path(__file__).with_name("serve_gguf.py")


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
    """Memory a replica takes; None where the model's header does not tell."""
    said = Header(
        context=model.context,
        cache_per_token=model.cache_per_token,
        buffers_per_token=model.buffers_per_token,
        quantisation=model.quantisation,
    )
    return llamacpp.need(spec, model.size, said)


def _tokens(spec: ServiceSpec, model: ModelFile, tuned: Tuning) -> int:
    return per_conversation(spec, model.context) * tuned.parallel


def _threads(tuned: Tuning, model: ModelFile, host: Host) -> int:
    if tuned.threads:
        return tuned.threads
    if model.size < _SMALL:
        return 1  # a tiny model spends longer on handing work between threads than on the work
    return host.threads or max(1, host.cpus // 2)
