"""The engines that services can be served by, by name, and which one a source usually means."""

from __future__ import annotations

from typing import Literal

from domain.sources import Source

EngineName = Literal["llamacpp", "vllm", "ollama", "custom"]


def usual(source: Source) -> EngineName:
    """The engine that serves a source when nobody says which.

    A GGUF file is llama.cpp's, a whole repository vLLM's, a tag of Ollama's library its own. What
    serves in a Compose project is the project's business.
    """
    if source.scheme == "ollama":
        return "ollama"
    if source.scheme == "compose":
        return "custom"
    if source.scheme == "hf" and source.file is None:
        return "vllm"
    return "llamacpp"
