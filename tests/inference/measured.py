"""Everything that /metrics can tell."""

from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from domain.breaker import State
from domain.usage import Fault
from inference.engine_metrics import EngineMetrics, Timing
from inference.metrics.gateway import GatewayMetrics
from inference.readings import Reading, UpstreamReading
from tests.inference.served import served

ENGINE = EngineMetrics(
    *(1, 2, 0.5, 10, 20, 3, 40, 30, Timing(1, 2), Timing(3, 4), Timing(5, 6)), "vllm"
)
READING = Reading(
    (
        UpstreamReading("tiny", "tiny-3fa9c1-0", "a", 2, breaker=State.CLOSED, engine=ENGINE),
        UpstreamReading("lm-studio", "", "", 0, breaker=State.OPEN),
    ),
    {"tiny": 2, "gone": 1},
    {"a": State.CLOSED},
)


def everything_measured() -> Iterator[tuple[str, str, frozenset[str]]]:
    """(name, type, labels) of each metric, as on a page on which nothing is missing."""
    metrics = GatewayMetrics("1.2.3")
    metrics.observe(served())
    metrics.observe(served(fault=Fault.SILENT, attempts=2))
    for family in text_string_to_metric_families(metrics.page(READING).decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels}
        yield name, family.type, frozenset(labels - {"le"})
