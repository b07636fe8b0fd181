"""From how a replica ended and what was written about it to a diagnosis people can act on. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from domain.errors import Failure
from domain.failure_classes import CLASSES, EXIT_CODES, SIGNALS
from domain.failure_signs import EMPTY_WORDS, SIGNS, Sign

EVIDENCE = 8
"""Log lines a diagnosis carries."""

LONGEST_LINE = 4000
"""Characters of a line that are looked at: what fails says so at the beginning."""

_HIGHEST_SIGNAL = 64
_RAISED = re.compile(r"(?:^|[\]>] )(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception): \S")
"""What Python writes last of an error, whatever a logger puts before it. The first tells why; what
others then say of it comes after, at length."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of a replica that failed."""

    exit_code: int | None = None
    """Negative for a signal, as Python has it, or 128 and more, as shells and containers do. None
    when nobody was told."""
    out_of_memory: bool | None = None
    """Whether the kernel ended it for its memory; None when nobody knows."""
    log: tuple[str, ...] = ()
    """Its last lines, oldest first."""
    error: str = ""
    """What the target answered, when it did not even start."""

    @property
    def signal(self) -> int | None:
        """The signal that ended it, if one did."""
        code = self.exit_code or 0
        number = -code if code < 0 else code - 128
        return number if 0 < number <= _HIGHEST_SIGNAL else None


def diagnose(
    ending: Ending, signs: Iterable[Sign] = (), advice: Mapping[str, str] | None = None
) -> Failure:
    """Why a replica failed: by the target's answer and the log, else by how it ended.

    An engine's own signs are looked for first; its advice for a class replaces the general one.
    """
    lines = [*ending.error.splitlines(), *ending.log]
    telling = [line for line in lines if line.strip() and not EMPTY_WORDS.search(line)]
    found = _sign_in(telling, (*signs, *SIGNS))
    evidence = tuple(line for line in lines if line.strip())
    if found is not None and not (ending.out_of_memory and found[0].kind == "probe-timeout"):
        sign, values, line = found
        words = {name: value or "" for name, value in values.items()}
        what, told = sign.what.format(**words), sign.advice.format(**words)
        return _failure(sign.kind, what, told, _around(line, evidence), advice)
    kind, what = _by_its_end(ending)
    cause = next((line for line in telling if _RAISED.search(line)), None)
    shown = _around(cause, evidence) if cause else evidence[-EVIDENCE:]
    return _failure(kind, what, "", shown, advice)


def gave_up(
    seconds: float, loaded: bool, log: Iterable[str], name: str = "", others: Sequence[str] = ()
) -> Failure:
    """Why a replica that lives is given up: nothing moved for so many seconds.

    `others` are the models that it lists where it was to serve one of this `name`.
    """
    stage, advice = "nothing answers there yet, so the model may still be loading", ""
    if loaded:
        stage = "it listens but gave no token"
    if others:
        stage = f"it serves {', '.join(others[:5])}, and nothing that is called {name}"
        advice = "have its command call the model by the service's name"
    what = f"not ready after {seconds:.3g} s: {stage}"
    evidence = tuple(line for line in log if line.strip())[-EVIDENCE:]
    return _failure("probe-timeout", what, advice, evidence, None)


def _sign_in(
    lines: Iterable[str], signs: Iterable[Sign]
) -> tuple[Sign, Mapping[str, str | None], str] | None:
    lines = list(lines)
    for sign in signs:
        for line in lines:
            if match := sign.pattern.search(line[:LONGEST_LINE]):
                return sign, match.groupdict(), line
    return None


def _by_its_end(ending: Ending) -> tuple[str, str]:
    code, signal = ending.exit_code, ending.signal
    if ending.out_of_memory:
        return "out-of-memory", "the kernel ended it for the memory it took"
    if signal == 9 and ending.out_of_memory is False:
        return "stopped", "it was killed (signal 9), and not for its memory"
    if signal is not None and signal in SIGNALS:
        return SIGNALS[signal], ""
    if code is not None and code in EXIT_CODES:
        return EXIT_CODES[code]
    if signal is not None:
        return "crashed", f"it was ended by signal {signal}"
    if code is None and ending.error:
        return "refused", ""
    return "crashed", "" if code is None else f"it ended by itself (exit code {code})"


def _around(line: str, evidence: tuple[str, ...]) -> tuple[str, ...]:
    """The last lines, and before them the one that tells, should it not be among them."""
    last = evidence[-EVIDENCE:]
    return last if line in last else (line, *last[1:])


def _failure(
    kind: str,
    what: str,
    advice: str,
    evidence: tuple[str, ...],
    better: Mapping[str, str] | None,
) -> Failure:
    known = CLASSES[kind]
    told = (better or {}).get(kind) or advice or known.advice
    return Failure(kind, what or known.what, told, evidence, known.retryable)
