"""All gateways side by side, for a person. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

Scores = Mapping[str, Mapping[str, Sequence[float]]]
"""Gateway -> figure -> its value in each round."""


def side_by_side(scores: Scores) -> str:
    """As a Markdown table, a row a gateway; medians of the rounds."""
    head = (
        *("gateway", "requests/s at 1 / 16 / 64", "paced p50 / p99", "added p50"),
        *("first token at 1 / 16 / 64", "chunks/s at 64", "CPU a request", "a chunk", "memory"),
    )
    rows = [head, ("---",) * len(head), *(_row(name, of) for name, of in scores.items())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(name: str, of: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
    def told(what: str, form: str = ".2f") -> str:
        return f"{statistics.median(of[what]):{form}}" if what in of else "-"

    return (
        name,
        " / ".join(told(f"rate.{n}", ",.0f") for n in (1, 16, 64)),
        f"{told('paced.p50')} / {told('paced.p99')} ms",
        f"{told('added')} ms",
        " / ".join(told(f"first.{n}") for n in (1, 16, 64)) + " ms",
        told("chunks.64", ",.0f"),
        f"{told('cpu.request', '.3f')} ms",
        f"{told('cpu.chunk', '.0f')} us",
        f"{told('memory', '.0f')} MB",
    )
