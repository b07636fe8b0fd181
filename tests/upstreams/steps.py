"""What a scripted upstream does on the wire, one thing after another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes."""

    data: bytes
    one_by_one: bool = False
    """Each byte on its own, with a turn of the event loop after it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Let seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait until the test calls `Asked.proceed`."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Say nothing more until the client closes."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection once what was sent is out."""

    whole: bool = False
    """Whether that was all there was to say."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Drop the connection the hard way (RST)."""


Step = Send | Wait | Pause | Hang | Close | Reset
