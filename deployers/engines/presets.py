"""Every engine by its name. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from deployers.engines.custom import Custom
from deployers.engines.llamacpp import LlamaCpp
from deployers.engines.ollama import Ollama
from deployers.engines.preset import Engine
from deployers.engines.vllm import Vllm
from domain.engines import EngineName


def presets() -> Mapping[EngineName, Engine]:
    """What each engine needs, by name."""
    return {"llamacpp": LlamaCpp(), "vllm": Vllm(), "ollama": Ollama(), "custom": Custom()}
