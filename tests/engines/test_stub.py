"""The stub fails as it is asked to."""

from __future__ import annotations

import json
import urllib.request

import pytest

from tests.engines.served import encoded

pytestmark = pytest.mark.docker


def test_it_completes_and_streams_in_openais_words(stub):
    served = stub("--alias", "qwen", "-c", "4096", "--no-webui")
    served.wait_until_healthy()
    question = {"messages": [{"role": "user", "content": "?"}]}

    whole = served.ask("/v1/chat/completions", **question)
    cut = served.ask("/v1/completions", prompt="?", max_tokens=2)
    streamed = encoded({"stream": True, **question})
    with urllib.request.urlopen(f"{served.url}/v1/chat/completions", streamed) as answer:
        events = answer.read().decode().split("\n\n")

    assert whole["model"] == "qwen"
    text = whole["choices"][0]["message"]["content"]
    assert text == "Nobody thought of this answer."
    assert cut["choices"][0] == {"index": 0, "finish_reason": "length", "text": "Nobody thought "}
    assert events[-2:] == ["data: [DONE]", ""]
    parts = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert "".join(part["choices"][0]["delta"]["content"] for part in parts) == text


def test_it_is_killed_for_the_memory_it_takes(stub):
    served = stub(EAT_MEMORY=256, run={"mem_limit": "64m", "memswap_limit": "64m"})

    assert served.container.wait(timeout=60)["StatusCode"] == 137
    served.container.reload()
    assert served.container.attrs["State"]["OOMKilled"]


def test_it_ends_with_the_code_and_the_last_words_asked_for(stub):
    served = stub(EXIT_CODE=3, EXIT_AFTER=0.1, LOG_TEXT="CUDA error: out of memory")

    assert served.container.wait(timeout=30)["StatusCode"] == 3
    assert served.container.logs() == b"CUDA error: out of memory\n"


def test_it_loads_for_as_long_as_asked(stub):
    served = stub(NEVER_READY=1)

    assert served.status("/v1/models") == 200
    assert served.status("/health") == 503
    assert served.status("/v1/completions", "-d", "{}") == 503
    stub(READY_DELAY=0.5).wait_until_healthy()


def test_docker_sees_it_fall_ill_and_recover(stub, docker_engine):
    client = docker_engine.client()
    events = client.events(decode=True, filters={"event": "health_status"})
    try:
        stub(UNHEALTHY_AFTER=1.5, HEALTHY_AGAIN_AFTER=5)
        seen = [next(events)["Action"] for _ in range(3)]
    finally:
        events.close()
        client.close()

    assert [status.split()[-1] for status in seen] == ["healthy", "unhealthy", "healthy"]


def test_it_hangs(stub):
    served = stub(HANG="completions", SPEW=50)
    served.wait_until_healthy()

    with pytest.raises(TimeoutError):
        urllib.request.urlopen(f"{served.url}/v1/completions", b"{}", timeout=0.3)
    served.container.stop(timeout=20)
    assert b"stub: line 1\n" in served.container.logs()
    served.container.reload()
    assert served.container.attrs["State"]["ExitCode"] == 0
