"""From how a replica ended and what it wrote to a diagnosis a person can act on. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from domain.errors import Failure

EVIDENCE = 8
"""Log lines a diagnosis carries."""

_KILLED = {-9, 137}


@dataclass(frozen=True, slots=True)
class _Sign:
    pattern: re.Pattern[str]
    kind: str
    what: str
    advice: str
    retryable: bool = False


def _sign(pattern: str, kind: str, what: str, advice: str, *, retryable: bool = False) -> _Sign:
    return _Sign(re.compile(pattern, re.IGNORECASE), kind, what, advice, retryable)


_OUT_OF_MEMORY = (
    "out-of-memory",
    "it needs more memory than there is",
    "try a smaller quantisation, a smaller --ctx, or --set parallel=1",
)

_SIGNS = (
    _sign(
        r"invalid magic characters",
        "not-a-model",
        "the file is not a GGUF model",
        "check the file; llama.cpp serves GGUF files only",
    ),
    _sign(
        r"not within the file bounds|corrupted or incomplete|failed to read (?:tensor|key-value)",
        "not-a-model",
        "the model file is cut short or damaged",
        "fetch the file again; its download may have been interrupted",
    ),
    _sign(
        r"failed to open GGUF file",
        "missing-file",
        "the model file cannot be opened",
        "check that the file is there and may be read by the bot",
    ),
    _sign(
        r"unknown model architecture: '(?P<detail>[^']*)'",
        "unsupported-architecture",
        "this llama.cpp does not know the model's architecture `{detail}`",
        "pip install -U xllamacpp, or choose another model",
    ),
    _sign(
        r"couldn't bind HTTP server socket.*port: (?P<detail>\d+)",
        "port-taken",
        "port {detail} is taken",
        "leave `port` out and a free one is found",
        retryable=True,
    ),
    _sign(
        r"failed to allocate|unable to allocate|cannot allocate memory|out of memory|bad_alloc",
        *_OUT_OF_MEMORY,
    ),
    _sign(
        r"no engine: ",
        "no-engine",
        "llama.cpp is not installed beside the bot",
        "pip install 'gantry[llamacpp]'",
    ),
)


def diagnose(exit_code: int | None, log: Iterable[str]) -> Failure:
    """Why a replica died. The code is None when it was not our child, so nobody told us."""
    lines = tuple(log)
    evidence = tuple(line for line in lines if line.strip())[-EVIDENCE:]
    for sign in _SIGNS:
        for line in lines:
            if match := sign.pattern.search(line):
                what = sign.what.format(**match.groupdict())
                return Failure(sign.kind, what, sign.advice, evidence, sign.retryable)
    if exit_code in _KILLED:
        kind, _, advice = _OUT_OF_MEMORY
        return Failure(
            kind, "it was killed, most likely for the memory it took", advice, evidence, True
        )
    return Failure(
        "crashed", f"it ended by itself{_ending(exit_code)}", "see !logs", evidence, retryable=True
    )


def gave_up(seconds: float, loaded: bool, log: Iterable[str]) -> Failure:
    """Why a replica that lives is given up: nothing moved for so many seconds."""
    evidence = tuple(line for line in log if line.strip())[-EVIDENCE:]
    stage = "it listens but gave no token" if loaded else "the model is still loading"
    return Failure(
        "probe-timeout",
        f"not ready after {seconds:.3g} s: {stage}",
        "see !logs; a slow disk or a large model may need a longer startup budget",
        evidence,
        retryable=True,
    )


def _ending(exit_code: int | None) -> str:
    if exit_code is None:
        return ""
    return f" (signal {-exit_code})" if exit_code < 0 else f" (exit code {exit_code})"
