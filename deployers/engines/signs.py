"""The words by which llama.cpp says that a model file is no good, wherever it runs. Pure."""

from __future__ import annotations

from domain.failure_signs import Sign, sign

NOT_A_MODEL: tuple[Sign, ...] = (
    sign(
        "not-a-model",
        r"invalid magic characters",
        "the file is not a GGUF model",
        "check the file; llama.cpp serves GGUF files only",
    ),
    sign(
        "not-a-model",
        r"not within the file bounds|corrupted or incomplete|"
        r"failed to read (?:magic|header|tensor|key-value)",
        "the model file is cut short or damaged",
    ),
)
