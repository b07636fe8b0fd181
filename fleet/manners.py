"""How a replica is talked to, by its engine and by what it computes on. Pure."""

from __future__ import annotations

from domain.backends import Manner, Tier
from domain.engines import EngineName
from domain.made_of import MODEL, hardware
from domain.replicas import Replica

_KEEPS_ALIVE = frozenset({"vllm", "ollama"})
"""Engines whose connections can be used again. Of what is custom nobody knows."""

CARD = "graphics card"


def manner(engine: EngineName, replica: Replica) -> Manner:
    """A replica that does not say what it computes on is taken to have no card, and one that does
    not say what it calls its model, to call it like the service."""
    on_card = any(told.startswith(CARD) for told in hardware(replica.made_of))
    called = dict(replica.made_of).get(MODEL)
    return Manner(
        models=((replica.id.service, called),) if called else (),
        keeps_alive=engine in _KEEPS_ALIVE,
        tier=Tier.GPU if on_card else Tier.CPU,
    )
