"""Model servers that are not ours to run, and what is asked of all of them alike. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from pydantic import SecretStr


class Tier(IntEnum):
    """What an answer is computed on, the dearest to us first: the default order of asking."""

    GPU = 0
    CPU = 1
    EXTERNAL = 2
    """Somebody else's machine, or one of ours that Gantry does not run."""
    CLOUD = 3
    """Paid for by the token."""


Kind = Literal["openai", "anthropic", "ollama", "vllm", "lmstudio", "llamacpp"]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a model server is talked to."""

    speaks: Literal["openai", "anthropic"] = "openai"
    key: SecretStr | None = None
    """What it wants to be shown."""
    models: tuple[tuple[str, str], ...] = ()
    """(what a model is called here, what it is called there); the first is asked by default."""
    keeps_alive: bool = False
    """Whether a connection can be used again. llama.cpp says so and closes it nevertheless."""
    tier: Tier = Tier.CPU
    sampling: bool = True
    """Whether its models take a temperature; for Anthropic's way of talking alone."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One such server."""

    name: str
    kind: Kind
    url: str
    """Base URL of its API, without `/v1`."""
    key: SecretStr | None = None
    models: tuple[tuple[str, str], ...] = ()
    """As in `Manner`. Empty offers what it lists itself."""
    capacity: int = 16
    """Requests it answers at once without making any of them wait."""
    tier: Tier = Tier.EXTERNAL
    sampling: bool = True
    """As in `Manner`."""

    @property
    def manner(self) -> Manner:
        """How it is talked to."""
        speaks: Literal["openai", "anthropic"] = (
            "anthropic" if self.kind == "anthropic" else "openai"
        )
        alive = self.kind != "llamacpp"
        return Manner(speaks, self.key, self.models, alive, self.tier, self.sampling)
