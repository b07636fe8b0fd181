"""What an engine says of itself in Prometheus' text format, under one set of names. Pure.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/. It is read here line by
line, where the official client's parser gives up all of a page for one line that it cannot read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from inference.engine_names import VOCABULARIES, Vocabulary

LONGEST_LINE = 2048
"""Characters; a longer line is passed over."""

MOST_LINES, MOST_SAMPLES = 50_000, 4000
"""Of a page, and of those on it that are wanted; what comes after them is not read. A vLLM has some
twenty of these for each model."""

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*+")
_REST = re.compile(
    r"""(?: \s*+ \{ (?: [^"{}]++ | "(?:[^"\\]++|\\.)*+" )*+ \} \s*+ | \s++ )
        (?P<value>[^\s_]++) (?: \s++ -?\d++ )?+ \s*+""",
    re.VERBOSE,
)
"""What follows the name of a sample. What its labels are does not matter, only where they end."""

_WANTED = frozenset[str]().union(*(each.names for each in VOCABULARIES))

Samples = Mapping[str, list[float]]
"""Name -> the values of its series, one for each set of labels: finite, and never negative."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long something took, over all the times that it happened since the engine started."""

    seconds: float
    count: float

    @property
    def mean(self) -> float | None:
        """Seconds; None for what never happened."""
        return self.seconds / self.count if self.count > 0 else None


@dataclass(frozen=True, slots=True)
class EngineMetrics:
    """What one engine told at one moment; None for whatever it does not tell, which is not zero.

    Counts are since it started. Several series (of models, of engines behind one address) are
    added up.
    """

    running: float | None = None
    """Requests being answered."""
    waiting: float | None = None
    """Requests it took that wait for room."""
    kv_cache_usage: float | None = None
    """0 to 1; of several engines behind one address that of the fullest."""
    prompt_tokens: float | None = None
    """Tokens of prompts, those found in the cache included where it tells them."""
    generation_tokens: float | None = None
    requests: float | None = None
    """Requests that ended."""
    prefix_cache_queries: float | None = None
    """Tokens looked for in the prefix cache."""
    prefix_cache_hits: float | None = None
    """Tokens found there."""
    first_token: Timing | None = None
    """From the request's arrival to the first token."""
    inter_token: Timing | None = None
    """From one token to the next."""
    end_to_end: Timing | None = None
    """From the request's arrival to its end."""
    engine: str = ""
    """Whose names it uses: `vllm` or `llamacpp`; "" where nothing was told."""

    @property
    def tells(self) -> bool:
        """Whether it told anything at all."""
        return bool(self.engine)


def read(text: str) -> EngineMetrics:
    """Read a page, as far as it can be understood. Raises nothing, whatever the page is."""
    samples = _samples(text.split("\n", MOST_LINES))
    for vocabulary in VOCABULARIES:
        if not vocabulary.names.isdisjoint(samples):
            return _told(samples, vocabulary)
    return EngineMetrics()


def _told(samples: Samples, spoken: Vocabulary) -> EngineMetrics:
    usage = _number(samples, spoken, "kv_cache_usage", max)
    return EngineMetrics(
        running=_number(samples, spoken, "running"),
        waiting=_number(samples, spoken, "waiting"),
        kv_cache_usage=usage if usage is not None and usage <= 1 else None,
        prompt_tokens=_number(samples, spoken, "prompt_tokens"),
        generation_tokens=_number(samples, spoken, "generation_tokens"),
        requests=_number(samples, spoken, "requests"),
        prefix_cache_queries=_number(samples, spoken, "prefix_cache_queries"),
        prefix_cache_hits=_number(samples, spoken, "prefix_cache_hits"),
        first_token=_timing(samples, spoken, "first_token"),
        inter_token=_timing(samples, spoken, "inter_token"),
        end_to_end=_timing(samples, spoken, "end_to_end"),
        engine=spoken.engine,
    )


def _number(
    samples: Samples,
    spoken: Vocabulary,
    what: str,
    together: Callable[[list[float]], float] = sum,
) -> float | None:
    for names in spoken.numbers.get(what, ()):
        if all(name in samples for name in names):
            return sum(together(samples[name]) for name in names)
    return None


def _timing(samples: Samples, spoken: Vocabulary, what: str) -> Timing | None:
    for seconds, count in spoken.times.get(what, ()):
        if seconds in samples and count in samples:
            return Timing(sum(samples[seconds]), sum(samples[count]))
    return None


def _samples(lines: Iterable[str]) -> Samples:
    found: dict[str, list[float]] = {}
    for name, rest in islice(_wanted(lines), MOST_SAMPLES):
        value = _value(rest)
        if value is not None:
            found.setdefault(name, []).append(value)
    return found


def _wanted(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and rest of each line that may be such a sample."""
    for line in lines:
        name = _NAME.match(line)
        if name is not None and name[0] in _WANTED and len(line) <= LONGEST_LINE:
            yield name[0], line[name.end() :]


def _value(rest: str) -> float | None:
    """The number after a name; None for what is no sample, and for a number that tells nothing."""
    sample = _REST.fullmatch(rest)
    try:
        value = float(sample["value"]) if sample else math.nan
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None
