"""One of three model servers is killed, or hangs, under load: who notices, and how soon."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench.gateway.candidates import BARE, CANDIDATES, OURS
from bench.gateway.outcomes import Verdict, outcomes, verdict
from bench.gateway.stage import Gateway, Load, Stage, Upstream
from bench.gateway.upstream import FIRST_BYTE
from bench.measures import Book, Bound, Figure, Measure
from domain.errors import OpsError

Tell = Callable[[str], None]

_DELAY = 0.02
_BEFORE, _LOST, _AFTER = 2.0, 8.0, 5.0
"""Seconds of load before, during and after a fault."""
_SETTLED = 2.0
"""Seconds at the end in which the one that is back should be asked again."""
_OUT_WITHIN, _BACK = 2.0, 0.1


@dataclass(frozen=True, slots=True)
class Case:
    """One fault under one load."""

    fault: str
    """`kill` or `hang`."""
    stream: bool
    rate: float
    """Requests a second."""

    def __str__(self) -> str:
        return f"{self.fault}.{'streams' if self.stream else 'plain'}.{self.rate:g}"


CASES = tuple(
    Case(fault, stream, rate)
    for fault in ("kill", "hang")
    for stream, rates in ((False, (10.0, 200.0)), (True, (10.0, 50.0)))
    for rate in rates
)
_SLOWEST = 10.0
"""Requests a second that every gateway can take."""


async def bench_faults(book: Book, tell: Tell) -> None:
    """Ours under every load, the others under the lightest: they are slower.

    The bare proxy is left out, for it does not know what a failure is.
    """
    verdicts: dict[str, dict[Case, Verdict]] = {}
    for candidate in (each for each in CANDIDATES if each.name != BARE):
        cases = [case for case in CASES if candidate.name == OURS or case.rate <= _SLOWEST]
        async with Stage.opened() as stage:
            upstreams = [await stage.upstream(_DELAY) for _ in range(3)]
            try:
                gateway = await stage.gateway(candidate, [each.url for each in upstreams])
            except OpsError as error:
                book.skip(f"gateway.faults.{candidate.name}", error.summary)
                continue
            load = await stage.load()
            found = verdicts[candidate.name] = {}
            for case in cases:
                found[case] = await _suffer(case, gateway, load, upstreams)
                tell(f"{candidate.name:8} {case!s:16} {found[case]}")
    tell(f"\n{side_by_side(verdicts)}\n")
    for measure in measures(verdicts):
        book.note(measure)


async def _suffer(
    case: Case, gateway: Gateway, load: Load, upstreams: Sequence[Upstream]
) -> Verdict:
    lost = upstreams[-1]
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(
            load(
                {
                    "port": gateway.port,
                    "stream": case.stream,
                    "rate": case.rate,
                    "seconds": _BEFORE + _LOST + _AFTER,
                    "rows": True,
                }
            )
        )
        await asyncio.sleep(_BEFORE)
        lost.signal(signal.SIGSTOP if case.fault == "hang" else signal.SIGKILL)
        fault = time.perf_counter() - begun
        await asyncio.sleep(_LOST)
        async with AsyncExitStack() as back:
            if case.fault == "hang":
                back.callback(lost.signal, signal.SIGCONT)
            else:
                await lost.stop()
                back.push_async_callback(lost.start)
        until = time.perf_counter() - begun
        await asyncio.sleep(_AFTER - _SETTLED)
        before = [await each.count() for each in upstreams]
    after = [await each.count() for each in upstreams]
    got = [late - early for early, late in zip(before, after, strict=True)]
    return verdict(outcomes(asked.result()["rows"]), fault, until, got[-1] / max(1, sum(got)))


def measures(verdicts: dict[str, dict[Case, Verdict]]) -> list[Measure]:
    """Ours, beside LiteLLM where that was under the same load (pure)."""
    found = []
    for case, mine in verdicts.get(OURS, {}).items():
        peers = {name: of[case] for name, of in verdicts.items() if name != OURS and case in of}
        peer_name = "litellm" if "litellm" in peers else None
        peer = peers[peer_name] if peer_name else None
        for what, unit, bound in (
            ("failed", "", Bound()),
            ("broken", "", None),
            ("longest", "s", Bound(slack=FIRST_BYTE)),
            ("out_after", "s", Bound(slack=_OUT_WITHIN)),
            ("back", "", Bound(slack=_BACK, at_least=True)),
        ):
            if what == "broken" and not case.stream:
                continue
            value = Figure(float(getattr(mine, what)))
            theirs = Figure(float(getattr(peer, what))) if peer else None
            name = f"gateway.{case}.{what}"
            found.append(Measure(name, unit, mine.asked, value, theirs, peer_name, bound))
    return found


def side_by_side(verdicts: dict[str, dict[Case, Verdict]]) -> str:
    """As a Markdown table, a row a gateway and case (pure)."""
    head = ("gateway", "fault, load", "failed", "broken off", "longest wait", "out after", "back")
    rows = [head, ("---",) * len(head)]
    for name, cases in verdicts.items():
        for case, found in cases.items():
            load = f"{case.rate:g} {'streams' if case.stream else 'requests'}/s"
            rows.append(
                (
                    name,
                    f"{case.fault}, {load}",
                    f"{found.failed} of {found.asked}",
                    str(found.broken) if case.stream else "-",
                    f"{found.longest:.2f} s",
                    f"{found.out_after:.2f} s",
                    f"{found.back:.0%}",
                )
            )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
