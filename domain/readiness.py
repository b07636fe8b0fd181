"""What a replica proves before requests may reach it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FirstToken:
    """A replica's first real answer."""

    seconds: float
    """From the request to the first token of a one-token completion."""
    tokens_per_second: float | None = None
    """Over a short streamed completion; None where the engine did not stream one in time."""

    def __str__(self) -> str:
        speed = f", {self.tokens_per_second:.0f} tokens/s" if self.tokens_per_second else ""
        return f"first token after {self.seconds:.2f} s{speed}"


Probe = Callable[[str, str], Awaitable[FirstToken | None]]
"""(base URL, model name) -> its first token, or None while it is not ready.

Never raises for a server that is absent, loading or refusing: that is what None means.
"""
