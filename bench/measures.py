"""What was measured, and how it compares. Pure, but for where lines are written."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Bound:
    """What a value should keep: at most (or at least) `factor` times its peer, plus `slack`."""

    factor: float = 0.0
    slack: float = 0.0
    at_least: bool = False

    def limit(self, peer: float | None) -> float:
        """The bound in the unit of the value."""
        return self.factor * (peer or 0.0) + self.slack

    def holds(self, value: float, peer: float | None) -> bool:
        """Whether a value keeps it."""
        return value >= self.limit(peer) if self.at_least else value <= self.limit(peer)

    def __str__(self) -> str:
        terms = [f"{self.factor:g} x peer"] if self.factor else []
        terms += [f"{self.slack:g}"] if self.slack or not terms else []
        return f"{'>=' if self.at_least else '<='} {' + '.join(terms)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number and how far apart its repetitions lay."""

    value: float
    spread: tuple[float, float] | None = None

    @classmethod
    def median(cls, values: Sequence[float]) -> Figure:
        """The middle of several runs, with the best and the worst of them."""
        return cls(statistics.median(values), (min(values), max(values)))


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of a result."""

    name: str
    unit: str
    n: int
    ours: Figure
    peer: Figure | None = None
    against: str | None = None
    """What the peer is."""
    bound: Bound | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's, where there is one."""
        return self.ours.value / self.peer.value if self.peer and self.peer.value else None

    @property
    def ok(self) -> bool | None:
        """Whether the bound is kept; None without a bound."""
        peer = self.peer.value if self.peer else None
        return self.bound.holds(self.ours.value, peer) if self.bound else None

    def line(self) -> dict[str, Any]:
        """As an object for a JSON line."""
        peer = self.peer.value if self.peer else None
        return {
            "name": self.name,
            "value": _short(self.ours.value),
            "unit": self.unit,
            "n": self.n,
            "spread": _shorts(self.ours.spread),
            "against": self.against,
            "peer": _short(peer),
            "peer_spread": _shorts(self.peer.spread if self.peer else None),
            "ratio": _short(self.ratio),
            "rule": str(self.bound) if self.bound else None,
            "bound": _short(self.bound.limit(peer)) if self.bound else None,
            "ok": self.ok,
        }


class Book:
    """Writes each measure down as it comes, and keeps all for the table at the end."""

    def __init__(self, write: Callable[[str], None], load: Callable[[], float]) -> None:
        self._write = write
        self._load = load
        self._before = load()
        self.measures: list[Measure] = []
        self.skipped: list[str] = []

    def begin(self) -> None:
        """Note how busy the machine is before a bench makes it busier."""
        self._before = self._load()

    def note(self, measure: Measure) -> None:
        """Write one line, with the load average from before the bench."""
        self.measures.append(measure)
        self._write(json.dumps({**measure.line(), "load": _short(self._before)}))

    def skip(self, what: str, why: str) -> None:
        """Write down what could not be measured, and why."""
        self.skipped.append(f"skipped {what}: {why}")
        self._write(json.dumps({"name": what, "skipped": why}))

    def table(self) -> str:
        """All measures for a person, and what is missing."""
        head = ("", "measured", "peer", "ratio", "bound", "")
        rows = [head, *(_row(measure) for measure in self.measures)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = ("  ".join(cell.ljust(w) for cell, w in zip(r, widths, strict=True)) for r in rows)
        return "\n".join([*(line.rstrip() for line in lines), *self.skipped])


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _row(measure: Measure) -> tuple[str, ...]:
    peer = f"{measure.peer.value:.4g} ({measure.against})" if measure.peer else ""
    ratio = f"{measure.ratio:.2f}" if measure.ratio is not None else ""
    verdict = {None: "", True: "ok", False: "MISSED"}[measure.ok]
    value = f"{measure.ours.value:.4g} {measure.unit}"
    return (measure.name, value, peer, ratio, str(measure.bound or ""), verdict)


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _shorts(values: tuple[float, float] | None) -> list[float | None] | None:
    return None if values is None else [_short(value) for value in values]
