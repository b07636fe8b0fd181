"""Counts requests for Prometheus, and writes the page that it reads.

Names follow https://prometheus.io/docs/practices/naming/ and, where they have a word for it,
OpenTelemetry's conventions for generative AI
(https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/), whose buckets these are.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from domain.usage import Served
from inference.metrics.families import families
from inference.readings import Reading

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

MOST_SERIES = 1000
"""Models with who answered for them that get series of their own; what comes later shares one."""

OTHER = "other"

OPERATIONS = {
    "chat": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
    "responses": "responses",
}
"""OpenTelemetry's words for OpenAI's calls, where it has one."""

_WHOLE = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_EACH = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
"""Upper bounds in seconds, as OpenTelemetry advises. Below, two more are put to each: for models
that are slow to answer, and for small ones whose tokens come faster."""


class GatewayMetrics:
    """Every request that ended, counted in a registry of its own. Not for several threads."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._counted = _Counted(self._registry)
        self._series: dict[tuple[str, str], _Series] = {}

    def observe(self, served: Served) -> None:
        """Count a request that has just ended. Raises nothing."""
        series = self._series.get((served.model, served.backend))
        if series is None:
            series = self._opened(served.model, served.backend)
        series.observe(served)

    def page(self, reading: Reading) -> bytes:
        """What was counted so far and how things stand, in Prometheus' text format 0.0.4."""
        return generate_latest(_Together(self._registry, self._version, reading))

    def _opened(self, model: str, backend: str) -> _Series:
        if len(self._series) >= MOST_SERIES:
            model = backend = OTHER
        key = model, backend
        return self._series.setdefault(key, _Series(self._counted, model, backend))


class _Counted:
    """The metrics that requests are counted in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        whom = ("model", "backend")

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, (*whom, *labels), registry=registry)

        def histogram(name: str, text: str, bounds: tuple[float, ...]) -> Histogram:
            return Histogram(name, text, whom, registry=registry, buckets=bounds)

        self.requests = counter(
            "gantry_requests_total",
            "Requests that ended, by the model that was asked for and by who answered.",
            *("operation", "status"),
        )
        self.errors = counter(
            "gantry_request_errors_total",
            "Requests that were not answered whole, by why.",
            "error_type",
        )
        self.failovers = counter(
            "gantry_request_failovers_total", "Backends that were asked after one had failed."
        )
        self.tokens = counter(
            "gantry_tokens_total",
            "Tokens of prompts (input) and of answers (output).",
            *("token_type", "estimated"),
        )
        self.duration = histogram(
            "gantry_request_duration_seconds",
            "From asking to the end of the answer.",
            (*_WHOLE, 163.84, 327.68),
        )
        self.first_token = histogram(
            "gantry_time_to_first_token_seconds",
            "From asking to the first content.",
            (*_FIRST, 30, 60),
        )
        self.each_token = histogram(
            "gantry_time_per_output_token_seconds",
            "From one token to the next, on average over one answer.",
            (0.0025, 0.005, *_EACH),
        )


class _Series:
    """What is counted of one model as answered by one backend. Finding the child of a metric for
    its labels takes longer than counting in it, so that children are kept."""

    def __init__(self, counted: _Counted, model: str, backend: str) -> None:
        self._counted = counted
        self._whom = whom = (model, backend)
        self._duration = counted.duration.labels(*whom)
        self._first_token = counted.first_token.labels(*whom)
        self._each_token = counted.each_token.labels(*whom)
        self._children: dict[tuple[str, object, object], Counter] = {}

    def observe(self, served: Served) -> None:
        self._child("requests", served.api, served.status // 100).inc()
        self._duration.observe(served.seconds)
        if served.fault is not None:
            self._child("errors", served.fault, None).inc()
        if served.attempts > 1:
            self._child("failovers", None, None).inc(served.attempts - 1)
        if served.prompt_tokens:
            self._child("tokens", "input", served.estimated).inc(served.prompt_tokens)
        if served.completion_tokens:
            self._child("tokens", "output", served.estimated).inc(served.completion_tokens)
        if served.first_token is not None:
            self._first_token.observe(served.first_token)
            followed = (served.completion_tokens or 0) - 1
            if followed > 0:
                each = (served.seconds - served.first_token) / followed
                self._each_token.observe(max(0.0, each))

    def _child(self, metric: str, one: object, other: object) -> Counter:
        key = metric, one, other
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._made(metric, one, other)
        return child

    def _made(self, metric: str, one: object, other: object) -> Counter:
        whom, counted = self._whom, self._counted
        if metric == "requests":
            return counted.requests.labels(*whom, OPERATIONS[str(one)], f"{other}xx")
        if metric == "errors":
            return counted.errors.labels(*whom, str(one).replace(" ", "_"))
        if metric == "failovers":
            return counted.failovers.labels(*whom)
        return counted.tokens.labels(*whom, one, str(other).lower())


class _Together(Collector):
    """What was counted beside what is read."""

    def __init__(self, registry: CollectorRegistry, version: str, reading: Reading) -> None:
        self._registry, self._version, self._reading = registry, version, reading

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            # When a series began is of no use to anybody and doubles the page.
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric
        yield from families(self._version, self._reading)
