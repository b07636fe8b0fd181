"""What engines call what they measure, as data: the present name first, then the older ones.

vLLM: docs/design/metrics.md and `vllm/v1/metrics/loggers.py` of 0.6 to 0.32; Ray: its agent puts
`ray_` before a name and `_` for `:`; llama.cpp: `tools/server/server-context.cpp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Sum = tuple[str, ...]
"""Names of series that come to one number together. It is told only where each of them is."""

Aliases = tuple[Sum, ...]
"""Ways to come to a number; the first that an engine tells counts."""

Timed = tuple[tuple[str, str], ...]
"""Ways to come to a time: series with the seconds, and with how many there were."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One kind of engine's names, by the field of `EngineMetrics` that they stand for."""

    engine: str
    numbers: Mapping[str, Aliases]
    times: Mapping[str, Timed] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def names(self) -> frozenset[str]:
        """Every name that it reads."""
        numbers = {name for ways in self.numbers.values() for way in ways for name in way}
        return frozenset(
            numbers | {name for ways in self.times.values() for w in ways for name in w}
        )


def _any_of(*names: str) -> Aliases:
    return tuple((name,) for name in names)


def _histogram(*names: str) -> Timed:
    return tuple((f"{name}_sum", f"{name}_count") for name in names)


VLLM = Vocabulary(
    "vllm",
    {
        "running": _any_of("vllm:num_requests_running"),
        "waiting": (
            ("vllm:num_requests_waiting", "vllm:num_requests_swapped"),
            ("vllm:num_requests_waiting",),
        ),
        "kv_cache_usage": _any_of("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        "prompt_tokens": _any_of("vllm:prompt_tokens_total"),
        "generation_tokens": _any_of("vllm:generation_tokens_total"),
        "requests": _any_of("vllm:request_success_total"),
        "prefix_cache_queries": _any_of(
            "vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"
        ),
        "prefix_cache_hits": _any_of(
            "vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"
        ),
    },
    {
        "first_token": _histogram("vllm:time_to_first_token_seconds"),
        "inter_token": _histogram(
            "vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"
        ),
        "end_to_end": _histogram("vllm:e2e_request_latency_seconds"),
    },
)

LLAMACPP = Vocabulary(
    "llamacpp",
    {
        "running": _any_of("llamacpp:requests_processing"),
        "waiting": _any_of("llamacpp:requests_deferred"),
        "kv_cache_usage": _any_of("llamacpp:kv_cache_usage_ratio"),
        # It counts what it computed; the others count what they were asked.
        "prompt_tokens": (
            ("llamacpp:prompt_tokens_total", "llamacpp:prompt_tokens_cached_total"),
            ("llamacpp:prompt_tokens_total",),
        ),
        "generation_tokens": _any_of("llamacpp:tokens_predicted_total"),
        "prefix_cache_queries": (
            ("llamacpp:prompt_tokens_total", "llamacpp:prompt_tokens_cached_total"),
        ),
        "prefix_cache_hits": _any_of("llamacpp:prompt_tokens_cached_total"),
    },
    {
        "inter_token": (
            ("llamacpp:tokens_predicted_seconds_total", "llamacpp:tokens_predicted_total"),
        ),
    },
)


def _by_ray(name: str) -> str:
    return "ray_" + name.replace(":", "_")


def _through_ray(engine: Vocabulary) -> Vocabulary:
    """The same, as Ray's agent passes it on; older ones leave the `_total` of counters away."""
    numbers = {}
    for what, ways in engine.numbers.items():
        told = [tuple(map(_by_ray, way)) for way in ways]
        bare = [tuple(name.removesuffix("_total") for name in way) for way in told]
        numbers[what] = tuple(dict.fromkeys((*told, *bare)))
    times = {
        what: tuple((_by_ray(total), _by_ray(count)) for total, count in ways)
        for what, ways in engine.times.items()
    }
    return Vocabulary(engine.engine, numbers, times)


VOCABULARIES = (VLLM, _through_ray(VLLM), LLAMACPP)
