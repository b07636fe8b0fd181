"""What would fit where something does not. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from domain.fit import Fit

SMALLEST_CONTEXT = 256
"""Tokens. With less than this a conversation is over before it began."""

BITS = {
    "F32": 32.0,
    "BF16": 16.0,
    "F16": 16.0,
    "Q8_0": 8.5008,
    "Q6_K": 6.5633,
    "Q5_K_M": 5.7036,
    "Q5_K_S": 5.5704,
    "Q5_1": 6.0,
    "Q5_0": 5.5,
    "Q4_K_M": 4.8944,
    "Q4_K_S": 4.6672,
    "Q4_1": 5.0,
    "Q4_0": 4.6,
    "IQ4_NL": 4.6818,
    "IQ4_XS": 4.4597,
    "Q3_K_L": 4.2979,
    "Q3_K_M": 3.9960,
    "Q3_K_S": 3.6429,
    "Q2_K": 3.1593,
}
"""Bits a weight takes on average, embeddings and all. The K and IQ ones and Q8_0 are those of
Llama 3.1 8B in llama.cpp's tools/quantize/README.md; other shapes differ by a few per cent."""

OFFERED = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M")
"""Those that are proposed: what is commonly published, from the best on."""

_NAME = re.compile(rf"(?<![A-Z0-9])({'|'.join(sorted(BITS, key=len, reverse=True))})(?![A-Z0-9_])")


def largest_context(fit: Fit, conversations: int | None = None) -> int | None:
    """The most tokens for each conversation with which it fits, rounded down; None where that is
    less than `SMALLEST_CONTEXT`, or where it is not the context that is too large."""
    need, count = fit.need, conversations or fit.need.conversations
    if not need.cache or not need.tokens:
        return None
    most = need.tokens // need.conversations
    found = _last(most, lambda tokens: fit.holds(need.holding(tokens, count), fit.replicas))
    rounded = found - found % (1024 if found >= 1024 else SMALLEST_CONTEXT)
    same = count == need.conversations and found >= most
    return rounded if rounded >= SMALLEST_CONTEXT and not same else None


def smaller(fit: Fit) -> tuple[str, int] | None:
    """The best quantisation that is smaller and fits, with about how many bytes it would be."""
    now = BITS.get(fit.need.quantisation or "")
    for name in OFFERED if now else ():
        weights = round(fit.need.weights * BITS[name] / now) if now else 0
        if weights < fit.need.weights and fit.holds(
            replace(fit.need, weights=weights), fit.replicas
        ):
            return name, weights
    return None


def smaller_share(fit: Fit) -> float | None:
    """The largest part of each card, in hundredths, with which it fits; None where it takes no
    part, or where a part that fits does not hold what it needs."""
    need, count = fit.need, fit.each or len(fit.cards)
    if need.share is None or not fit.cards:
        return None
    now, least = round(100 * need.share), need.total / count / fit.card
    found = _last(now, lambda part: fit.holds(replace(need, share=part / 100), fit.replicas))
    return found / 100 if least <= found / 100 < need.share else None


def quantisation(file: str) -> str | None:
    """What a file's name says of how its weights are kept: `m-Q4_K_M.gguf`."""
    found = _NAME.findall(file.upper())
    return found[-1] if found else None


def _last(most: int, holds: Callable[[int], bool]) -> int:
    """The largest number up to `most` that holds, for what holds up to some number; 0 for none."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low
