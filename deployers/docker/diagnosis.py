"""What Docker and what runs in it say that nobody else does, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable

from deployers.engines.signs import NOT_A_MODEL
from domain import diagnosis
from domain.diagnosis import Ending
from domain.errors import Failure, Refused
from domain.failure_signs import sign

_SIGNS = (
    sign(
        "model-missing",
        r"invalid mount path: '(?P<path>[A-Za-z]:[^']*)' mount path must be absolute",
        "{path} is a path of Windows, and that host has none",
        "write the path as it is on the target's host",
    ),
    sign(
        "model-missing",
        r"bind source path does not exist: (?P<path>[^\n]+)",
        "there is no {path} on that host",
        "check the path, which is one of the target's host",
    ),
    sign(
        "model-missing",
        r"failed to open GGUF file|error loading model: .*No such file",
        "the model file is not there",
        "check the path, which is one of the target's host",
    ),
    sign(
        "model-missing",
        r"evalSymlinksInScope: too many links",
        "its links lead in a circle",
        "check the path, which is one of the target's host",
    ),
    *NOT_A_MODEL,
    sign(
        "gpu-lost",
        r"GPU is lost",
        "the graphics card does not answer any more",
        "restart the target's machine",
    ),
    sign("gpu-lost", r"Failed to initialize NVML: (?!Driver)|No devices were found"),
)

_ADVICE = {
    "port-taken": "leave `--set port` out and the engine finds a free one",
    "image-denied": "check the image's name; for a private one name a login for its registry under "
    "the target's `registries`",
}


def diagnose(
    exit_code: int | None,
    log: Iterable[str],
    *,
    out_of_memory: bool | None = None,
    error: str = "",
) -> Failure:
    """Why a container failed: by what the engine answered, its log, and how it ended."""
    ending = Ending(exit_code, out_of_memory, tuple(log), error)
    return diagnosis.diagnose(ending, _SIGNS, _ADVICE)


def refusal(what: str, answer: str) -> Refused:
    """An engine's no, for people: what failed, and what to do if its words give that away."""
    failure = diagnose(None, (), error=answer)
    if failure.kind == "refused":
        return Refused(f"{what}: {_first_line(answer)}", hint="that is the engine's own answer")
    return Refused(f"{what}: {failure.what}", hint=failure.advice)


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["it does not say why"])[0][:300]
