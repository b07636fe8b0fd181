"""How a replica is talked to, by its engine and by what it computes on. Pure."""

from __future__ import annotations

from domain.backends import Manner, Tier
from domain.engines import EngineName
from domain.made_of import hardware
from domain.replicas import Replica

_KEEPS_ALIVE = frozenset({"vllm", "ollama"})
"""Engines whose connections can be used again. Of what is custom nobody knows."""

CARD = "graphics card"


def manner(engine: EngineName, replica: Replica) -> Manner:
    """A replica that does not say what it computes on is taken to have no card."""
    on_card = any(told.startswith(CARD) for told in hardware(replica.made_of))
    return Manner(keeps_alive=engine in _KEEPS_ALIVE, tier=Tier.GPU if on_card else Tier.CPU)
