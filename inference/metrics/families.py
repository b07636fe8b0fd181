"""A reading as families of metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from domain.breaker import State
from inference.engine_metrics import EngineMetrics, Timing
from inference.readings import Reading, UpstreamReading

PLACE = ("service", "replica", "target")

COOLING = "cooling"
"""Beside the states of a breaker: it is closed, and the backend asked to be left alone a while."""

Told = Callable[[EngineMetrics], float | None]
Timed = Callable[[EngineMetrics], Timing | None]

GAUGES: Mapping[str, tuple[str, Told]] = {
    "gantry_engine_requests_running": (
        "Requests the engine is answering.",
        lambda engine: engine.running,
    ),
    "gantry_engine_requests_waiting": (
        "Requests the engine took that wait for room.",
        lambda engine: engine.waiting,
    ),
    "gantry_engine_kv_cache_usage_ratio": (
        "Share of the engine's KV cache that is in use, 0 to 1.",
        lambda engine: engine.kv_cache_usage,
    ),
}
COUNTERS: Mapping[str, tuple[str, Told]] = {
    "gantry_engine_prompt_tokens_total": (
        "Tokens of prompts, those found in the prefix cache included.",
        lambda engine: engine.prompt_tokens,
    ),
    "gantry_engine_generation_tokens_total": (
        "Tokens the engine generated.",
        lambda engine: engine.generation_tokens,
    ),
    "gantry_engine_requests_total": (
        "Requests that ended in the engine.",
        lambda engine: engine.requests,
    ),
    "gantry_engine_prefix_cache_queries_total": (
        "Tokens looked for in the prefix cache.",
        lambda engine: engine.prefix_cache_queries,
    ),
    "gantry_engine_prefix_cache_hits_total": (
        "Tokens found in the prefix cache.",
        lambda engine: engine.prefix_cache_hits,
    ),
}
SUMMARIES: Mapping[str, tuple[str, Timed]] = {
    "gantry_engine_time_to_first_token_seconds": (
        "From the request's arrival at the engine to its first token.",
        lambda engine: engine.first_token,
    ),
    "gantry_engine_time_per_output_token_seconds": (
        "From one token to the next.",
        lambda engine: engine.inter_token,
    ),
    "gantry_engine_request_duration_seconds": (
        "From the request's arrival at the engine to its end.",
        lambda engine: engine.end_to_end,
    ),
}
"""Name -> what it is, and where it stands in what an engine told."""


def families(version: str, reading: Reading) -> Iterator[Metric]:
    """How things stand. Of an engine that does not tell something there is no sample for it."""
    build = GaugeMetricFamily("gantry_build_info", "Always 1.", labels=["version"])
    build.add_metric([version], 1)
    yield build
    yield _by_service("gantry_replicas_wanted", "Replicas that should run.", reading.wanted)
    yield _by_service(
        "gantry_replicas_ready", "Replicas, or backends, that may be asked.", reading.ready
    )
    yield _in_flight(reading)
    yield from _breakers(reading)
    yield from _engines(reading)


def _by_service(name: str, text: str, counts: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["service"])
    for service, count in sorted(counts.items()):
        family.add_metric([service], count)
    return family


def _in_flight(reading: Reading) -> Metric:
    family = GaugeMetricFamily(
        "gantry_requests_in_flight", "Requests being answered.", labels=PLACE
    )
    for each in reading.upstreams:
        family.add_metric(_place(each), each.in_flight)
    return family


def _breakers(reading: Reading) -> Iterator[Metric]:
    text = "1 for the state that the circuit breaker is in."
    upstreams = GaugeMetricFamily("gantry_upstream_breaker_state", text, labels=[*PLACE, "state"])
    for each in reading.upstreams:
        if each.breaker is not None:
            _add_states(upstreams, _place(each), _state(each.breaker, each), (*State, COOLING))
    targets = GaugeMetricFamily("gantry_target_breaker_state", text, labels=["target", "state"])
    for target, state in sorted(reading.targets.items()):
        _add_states(targets, [target], state, tuple(State))
    yield from (upstreams, targets)


def _state(breaker: State, each: UpstreamReading) -> str:
    return COOLING if each.cooling and breaker is State.CLOSED else breaker


def _add_states(
    family: GaugeMetricFamily, labels: list[str], now: str, every: Sequence[str]
) -> None:
    for state in every:
        family.add_metric([*labels, str(state)], float(state == now))


def _engines(reading: Reading) -> Iterator[Metric]:
    told = [(each, each.engine) for each in reading.upstreams if each.engine is not None]
    kinds: tuple[tuple[type[Any], Mapping[str, tuple[str, Callable[..., Any]]]], ...] = (
        (GaugeMetricFamily, GAUGES),
        (CounterMetricFamily, COUNTERS),
        (SummaryMetricFamily, SUMMARIES),
    )
    for kind, named in kinds:
        for name, (text, where) in named.items():
            family = kind(name, text, labels=[*PLACE, "engine"])
            for each, engine in told:
                value = where(engine)
                if value is not None:
                    _add(family, [*_place(each), engine.engine], value)
            yield family


def _add(family: Any, labels: list[str], value: float | Timing) -> None:
    if isinstance(value, Timing):
        family.add_metric(labels, value.count, value.seconds)
    else:
        family.add_metric(labels, value)


def _place(each: UpstreamReading) -> list[str]:
    return [each.service, each.replica, each.target]
