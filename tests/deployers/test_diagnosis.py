"""What llama.cpp really wrote, kept as it came from xllamacpp 2026.10."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployers.process.diagnosis import EVIDENCE, diagnose, gave_up

LOGS = Path(__file__).with_name("llama_logs")


@pytest.mark.parametrize(
    ("log", "kind", "what"),
    [
        ("bad-magic", "not-a-model", "the file is not a GGUF model"),
        ("truncated", "not-a-model", "the model file is cut short or damaged"),
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
    assert failure.evidence == tuple(lines[-EVIDENCE:])


@pytest.mark.parametrize("code", [-9, 137])
def test_a_kill_out_of_nowhere_is_taken_for_want_of_memory(code: int):
    failure = diagnose(code, ["loading model"])

    assert failure.kind == "out-of-memory"
    assert failure.retryable


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (None, "it ended by itself"),
        (-11, "it ended by itself (signal 11)"),
        (3, "it ended by itself (exit code 3)"),
    ],
)
def test_an_end_nobody_explained_is_a_crash(code: int | None, what: str):
    failure = diagnose(code, ["", "loading model", " "])

    assert (failure.kind, failure.what) == ("crashed", what)
    assert failure.evidence == ("loading model",)


@pytest.mark.parametrize(
    ("loaded", "stage"), [(True, "gave no token"), (False, "is still loading")]
)
def test_giving_up_says_how_far_it_came(loaded: bool, stage: str):
    failure = gave_up(120.0, loaded, ["loading model"])

    assert failure.kind == "probe-timeout"
    assert failure.what.startswith("not ready after 120 s")
    assert stage in failure.what
