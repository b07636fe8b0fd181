"""The page as the real Prometheus reads it."""

import socket
import subprocess
from pathlib import Path

import pytest

from bot.health import Pulse
from bot.health_pages import answering
from bot.metrics_page import metrics_page
from bot.telemetry import Telemetry
from domain.usage import Fault
from tests.inference.measured import READING
from tests.inference.served import served
from tests.prometheus import Prometheus

RULES = Path(__file__).parents[2] / "examples" / "prometheus" / "rules.yml"


class Still:
    async def reading(self):
        return READING


@pytest.fixture
def telemetry(clock):
    made = Telemetry(clock)
    made.instruments = Still()
    return made


@pytest.fixture
def page(telemetry):
    return metrics_page(telemetry, "1.2.3")


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def publish(telemetry):
    for _ in range(3):
        telemetry.publish(served())
    telemetry.publish(served(fault=Fault.SILENT, status=504, attempts=2, first_token=None))


async def test_promtool_finds_nothing_to_say_about_the_page(prometheus, telemetry, page):
    publish(telemetry)
    _, body = await page()
    assert _run(prometheus[1], "check", "metrics", told=body.decode()) == (0, "")


def test_promtool_takes_the_rules_of_the_example(prometheus):
    code, said = _run(prometheus[1], "check", "rules", str(RULES))
    assert code == 0, said
    assert "6 rules found" in said


async def test_what_prometheus_scraped_it_answers(prometheus, telemetry, page, clock, port):
    async def well():
        return ""

    clock.flows = False
    publish(telemetry)
    address = f"127.0.0.1:{port}"
    async with answering(Pulse(well, clock), address, str, page):
        with Prometheus.started(address, RULES) as server:
            by_status = await server.says("sum by (status) (gantry_requests_total)")
            assert sorted((m["status"], n) for m, n in by_status) == [("2xx", 3), ("5xx", 1)]
            quantile = "histogram_quantile(0.5, gantry_time_to_first_token_seconds_bucket)"
            ((labels, seconds),) = await server.says(quantile)
            assert labels["model"] == "tiny"
            assert 0.25 < seconds <= 0.5
            ((labels, count),) = await server.says("gantry_engine_requests_waiting")
            assert (labels["replica"], labels["engine"], count) == ("tiny-3fa9c1-0", "vllm", 2)
            ((labels, _),) = await server.says('ALERTS{alertname="ServiceWithoutReplicas"}')
            assert (labels["service"], labels["alertstate"]) == ("gone", "pending")
            assert await server.says('up{job="gantry"}')


def _run(*command, told=""):
    ran = subprocess.run(command, input=told, capture_output=True, check=False, text=True)
    return ran.returncode, ran.stdout + ran.stderr
