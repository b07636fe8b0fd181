"""One thing that just happened inside an operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from domain.replicas import Phase


@dataclass(frozen=True, slots=True)
class Growing:
    """One of several answers that grow side by side."""

    name: str
    """Who gives it."""
    text: str
    """As far as it came."""
    note: str = ""
    """What is said in its place, or below it; "" while it goes on."""
    waits: bool = False
    """Whether the note says what is waited for, and not how it ended."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A small piece of news, told as it happens."""

    step: str
    """What is being done, as a person would say it: `start tiny-3fa9c1-0`."""
    replica: str | None = None
    phase: Phase | None = None
    fraction: float | None = None
    """0 to 1 of this step, where it can be known."""
    text: str = ""
    """The last log line, or bytes and rate; for `!infer` the whole answer so far."""
    position: tuple[int, int] | None = None
    """(steps done, steps in all) of the operation."""
    answers: tuple[Growing, ...] = ()
    """Where several are asked at once, in place of `text`."""

    def masked(self, masked: Callable[[str], str]) -> Progress:
        """The same with every text in it masked, each for itself: any may end half-way through
        a secret."""
        answers = (replace(e, text=masked(e.text), note=masked(e.note)) for e in self.answers)
        return replace(self, text=masked(self.text), answers=tuple(answers))


Report = Callable[[Progress], None]
"""Telling can neither slow nor break doing: a report returns at once and never raises."""
