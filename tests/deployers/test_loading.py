"""How far an engine is, by lines that vLLM, huggingface_hub and llama.cpp really wrote."""

from __future__ import annotations

import pytest

from deployers.engines.loading import Stage, moves, stage
from domain.replicas import Phase

LOADING = Stage(Phase.LOADING)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "model-00002-of-00003.safetensors: 100%|██████████| 5.00G/5.00G [00:25<00:00, "
            "200MB/s] ",
            Stage(Phase.DOWNLOADING, 1.0),
        ),
        (
            "Downloading model.safetensors:  43%|####2     | 41.9M/98.5M [00:00<00:01, 55.8MB/s]",
            Stage(Phase.DOWNLOADING, 0.43),
        ),
        (
            "Loading safetensors checkpoint shards:   0% Completed | 0/4 [00:00<?, ?it/s]",
            Stage(Phase.LOADING, 0.0),
        ),
        (
            "Loading safetensors checkpoint shards:  25% Completed | 1/4 [00:07<00:21,  7.16s/it]",
            Stage(Phase.LOADING, 0.25),
        ),
        (
            "Loading safetensors checkpoint shards:   0% Completed | 0/1 [00:00<?, ?it/s]Loading "
            "safetensors checkpoint shards: 100% Completed | 1/1 [00:00<00:00,  5.22it/s]",
            Stage(Phase.LOADING, 1.0),
        ),
        ("tokenizer.json: 100%|██████████| 1.80M/1.80M [00:00<00:00, 10.3MB/s]", LOADING),
        ("  2%|▏         | 1/58 [00:00<?, ?it/s]", LOADING),
        (
            "0.00.024.273 I load_tensors: loading model tensors, this can take a while... "
            "(mmap = true)",
            LOADING,
        ),
        ("INFO 08-02 07:03:44 [default_loader.py:430] Loading weights took 0.15 seconds", LOADING),
        ("", LOADING),
    ],
)
def test_a_line_tells_phase_and_fraction(line: str, expected: Stage):
    assert stage(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        '(APIServer pid=1) INFO:     172.17.0.1:53210 - "GET /v1/models HTTP/1.1" 200 OK',
        'INFO:     172.17.0.1:5 - "POST /v1/chat/completions HTTP/1.1" 400 Bad Request',
        "srv  log_server_r: request: GET /v1/models 172.17.0.1 200",
        "",
        '[GIN] 2026/03/16 - 01:46:34 | 200 | 1.3ms | 172.17.0.1 | GET      "/api/tags"',
    ],
)
def test_being_asked_and_an_empty_line_are_no_progress(line: str):
    assert not moves(line)


def test_whatever_else_is_written_may_be():
    assert moves("(EngineCore pid=24) INFO 11-27 12:08:06 [core.py:133] Initializing a V1 engine")
