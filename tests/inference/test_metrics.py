"""What is told to Prometheus."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from domain.breaker import State
from domain.usage import Fault
from inference.engine_metrics import EngineMetrics, Timing
from inference.metrics import gateway
from inference.metrics.gateway import GatewayMetrics
from inference.readings import Reading, UpstreamReading
from tests.inference.served import served

REPLICA = UpstreamReading("tiny", "tiny-3fa9c1-0", "local", in_flight=2)
PLACE = {"service": "tiny", "replica": "tiny-3fa9c1-0", "target": "local"}
WHOM = {"model": "tiny", "backend": "tiny"}


@pytest.fixture
def metrics():
    return GatewayMetrics("1.2.3")


def samples(metrics, reading=None):
    """(name, labels) -> value, buckets left out."""
    page = metrics.page(reading or Reading()).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


def value(found, name, **labels):
    return found.get((name, frozenset(labels.items())))


def test_a_request_is_counted_by_what_was_asked_and_how_it_was_answered(metrics):
    metrics.observe(served(model="chat", api="completions"))
    metrics.observe(served(model="chat", api="completions"))
    found = samples(metrics)
    whom = {"model": "chat", "backend": "tiny"}
    labels = {"operation": "text_completion", "status": "2xx"}
    assert value(found, "gantry_requests_total", **whom, **labels) == 2
    assert value(found, "gantry_request_duration_seconds_sum", **whom) == 5
    assert value(found, "gantry_time_to_first_token_seconds_sum", **whom) == 1
    assert value(found, "gantry_time_per_output_token_seconds_count", **whom) == 2
    assert value(found, "gantry_time_per_output_token_seconds_sum", **whom) == pytest.approx(0.2)
    counted = {"estimated": "false", **whom}
    assert value(found, "gantry_tokens_total", token_type="input", **counted) == 24
    assert value(found, "gantry_tokens_total", token_type="output", **counted) == 42
    assert value(found, "gantry_request_failovers_total", **whom) is None


def test_a_failure_is_counted_by_its_kind_and_times_nothing_that_did_not_happen(metrics):
    bad = {"first_token": None, "prompt_tokens": None, "completion_tokens": None}
    metrics.observe(served(fault=Fault.CUT_OFF, status=502, attempts=3, **bad))
    found = samples(metrics)
    assert value(found, "gantry_request_errors_total", error_type="cut_off", **WHOM) == 1
    labels = {"operation": "chat", "status": "5xx"}
    assert value(found, "gantry_requests_total", **labels, **WHOM) == 1
    assert value(found, "gantry_request_failovers_total", **WHOM) == 2
    assert value(found, "gantry_time_to_first_token_seconds_count", **WHOM) == 0
    assert not any(name == "gantry_tokens_total" for name, _ in found)


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_a_name_of_one_word(metrics, fault):
    metrics.observe(served(fault=fault))
    (labels,) = [
        dict(key[1]) for key in samples(metrics) if key[0] == "gantry_request_errors_total"
    ]
    assert labels["error_type"].replace("_", "").isalpha()


def test_an_answer_of_one_token_has_no_time_between_tokens(metrics):
    metrics.observe(served(completion_tokens=1))
    metrics.observe(served(completion_tokens=2, first_token=3.0, seconds=2.9))
    found = samples(metrics)
    assert value(found, "gantry_time_per_output_token_seconds_count", **WHOM) == 1
    assert value(found, "gantry_time_per_output_token_seconds_sum", **WHOM) == 0


def test_what_was_counted_here_is_told_apart(metrics):
    metrics.observe(served(estimated=True))
    labels = {"token_type": "output", "estimated": "true"}
    assert value(samples(metrics), "gantry_tokens_total", **labels, **WHOM) == 21


def test_names_without_end_share_a_series_in_the_end(metrics, monkeypatch):
    monkeypatch.setattr(gateway, "MOST_SERIES", 2)
    for number in range(5):
        metrics.observe(served(model=f"m{number}", backend=f"m{number}"))
    found = samples(metrics)
    counted = {
        dict(labels)["model"]: count
        for (name, labels), count in found.items()
        if name == "gantry_requests_total"
    }
    assert counted == {"m0": 1, "m1": 1, "other": 3}


def test_how_things_stand_is_what_was_read_just_now(metrics):
    reading = Reading(
        (REPLICA, replace(REPLICA, replica="tiny-3fa9c1-1", admitted=False)),
        {"tiny": 2, "gone": 1},
        {"local": State.HALF_OPEN},
    )
    found = samples(metrics, reading)
    assert value(found, "gantry_replicas_ready", service="tiny") == 1
    assert value(found, "gantry_replicas_ready", service="gone") == 0
    assert value(found, "gantry_replicas_wanted", service="gone") == 1
    assert value(found, "gantry_requests_in_flight", **PLACE) == 2
    states = {
        s: value(found, "gantry_target_breaker_state", target="local", state=s) for s in State
    }
    assert states == {State.CLOSED: 0, State.OPEN: 0, State.HALF_OPEN: 1}
    assert not any(name == "gantry_upstream_breaker_state" for name, _ in found)
    assert value(samples(metrics), "gantry_replicas_ready", service="tiny") is None


def test_breakers_of_upstreams_are_told_where_there_are_any(metrics):
    found = samples(metrics, Reading((replace(REPLICA, breaker=State.OPEN),)))
    assert value(found, "gantry_upstream_breaker_state", state="open", **PLACE) == 1
    assert value(found, "gantry_upstream_breaker_state", state="closed", **PLACE) == 0


def test_what_an_engine_does_not_tell_is_absent_and_not_zero(metrics):
    told = EngineMetrics(running=0, first_token=Timing(4.5, 9), prompt_tokens=7, engine="vllm")
    found = samples(metrics, Reading((replace(REPLICA, engine=told),)))
    engine = {
        name: count for (name, _), count in found.items() if name.startswith("gantry_engine_")
    }
    assert engine == {
        "gantry_engine_requests_running": 0,
        "gantry_engine_prompt_tokens_total": 7,
        "gantry_engine_time_to_first_token_seconds_sum": 4.5,
        "gantry_engine_time_to_first_token_seconds_count": 9,
    }
    assert value(found, "gantry_engine_requests_running", engine="vllm", **PLACE) == 0


def test_process_and_version_are_told_without_a_single_request(metrics):
    found = samples(metrics)
    assert value(found, "gantry_build_info", version="1.2.3") == 1
    assert value(found, "process_start_time_seconds") > 0


def test_two_counters_know_nothing_of_each_other(metrics):
    metrics.observe(served())
    assert not any(name == "gantry_requests_total" for name, _ in samples(GatewayMetrics("1")))


def test_odd_names_do_not_break_the_page(metrics):
    odd = 'a"b\\c\nd{}'
    metrics.observe(served(model=odd, backend=odd))
    labels = {"operation": "chat", "status": "2xx"}
    found = samples(metrics, Reading(wanted={odd: 1}))
    assert value(found, "gantry_requests_total", model=odd, backend=odd, **labels) == 1
    assert value(found, "gantry_replicas_wanted", service=odd) == 1
