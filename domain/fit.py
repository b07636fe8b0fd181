"""Whether what is to be started fits into the memory there is: arithmetic, shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from domain.amounts import size
from domain.replicas import TargetFacts


@dataclass(frozen=True, slots=True)
class Need:
    """Memory one replica takes, in bytes, as far as its model's header tells before it runs."""

    weights: int
    cache: int
    """Keys and values of `tokens`."""
    overhead: int
    """Buffers of the engine and the engine itself."""
    tokens: int
    """What all conversations together may hold."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.overhead


@dataclass(frozen=True, slots=True)
class Fit:
    """What replicas that are to be started need, against what is free where they start."""

    need: Need
    replicas: int
    """How many are to be started."""
    free: int
    """Bytes, of graphics memory where they use a card, else of the machine's."""
    on_card: bool = False

    @property
    def wanted(self) -> int:
        """Bytes they need together, while nothing that runs has been stopped yet."""
        return self.need.total * self.replicas

    @property
    def fits(self) -> bool:
        """Whether that is free."""
        return self.wanted <= self.free


def measured(need: Need | None, replicas: int, facts: TargetFacts, *, on_card: bool) -> Fit | None:
    """What so many replicas come to on a target; None where need or room cannot be told."""
    cards = sum(gpu.memory_free for gpu in facts.gpus) if on_card else 0
    free = cards or facts.memory_free
    if need is None or not replicas or free is None:
        return None
    return Fit(need, replicas, free, on_card=bool(cards))


def outgrown(then: Fit, now: Fit | None) -> str | None:
    """What of something that fitted then does not fit now, in words; None where it still does, or
    where that cannot be told."""
    if now is None or now.fits or not then.fits:
        return None
    where = "graphics memory" if now.on_card else "memory"
    return f"the {where} it needs was taken: {size(now.wanted)}, and {size(now.free)} is free"
