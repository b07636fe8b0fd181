"""The plays a rehearsal knows, as data."""

from __future__ import annotations

from dataclasses import dataclass

from domain.diagnosis import Ending, diagnose
from domain.errors import Failure
from domain.replicas import Phase
from domain.sources import Source


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment in the life of a pretended replica."""

    phase: Phase
    line: str
    """What it writes to its log."""
    fraction: float | None = None
    failure: Failure | None = None
    """Set in the last scene of a play that ends badly."""


def choose(configured: str, source: Source) -> str:
    """The play a source asks for by its name (`tiny://never-ready`), else the target's own."""
    names = (*_PLAYS, *_LAST_WORDS)
    return next((name for name in names if name in source.location), configured)


def scenes(play: str) -> tuple[Scene, ...]:
    """The scenes of a play, in order."""
    if play in _PLAYS:
        return _PLAYS[play]
    words = _LAST_WORDS[play]
    failure = diagnose(Ending(1, log=(words,)))
    return (*_PULL, *_DOWNLOAD, _LOAD[0], Scene(Phase.FAILED, words, failure=failure))


_PULL = (
    Scene(Phase.PULLING, "pulling the image: 40 of 120 MB", 0.33),
    Scene(Phase.PULLING, "pulling the image: 120 of 120 MB", 1.0),
)

_DOWNLOAD = (
    Scene(Phase.DOWNLOADING, "downloading the weights: 1.0 of 2.0 GB", 0.5),
    Scene(Phase.DOWNLOADING, "downloading the weights: 2.0 of 2.0 GB", 1.0),
)

_LOAD = (
    Scene(Phase.LOADING, "loading the model: 16 of 32 layers", 0.5),
    Scene(Phase.LOADING, "loading the model: 32 of 32 layers", 1.0),
)

_READY = Scene(Phase.READY, "first token after 0.02 s", 1.0)

_SLOW_PULL = tuple(
    Scene(Phase.PULLING, f"pulling the image: {done * 600} of 12000 MB", done / 20)
    for done in range(1, 21)
)

_SILENCE = Scene(Phase.LOADING, "waiting for the model to answer")

_NEVER_READY = Scene(
    Phase.FAILED,
    "no answer within the startup budget",
    failure=Failure(
        "probe-timeout",
        "not ready within its startup budget: it listens but gave no token",
        "see !logs; a slow disk or a large model may need a longer startup budget",
        retryable=True,
    ),
)

_CRASHES = tuple(Scene(Phase.STARTING, f"exited with code 1, start {n} of 3") for n in (1, 2))

_CRASHED = Scene(
    Phase.FAILED,
    "exited with code 1, start 3 of 3",
    failure=Failure(
        "crashed", "it ended by itself (exit code 1), three times", "see !logs", retryable=True
    ),
)

_PLAYS = {
    "smooth": (*_PULL, *_DOWNLOAD, *_LOAD, _READY),
    "slow-pull": (*_SLOW_PULL, *_DOWNLOAD, *_LOAD, _READY),
    "never-ready": (*_PULL, *_DOWNLOAD, *_LOAD, _SILENCE, _SILENCE, _NEVER_READY),
    "crash-loop": (*_PULL, *_DOWNLOAD, *_CRASHES, _CRASHED),
}

_LAST_WORDS = {
    "out-of-memory": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. "
    "GPU 0 has a total capacity of 23.65 GiB of which 811.06 MiB is free.",
    "kv-cache-too-small": "ValueError: To serve at least one request with the model's max seq len "
    "(131072), (16.0 GiB KV cache is needed, which is larger than the available KV cache memory "
    "(4.2 GiB). Based on the available memory, the estimated maximum model length is 34736.",
    "gated-model": "Access to model rehearsal/secret-8b is restricted. You must have access to it "
    "and be authenticated to access it. Please log in.",
    "no-gpu": 'could not select device driver "" with capabilities: [[gpu]]',
    "disk-full": "write /models/weights.safetensors: no space left on device",
}
"""Plays that load half of the model and end with these words, diagnosed as real ones are."""
