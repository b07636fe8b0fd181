"""What several bots did with the same pings, and how they are set side by side (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.measures import Bound, Figure, Measure, quantile
from bench.pings import PATIENCE, Chunk


@dataclass(frozen=True, slots=True)
class Score:
    """What one bot did at one number of pings in flight."""

    chunks: Sequence[Chunk]
    lost: int
    duplicates: int

    @property
    def pings(self) -> int:
        """How many were sent."""
        return sum(len(chunk.asked) for chunk in self.chunks)

    @property
    def rate(self) -> Figure:
        """Answers a second, the wait for lost ones included; its spread is that of the chunks."""
        each = [len(chunk.latencies) / chunk.seconds for chunk in self.chunks]
        answered = sum(len(chunk.latencies) for chunk in self.chunks)
        return Figure(answered / sum(c.seconds for c in self.chunks), (min(each), max(each)))

    def latency(self, share: float) -> Figure:
        """A quantile in ms over all answers; its spread is that of the chunks.

        Where nothing was answered it is what was waited for in vain.
        """
        each = [quantile(chunk.latencies or [PATIENCE], share) * 1000 for chunk in self.chunks]
        every = [seconds for chunk in self.chunks for seconds in chunk.latencies]
        return Figure(quantile(every or [PATIENCE], share) * 1000, (min(each), max(each)))


def best(peers: Mapping[str, Score]) -> str | None:
    """Who answered the fastest of those that answered everything, and once."""
    faultless = {n: s.rate.value for n, s in peers.items() if not s.lost and not s.duplicates}
    return max(faultless, key=lambda name: faultless[name]) if faultless else None


def measures(
    where: str, ours: Score, peers: Mapping[str, Score], *, keep_up: bool
) -> Iterator[Measure]:
    """Ours beside each peer's, a line a figure. `keep_up` puts a bound on the rate.

    That one compares with the best peer that lost nothing: to drop questions is no way to be
    fast. We may lose nothing at all; for the others that is a figure like the rest.
    """
    rival = best(peers) if keep_up else None
    for name, peer in peers.items():
        at_least = Bound(factor=1.0, at_least=True) if name == rival else None
        for what, unit, mine, theirs, bound in (
            ("p50", "ms", ours.latency(0.5), peer.latency(0.5), None),
            ("p95", "ms", ours.latency(0.95), peer.latency(0.95), None),
            ("rate", "/s", ours.rate, peer.rate, at_least),
            ("lost", "", Figure(ours.lost), Figure(peer.lost), Bound()),
            ("duplicates", "", Figure(ours.duplicates), Figure(peer.duplicates), Bound()),
        ):
            yield Measure(f"{where}.{what}", unit, ours.pings, mine, theirs, name, bound)


def side_by_side(scores: Mapping[int, Mapping[str, Score]], memory: Mapping[str, float]) -> str:
    """All of it as a Markdown table, a row a bot and number in flight."""
    head = ("in flight", "bot", "p50 / p95", "answers", "lost", "duplicates", "memory after")
    rows = [head, ("---",) * len(head), *_rows(scores, memory)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _rows(
    scores: Mapping[int, Mapping[str, Score]], memory: Mapping[str, float]
) -> Iterable[tuple[str, ...]]:
    for in_flight, bots in scores.items():
        for name, score in bots.items():
            yield (
                str(in_flight),
                name,
                f"{score.latency(0.5).value:.0f} / {score.latency(0.95).value:.0f} ms",
                f"{score.rate.value:.1f} /s",
                f"{score.lost} of {score.pings}",
                str(score.duplicates),
                f"{memory[name]:.0f} MB",
            )
