"""What llama.cpp really wrote, kept as it came from xllamacpp 2026.10."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployers.process.diagnosis import diagnose
from domain.diagnosis import EVIDENCE

LOGS = Path(__file__).with_name("llama_logs")


@pytest.mark.parametrize(
    ("log", "kind", "what"),
    [
        ("bad-magic", "not-a-model", "the file is not a GGUF model"),
        ("truncated", "not-a-model", "the model file is cut short or damaged"),
        ("empty", "not-a-model", "the model file is cut short or damaged"),
        ("header", "not-a-model", "the model file is cut short or damaged"),
        ("missing-file", "missing-file", "the model file cannot be opened"),
        (
            "unknown-architecture",
            "unsupported-architecture",
            "this llama.cpp does not know the model's architecture `xlama`",
        ),
        ("port-taken", "port-taken", "port 18398 is taken"),
        ("out-of-memory", "out-of-memory", "it needs more memory than there is"),
    ],
)
def test_what_llama_cpp_wrote_is_understood(log: str, kind: str, what: str):
    lines = (LOGS / f"{log}.txt").read_text().splitlines()

    failure = diagnose(5, lines)

    assert (failure.kind, failure.what) == (kind, what)
    assert failure.advice
    assert len(failure.evidence) <= EVIDENCE
    assert failure.evidence[-1] == lines[-1]


@pytest.mark.parametrize("code", [-9, 137])
def test_a_kill_out_of_nowhere_is_taken_for_want_of_memory_with_advice_for_llama_cpp(code: int):
    failure = diagnose(code, ["loading model"])

    assert failure.kind == "killed"
    assert "most likely for the memory" in failure.what
    assert "parallel=1" in failure.advice
    assert failure.retryable


def test_what_others_than_llama_cpp_say_is_understood_as_well():
    assert diagnose(1, ["write /x: no space left on device"]).kind == "disk-full"
