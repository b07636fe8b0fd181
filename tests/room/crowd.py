"""Twenty people who change ten services at once. What they say is drawn from a seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SERVICES = tuple(f"{letter}-model" for letter in "abcdefghij")
TARGETS = ("quick", "steady", "slow")
OPERATORS, VIEWERS = 15, 5

_CHANGES = (
    ("deploy {name} {source} --target {target}", 6),
    ("deploy {name} {source} --target {target} --replicas {count}", 4),
    ("deploy {name} --target {target}:{count},{other}:1", 3),
    ("deploy {name} --set {count}=x", 2),
    ("scale {name} {count}", 9),
    ("restart {name}", 5),
    ("stop {name}", 3),
    ("remove {name}", 2),
    ("rollback {name}", 4),
)
_TALK = (
    ("scale {name} {count} --plan", 2),
    ("remove {name} --plan", 1),
    ("status", 2),
    ("status {name}", 2),
    ("history {name}", 1),
    ("diff {name} 1", 1),
    ("logs {name}", 1),
    ("ops", 1),
    ("locks", 1),
    ("lock {name} --reason chaos --for {count}h", 1),
    ("unlock {name}", 2),
    ("sclae {name} 2", 1),
)
_SOURCES = (
    ("tiny://smooth",) * 3 + ("tiny://other",) * 3 + ("tiny://crash-loop", "tiny://never-ready")
)


@dataclass(frozen=True)
class Line:
    """What one person says, and what somebody else says of it."""

    speaker: int
    """The operators come first, then the viewers."""
    text: str
    called_off_by: int | None
    """Who says `!cancel` of it next."""


def lines(seed: int, count: int) -> Iterator[Line]:
    """So many commands, cancellations included. The first ones make every service."""
    dice = random.Random(seed)
    for name in SERVICES:
        yield Line(dice.randrange(OPERATORS), f"deploy {name} tiny://smooth", None)
    left = count - len(SERVICES)
    while left > 0:
        text = _drawn(dice)
        speaker = dice.randrange(OPERATORS + VIEWERS)
        cancel = left > 1 and dice.random() < 0.12
        yield Line(speaker, text, dice.randrange(OPERATORS + VIEWERS) if cancel else None)
        left -= 2 if cancel else 1


def _drawn(dice: random.Random) -> str:
    shapes, weights = zip(*_CHANGES, *_TALK, strict=True)
    (shape,) = dice.choices(shapes, weights)
    target, other = dice.sample(TARGETS, 2)
    return str(shape).format(
        name=dice.choice(SERVICES),
        source=dice.choice(_SOURCES),
        target=target,
        other=other,
        count=dice.randrange(1, 4),
    )


def wanted_replicas(placements: Sequence[dict[str, object]]) -> dict[str, int]:
    """Target -> copies, from a kept specification; targets with none left out."""
    return {str(p["target"]): int(str(p["replicas"])) for p in placements if p["replicas"]}
