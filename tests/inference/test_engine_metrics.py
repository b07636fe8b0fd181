"""What engines say of themselves, by whatever name, comes out the same."""

import json
import math
import urllib.request
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import parser

from inference.engine_metrics import LONGEST_LINE, EngineMetrics, Timing, read
from inference.engine_names import VOCABULARIES

PAGES = Path(__file__).with_name("exposition")
PRESENT = EngineMetrics(
    running=3,
    waiting=5,
    kv_cache_usage=0.4375,
    prompt_tokens=1_234_500,
    generation_tokens=98_765,
    requests=211,
    prefix_cache_queries=1_200_000,
    prefix_cache_hits=600_000,
    first_token=Timing(42.2, 211),
    inter_token=Timing(1971.08, 98_554),
    end_to_end=Timing(2110, 211),
    engine="vllm",
)


def page(name):
    return (PAGES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "metrics"),
    [
        ("vllm-0.6.txt", replace(PRESENT, prefix_cache_queries=None, prefix_cache_hits=None)),
        ("vllm-0.10.txt", PRESENT),
        ("vllm-0.20.txt", PRESENT),
        ("vllm-through-ray.txt", PRESENT),
        (
            "vllm-0.32.txt",
            EngineMetrics(
                running=0,
                waiting=0,
                kv_cache_usage=0,
                prompt_tokens=42,
                generation_tokens=191,
                requests=9,
                prefix_cache_queries=42,
                prefix_cache_hits=0,
                first_token=Timing(20.91716432571411, 9),
                inter_token=Timing(0.8884154180000223, 182),
                end_to_end=Timing(21.90958523750305, 9),
                engine="vllm",
            ),
        ),
        (
            "llamacpp.txt",
            EngineMetrics(
                running=0,
                waiting=0,
                prompt_tokens=18,
                generation_tokens=60,
                prefix_cache_queries=18,
                prefix_cache_hits=10,
                inter_token=Timing(0.030325, 60),
                engine="llamacpp",
            ),
        ),
    ],
)
def test_each_engine_is_read_by_the_names_of_its_time(name, metrics):
    assert read(page(name)) == metrics


def test_what_is_not_told_is_none_and_not_zero():
    told = read("vllm:num_requests_running 0\n")
    assert told == EngineMetrics(running=0, engine="vllm")
    assert told.waiting is None
    assert told.tells


def test_of_two_names_the_present_one_counts():
    old, new = "vllm:gpu_cache_usage_perc 0.9\n", "vllm:kv_cache_usage_perc 0.1\n"
    assert read(old + new).kv_cache_usage == read(new + old).kv_cache_usage == 0.1
    assert read(old).kv_cache_usage == 0.9


def test_counters_that_ray_passes_on_without_their_ending_are_read():
    assert read("ray_vllm_prompt_tokens 7").prompt_tokens == 7


def test_an_old_llamacpp_that_does_not_tell_of_its_cache_still_tells_of_prompts():
    told = read("llamacpp:prompt_tokens_total 8\nllamacpp:kv_cache_usage_ratio 0.25\n")
    assert (told.prompt_tokens, told.prefix_cache_queries) == (8, None)
    assert told.kv_cache_usage == 0.25


def test_several_models_and_engines_are_added_up_and_the_fullest_cache_counts():
    told = read(
        'vllm:num_requests_running{model_name="a",engine="0"} 1\n'
        'vllm:num_requests_running{model_name="b",engine="0"} 2\n'
        'vllm:num_requests_running{model_name="b",engine="1"} 4\n'
        'vllm:kv_cache_usage_perc{engine="0"} 0.25\n'
        'vllm:kv_cache_usage_perc{engine="1"} 0.75\n'
    )
    assert (told.running, told.kv_cache_usage) == (7, 0.75)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-1", "", "x", "1_0", "0x10", "1 2 3"])
def test_a_number_that_tells_nothing_is_none(value):
    told = read(f"vllm:num_requests_running {value}\nvllm:num_requests_waiting 2\n")
    assert (told.running, told.waiting) == (None, 2)


def test_usage_that_is_no_share_is_not_believed():
    assert read("vllm:kv_cache_usage_perc 43.75").kv_cache_usage is None


def test_a_bad_line_costs_no_other():
    bad = [
        'vllm:num_requests_running{model_name="q} 9',
        'vllm:num_requests_running{model_name="q" 9',
        'vllm:num_requests_running{model_name="q"}',
        "vllm:num_requests_running{{}} 9",
        "vllm:num_requests_running9",
        "vllm:num_requests_running" + " " * LONGEST_LINE + "9",
        "# TYPE",
        "# HELP vllm:num_requests_running",
        "{}",
        "\x00\ufffd",
    ]
    good = 'vllm:num_requests_running{model_name="q"} 2'
    assert read("\n".join([*bad, good, *bad])).running == 2


@pytest.mark.parametrize(
    "labels",
    [
        "",
        "{}",
        '{a="}"}',
        '{a="\\""}',
        '{a="\\\\",b="{x} 7"}',
        '{a="line\\nline", }',
        '  {a="# HELP" , b=","}  ',
    ],
)
@pytest.mark.parametrize("end", ["", " 1700000000000", " -5", "\r", " \t"])
def test_labels_and_times_are_passed_over(labels, end):
    assert read(f"vllm:num_requests_running{labels} 2.5e0{end}\n").running == 2.5


def test_seconds_without_their_count_are_no_timing():
    assert read("vllm:e2e_request_latency_seconds_sum 3").end_to_end is None
    assert Timing(0, 0).mean is None
    assert Timing(3, 2).mean == 1.5


NAMES = sorted(frozenset().union(*(each.names for each in VOCABULARIES)))
SOUP = st.lists(
    st.one_of(st.sampled_from(NAMES), st.text(' \t{}",=\\#_:.0123456789+-NaInf\n'), st.text()),
    max_size=30,
).map("".join)


@given(SOUP)
@example("vllm:num_requests_running{" + 'a="\\",' * 1000)
def test_no_page_is_too_odd_to_be_read(text):
    told = read(text)
    for each in fields(EngineMetrics):
        value = getattr(told, each.name)
        if isinstance(value, float):
            assert 0 <= value < math.inf


@given(
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True), st.text(), max_size=3),
    st.floats(min_value=0, allow_nan=False, allow_infinity=False),
)
def test_a_sample_is_read_as_prometheus_client_reads_it(labels, value):
    escaped = {
        key: text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        for key, text in labels.items()
    }
    inner = ",".join(f'{key}="{text}"' for key, text in escaped.items())
    line = f"vllm:num_requests_running{{{inner}}} {value!r}"
    if len(line.splitlines()) > 1:
        return  # its parser takes other characters for ends of lines, too
    ((sample,),) = [each.samples for each in parser.text_string_to_metric_families(line)]
    assert sample.value == read(line).running == value


@pytest.mark.engine
def test_a_real_llamacpp_is_read_and_counts_what_it_said(llama):
    server = llama()
    before = read(_get(f"{server.url}/metrics"))
    turn = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 20}
    _get(f"{server.url}/v1/chat/completions", json.dumps(turn).encode())
    after = read(_get(f"{server.url}/metrics"))
    assert (before.engine, before.generation_tokens, before.running) == ("llamacpp", 0, 0)
    assert after.generation_tokens == 20
    assert after.prompt_tokens > before.prompt_tokens
    assert after.inter_token.mean > 0
    assert (after.requests, after.first_token) == (None, None)


def _get(url, body=None):
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()
