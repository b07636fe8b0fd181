"""Places where services run, told apart by kind."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ProcessTarget(BaseModel):
    """Child processes on the machine the bot runs on."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["process"]
    """What makes it one of these."""
    home: Path | None = None
    """Where replicas keep their records and logs; default: `targets/NAME` beside the state."""
    models_dir: Path | None = None
    """Where downloaded models are kept; default: `models` beside the state."""
    threads: int = Field(default=0, ge=0, le=1024)
    """Threads a replica may use; 0 takes half the processors."""


class RehearsalTarget(BaseModel):
    """Plays a script instead of running anything: for trying commands out."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["rehearsal"]
    """What makes it one of these."""
    home: Path | None = None
    """Where it remembers what it pretends to run; default: `targets/NAME` beside the state."""
    script: Literal[
        "smooth",
        "slow-pull",
        "never-ready",
        "crash-loop",
        "out-of-memory",
        "kv-cache-too-small",
        "gated-model",
        "no-gpu",
        "disk-full",
    ] = "smooth"
    """What happens when something is deployed there."""
    pace: float = Field(default=1.0, ge=0, le=60)
    """Seconds each scene takes."""
