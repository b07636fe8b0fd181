"""vLLM's OpenAI server. Options as in `vllm serve --help` (0.11 to 0.32). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from deployers.engines.numbers import number, unknown
from deployers.engines.preset import WEIGHTS, Hardware, Start, Weights
from deployers.models import repositories
from deployers.models.repositories import Repository
from domain.errors import Unsupported
from domain.fit import Need
from domain.services import ServiceSpec

_PORT = 8000
_SHARED_MEMORY = 8 << 30
"""Bytes; its workers hand tensors to each other there, and Docker's 64 MB are too few."""

_CACHE = 4
"""GiB for keys and values on the processor, where vLLM would take nearly all memory of the machine:
what it took by itself for years. Half of `--memory`, if that is less."""

_ALL = 1 << 60

_SHARE = 0.9
"""What of a card it takes unless it is told otherwise; newer versions take 0.92."""

_ENGINE = 1500 * 1000 * 1000
"""Bytes of CUDA's context, graphs and intermediate results. An estimate: nothing was measured."""

_NUMBERS = {"port": (1, 65_535), "parallel": (1, 1024)}
_WORDS = {
    "dtype": "--dtype",
    "quantization": "--quantization",
    "gpu-memory": "--gpu-memory-utilization",
    "kv-cache-dtype": "--kv-cache-dtype",
    "chat-template": "--chat-template",
    "tool-call-parser": "--tool-call-parser",
    "reasoning-parser": "--reasoning-parser",
}
_KNOWN = {**_NUMBERS, **_WORDS}


def need(spec: ServiceSpec, found: Repository) -> Need | None:
    """Memory a replica takes: at least one conversation of the whole context, without which vLLM
    does not start; in any case its share of a card, or what it is told to take of the machine's.
    None where the repository does not tell.

    It uses one card unless it is told how many, though it sees them all.
    """
    context = spec.context or found.shape.context
    told = repositories.need(found, context, 1, _ENGINE) if context else None
    if told is None:
        return None
    share = dict(spec.settings).get("gpu-memory")
    floor = 0 if share else _cache(spec) << 30
    return replace(told, cards=1, share=_fraction(share), floor=floor)


@dataclass(frozen=True, slots=True)
class Vllm:
    """Serves whole repositories, and needs a card unless the target names an image for none."""

    images: Mapping[Hardware, str] = field(
        default_factory=lambda: {"cuda": "vllm/vllm-openai:latest"}
    )
    spare: Mapping[Hardware, str] = field(
        default_factory=lambda: {"cpu": "vllm/vllm-openai-cpu:latest-x86_64"}
    )
    keeps: str = "huggingface"

    def check(self, spec: ServiceSpec) -> None:
        """Repositories and directories."""
        for key, value in spec.settings:
            if key in _NUMBERS:
                number(key, value, _NUMBERS[key])
            elif key not in _WORDS:
                raise unknown("vLLM", key, _KNOWN)
        source = spec.source
        if source.scheme not in ("hf", "path"):
            raise Unsupported(
                f"vLLM does not load {source.scheme}://",
                hint="write hf://org/repo or path:/models/x",
            )
        if source.scheme == "hf" and source.file is not None:
            raise Unsupported(
                f"vLLM serves whole repositories, and {source} names a file",
                hint=f"write hf://{source.repository}, or leave `--engine` out for a GGUF file",
            )

    def start(self, spec: ServiceSpec, weights: Weights, hardware: Hardware) -> Start:
        """It fetches a repository by itself, and says so in its log.

        `--model` is deprecated after `vllm serve`, the entrypoint of newer images, but is the one
        way that older ones take as well. Tools that the model itself may choose to call are
        refused unless it is told how the model writes that.
        """
        said = dict(spec.settings)
        revision = spec.source.revision if spec.source.scheme == "hf" else None
        command = (
            *("--model", weights.path, "--served-model-name", spec.name),
            *("--host", "0.0.0.0", "--port", str(_PORT)),  # noqa: S104
            *(("--revision", revision) if revision else ()),
            *(("--max-model-len", str(spec.context)) if spec.context else ()),
            *(("--max-num-seqs", said["parallel"]) if "parallel" in said else ()),
            *(("--tensor-parallel-size", str(spec.gpu)) if isinstance(spec.gpu, int) else ()),
            *(("--enable-auto-tool-choice",) if "tool-call-parser" in said else ()),
            *(
                word
                for key, option in _WORDS.items()
                if key in said
                for word in (option, said[key])
            ),
        )
        environment = {"HF_HOME": f"{WEIGHTS}/{self.keeps}"}
        if hardware == "cpu" and "gpu-memory" not in said:
            environment["VLLM_CPU_KVCACHE_SPACE"] = str(_cache(spec))
        return Start(command, _PORT, environment, _SHARED_MEMORY)


def _fraction(said: str | None) -> float:
    """The share of a card that vLLM takes. What can be none, it refuses when it starts."""
    try:
        return min(1.0, max(0.0, float(said))) if said else _SHARE
    except ValueError:
        return _SHARE


def _cache(spec: ServiceSpec) -> int:
    """GiB."""
    return min(_CACHE, max(1, (spec.memory or _ALL) // 2 >> 30))
