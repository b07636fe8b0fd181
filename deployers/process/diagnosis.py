"""What llama.cpp says that nobody else does, and what to do about it on a `process` target."""

from __future__ import annotations

from collections.abc import Iterable

from deployers.engines.signs import NOT_A_MODEL
from domain import diagnosis
from domain.diagnosis import Ending
from domain.errors import Failure
from domain.failure_signs import sign

_SIGNS = (
    *NOT_A_MODEL,
    sign(
        "missing-file",
        r"failed to open GGUF file",
        advice="check that the file is there and may be read by the bot",
    ),
    sign(
        "no-engine",
        r"no engine: ",
        "llama.cpp is not installed beside the bot",
        "install it: `pip install 'gantry[llamacpp]'`",
    ),
)

_LESS_MEMORY = "try a smaller quantisation, a smaller `--ctx`, or `--set parallel=1`"

_ADVICE = {
    "out-of-memory": _LESS_MEMORY,
    "cuda-out-of-memory": _LESS_MEMORY,
    "killed": f"{_LESS_MEMORY}; the kernel's log tells for certain",
    "unsupported-architecture": "install a newer one beside the bot "
    "(`pip install -U xllamacpp`), or choose another model",
    "port-taken": "leave `port` out and a free one is found",
}


def diagnose(exit_code: int | None, log: Iterable[str]) -> Failure:
    """Why a replica died. The code is None when it was not our child, so nobody told us."""
    return diagnosis.diagnose(Ending(exit_code, log=tuple(log)), _SIGNS, _ADVICE)
