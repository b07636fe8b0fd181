"""Ollama. Its API as in docs/api.md of its repository, its environment as in docs/faq.md and
`ollama serve --help`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployers.engines.numbers import numbers
from deployers.engines.preset import WEIGHTS, Hardware, Start, Weights
from domain.errors import Unsupported
from domain.services import ServiceSpec

_PORT = 11434
_RANGES = {"port": (1, 65_535), "parallel": (1, 256)}
_IMAGE = "ollama/ollama:latest"


@dataclass(frozen=True, slots=True)
class Ollama:
    """Serves tags of its own library; the same image computes on cards and on the processor."""

    images: Mapping[Hardware, str] = field(default_factory=lambda: {"cpu": _IMAGE, "cuda": _IMAGE})
    spare: Mapping[Hardware, str] = field(default_factory=dict)
    keeps: str = "ollama"

    def check(self, spec: ServiceSpec) -> None:
        """Its own tags only."""
        numbers(spec, _RANGES, "Ollama")
        if spec.source.scheme != "ollama":
            raise Unsupported(
                f"Ollama does not load {spec.source.scheme}://", hint="write ollama://qwen2.5:0.5b"
            )

    def start(self, spec: ServiceSpec, weights: Weights, hardware: Hardware) -> Start:
        """The server is one for all models; which it serves is said once it listens.

        Its store is shared with other servers: one that starts would take away what another is
        still pulling, as unused, and what was pulled in part, unless it is told not to.
        """
        parallel = numbers(spec, _RANGES, "Ollama").get("parallel")
        environment = {
            "OLLAMA_HOST": f"0.0.0.0:{_PORT}",
            "OLLAMA_MODELS": f"{WEIGHTS}/{self.keeps}",
            "OLLAMA_KEEP_ALIVE": "-1",
            "OLLAMA_NOPRUNE": "1",
            **({"OLLAMA_CONTEXT_LENGTH": str(spec.context)} if spec.context else {}),
            **({"OLLAMA_NUM_PARALLEL": str(parallel)} if parallel else {}),
        }
        return Start((), _PORT, environment)
