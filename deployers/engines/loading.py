"""What an engine's log says of how far a replica is. Pure.

The lines are those of huggingface_hub's and vLLM's progress bars (tqdm) and of llama.cpp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.replicas import Phase

_BAR = re.compile(
    r"(?:[\w./-]+\.(?:safetensors|gguf|bin|pt|pth)|Fetching \d+ files): +(\d{1,3})%\|"
)
"""`model-00001-of-00003.safetensors:  45%|####5     | 2.2G/4.9G [00:12<00:13, 200MB/s]`"""
_SHARDS = re.compile(r"Loading \w+ checkpoint shards: +(\d{1,3})% Completed")
"""`Loading safetensors checkpoint shards:  25% Completed | 1/4 [00:07<00:21,  7.16s/it]`"""
_ASKED = re.compile(
    r"\"(?:GET|POST) /\S* HTTP/1\.[01]\" \d{3}|request: (?:GET|POST) /|"
    r"\[GIN\].*\| +(?:GET|POST) +\""
)
"""What vLLM (uvicorn), llama.cpp and Ollama write of a request."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a replica is on its way to its first token."""

    phase: Phase
    fraction: float | None = None
    """Of the file, or of all files, that its engine is at."""


def stage(line: str) -> Stage:
    """What a line tells. One that tells nothing comes from a replica that loads.

    A progress bar is written over itself, so that one line may hold many: the last counts.
    """
    bars = [(found.end(), Phase.DOWNLOADING, found[1]) for found in _BAR.finditer(line)]
    shards = [(found.end(), Phase.LOADING, found[1]) for found in _SHARDS.finditer(line)]
    if not bars and not shards:
        return Stage(Phase.LOADING)
    _, phase, percent = max(bars + shards)
    return Stage(phase, min(1.0, int(percent) / 100))


def moves(line: str) -> bool:
    """Whether a line may tell that something moves on. That somebody asked, as those do who wait
    for it, tells nothing, and neither does an empty one."""
    return bool(line.strip()) and not _ASKED.search(line)
