"""llama.cpp's server. Options as in its `llama-server --help` (build b6000 and later). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from deployers.engines.numbers import numbers
from deployers.engines.preset import Hardware, Start, Weights
from deployers.models.gguf import Header
from domain.errors import Unsupported
from domain.fit import Need
from domain.services import ServiceSpec

MAX_DEFAULT_CONTEXT = 8192
"""Tokens a conversation gets when the spec leaves it open, to bound memory. Ask for more by
`context`."""

_UNKNOWN_CONTEXT = 2048
_ONE_OF_SEVERAL = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
_ENGINE = 40 * 1000 * 1000
"""Bytes of a server without its model: 36 MB were measured with the smallest one."""

_RANGES = {"parallel": (1, 256), "threads": (1, 1024), "port": (1, 65_535), "batch": (32, 16_384)}
_PORT = 8080
_ALL_LAYERS = "999"


@dataclass(frozen=True, slots=True)
class Tuning:
    """The engine settings of a spec, checked. None and 0 leave the choice to us."""

    parallel: int = 4
    threads: int | None = None
    port: int = 0
    """On the host."""
    batch: int = 512


def tuning(spec: ServiceSpec) -> Tuning:
    """The spec's settings as numbers. Raises Unsupported."""
    return replace(Tuning(), **numbers(spec, _RANGES, "llama.cpp"))


def per_conversation(spec: ServiceSpec, trained: int | None) -> int:
    """Tokens each conversation gets, of a model that was trained for so many."""
    return spec.context or min(trained or _UNKNOWN_CONTEXT, MAX_DEFAULT_CONTEXT)


def need(spec: ServiceSpec, size: int, said: Header) -> Need | None:
    """Memory a replica takes that serves a file of so many bytes; None where its header does not
    tell, and for a file that is one of several.

    The buffers for one batch's results are what llama.cpp reserves for the vocabulary and the
    embedding, and are most of the rest for a small model.
    """
    if said.cache_per_token is None or said.buffers_per_token is None:
        return None
    if _ONE_OF_SEVERAL.search(spec.source.location):
        return None
    tuned = tuning(spec)
    tokens = per_conversation(spec, said.context) * tuned.parallel
    overhead = _ENGINE + tuned.batch * said.buffers_per_token
    cache = tokens * said.cache_per_token
    return Need(size, cache, overhead, tokens, tuned.parallel, said.quantisation)


@dataclass(frozen=True, slots=True)
class LlamaCpp:
    """Serves one GGUF file, on the processor or on cards."""

    images: Mapping[Hardware, str] = field(
        default_factory=lambda: {
            "cpu": "ghcr.io/ggml-org/llama.cpp:server",
            "cuda": "ghcr.io/ggml-org/llama.cpp:server-cuda",
        }
    )
    spare: Mapping[Hardware, str] = field(default_factory=dict)
    keeps: str = ""

    def check(self, spec: ServiceSpec) -> None:
        """GGUF files only, one each."""
        tuning(spec)
        source = spec.source
        if source.scheme == "hf" and not (source.file or "").endswith(".gguf"):
            raise Unsupported(
                f"llama.cpp serves one GGUF file, and {source} does not name one",
                hint=f"pick a file of the repository, hf://{source.repository}/NAME.gguf, or "
                "serve all of it with `--engine vllm`",
            )
        if source.scheme == "path" and not source.location.lower().endswith(".gguf"):
            raise Unsupported(
                f"llama.cpp serves one GGUF file, and {source} is none by its name",
                hint="name the .gguf file",
            )
        if source.scheme not in ("hf", "path", "tiny"):
            raise Unsupported(f"llama.cpp does not load {source.scheme}://", hint=_OTHERS)

    def start(self, spec: ServiceSpec, weights: Weights, hardware: Hardware) -> Start:
        """All conversations together share the context that is asked for here."""
        tuned = tuning(spec)
        context = per_conversation(spec, weights.context) * tuned.parallel
        command = (
            *("--model", weights.path, "--alias", spec.name),
            *("--host", "0.0.0.0", "--port", str(_PORT)),  # noqa: S104
            *("--ctx-size", str(context), "--parallel", str(tuned.parallel)),
            *("--batch-size", str(tuned.batch), "--ubatch-size", str(tuned.batch)),
            *(("--threads", str(tuned.threads)) if tuned.threads else ()),
            *("--n-gpu-layers", _ALL_LAYERS if hardware == "cuda" else "0"),
            *("--metrics", "--no-slots", "--no-webui"),
        )
        return Start(command, _PORT)


_OTHERS = "write hf://org/repo/file.gguf or path:/models/file.gguf, or choose another `--engine`"
