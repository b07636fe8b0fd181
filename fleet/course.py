"""How far a change got before it ended early, and what of it was taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from domain.plans import Step, StepKind
from domain.replicas import Observed


@dataclass
class Course:
    """The steps of one run of one change, noted as they are done."""

    count: int = 0
    """Steps in all."""
    done: list[Step] = field(default_factory=list)
    under_way: Step | None = None
    target: str = ""
    """Where the step under way is."""
    undone: list[Step] = field(default_factory=list)
    """Steps of the way back, as they are done."""
    seen: dict[str, Observed] = field(default_factory=dict)
    """By target, what it held when its latest replica was given requests."""

    def begins(self, step: Step, target: str) -> None:
        """A step is begun."""
        self.under_way, self.target = step, target

    def ends(self) -> None:
        """The step under way is done."""
        if self.under_way is not None:
            self.done.append(self.under_way)
        self.under_way = None

    def told(self) -> str:
        """`after 3 of 7 steps: tiny-3fa9c1-1 was started and stopped again`; "" if none began."""
        if self.under_way is None and not self.done:
            return ""
        far = f"after {len(self.done)} of {self.count} steps"
        moved = [*self._moved(StepKind.START), *self._moved(StepKind.STOP)]
        return f"{far}: {', '.join(moved)}" if moved else far

    def _moved(self, kind: StepKind) -> Iterator[str]:
        """What was done to each replica. Of a step under way only what had to be taken back is
        known to have happened."""
        back = {step.replica for step in self.undone if step.kind is _BACK[kind]}
        for step in [*self.done, *([self.under_way] if self.under_way else [])]:
            if step.kind is kind and step.replica in back:
                yield f"{step.replica} was {_WORDS[kind]} and {_WORDS[_BACK[kind]]} again"
            elif step.kind is kind and step is not self.under_way:
                yield f"{step.replica} was {_WORDS[kind]}"


_WORDS = {StepKind.START: "started", StepKind.STOP: "stopped"}
_BACK = {StepKind.START: StepKind.STOP, StepKind.STOP: StepKind.START}
