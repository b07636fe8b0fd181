"""How long a model is likely to take until it serves, from how long it took before. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from statistics import median

from domain.sources import Source

COUNTED = 5
"""The latest of each kind that count: an older disk or network tells little."""


@dataclass(frozen=True, slots=True)
class Start:
    """One deploy that worked, of a service on one target."""

    source: Source
    target: str
    seconds: float
    """From when it began to be carried out until it served, a download included."""


@dataclass(frozen=True, slots=True)
class Expected:
    """How long it took before."""

    seconds: float
    """The median."""
    count: int
    """Of so many."""
    same: bool
    """Whether it was this model; else others on the same target."""


def expected(starts: Iterable[Start], source: Source, target: str) -> Expected | None:
    """From the latest starts of the model on the target, else of any there; None without either.

    `starts` come newest first.
    """
    there = [each for each in starts if each.target == target]
    own = [each for each in there if each.source == source]
    counted = [each.seconds for each in islice(own or there, COUNTED)]
    return Expected(median(counted), len(counted), bool(own)) if counted else None
