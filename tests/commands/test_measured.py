"""What was measured, in words."""

import pytest

from commands.measured import busy, engine, traffic
from domain.usage import Fault
from inference.engine_metrics import EngineMetrics
from inference.traffic import Traffic


@pytest.mark.parametrize(
    ("lately", "words"),
    [
        (Traffic(1), "In the last minute: 1 request"),
        (
            Traffic(12, (), (0.0412, 1.26), 540, 48.4),
            "In the last minute: 12 requests · first token after 41 ms, 95 of 100 within 1.3 s · "
            "540 tokens at 48 tokens/s",
        ),
        (
            Traffic(5, ((Fault.SILENT, 2), (Fault.GONE, 1)), None, 3),
            "In the last minute: 5 requests, 3 not answered whole (2 silent, 1 gone) · 3 tokens",
        ),
    ],
)
def test_traffic_is_one_line_without_what_is_not_known(lately, words):
    assert traffic(lately) == words


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (EngineMetrics(), ""),
        (EngineMetrics(running=0), "0 running"),
        (EngineMetrics(waiting=1, kv_cache_usage=0.344), "1 waiting, KV cache 34 %"),
        (
            EngineMetrics(running=2, waiting=0, kv_cache_usage=0),
            "2 running, 0 waiting, KV cache 0 %",
        ),
    ],
)
def test_an_engine_is_quoted_in_what_it_tells(says, words):
    assert engine(says) == words


def test_an_idle_engine_is_not_busy_whether_it_says_so_or_not():
    assert not busy(EngineMetrics())
    assert not busy(EngineMetrics(running=0, waiting=0, kv_cache_usage=0))
    assert busy(EngineMetrics(waiting=1))
