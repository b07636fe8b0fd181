"""What a replica was really made of: the file behind the name, the engine, the command line. Pure.

A revision says what was asked for. Two replicas of one revision may still differ: somebody wrote
another file to the same path, a tag was moved, the engine was updated.
"""

from __future__ import annotations

from collections.abc import Iterator

MadeOf = tuple[tuple[str, str], ...]
"""(what, which), in the order a person would tell them. Empty where a target cannot tell."""

FILE = "model file"
SIZE = "size"
"""Bytes."""
SHA256 = "sha256"
"""Of the model file."""
COMMIT = "commit"
"""Of the repository the file came from."""
IMAGE = "image"
"""With its digest."""
ENGINE = "engine"
HARDWARE = "hardware"
"""What it computes on, and why if that is not what was asked for first."""
COMMAND = "command"
"""The whole command line of one replica; it names that replica's own folder."""

PROJECT = "project"
"""The Compose project that was adopted for it."""
MODEL = "model"
"""What its server calls the model, where that is not the service's name."""

_CONTENT = (SHA256, IMAGE)
_SHORT = 8


def differences(then: MadeOf, now: MadeOf) -> Iterator[tuple[str, str, str]]:
    """(what, then, now) for everything that both tell and that is not the same, but for the
    command line: that follows from the rest, and differs from replica to replica."""
    known = dict(now)
    for what, which in then:
        if what != COMMAND and what in known and known[what] != which:
            yield what, which, known[what]


def replaced(then: MadeOf, now: MadeOf) -> str | None:
    """What of the content is another now: `sha256 3fa9c1d2, now 81b2c4aa`; None if nothing is."""
    told = [
        f"{what} {shortened(old)}, now {shortened(new)}"
        for what, old, new in differences(then, now)
        if what in _CONTENT
    ]
    return "; ".join(told) or None


def in_short(made: MadeOf) -> str:
    """The content by the first digits of its checksum: `3fa9c1d2`; "" where that is not known."""
    known = dict(made)
    return next((shortened(known[what]) for what in _CONTENT if what in known), "")


def hardware(made: MadeOf) -> list[str]:
    """What it computes on, as its targets tell: `processor (it has no card)`; on another target
    than the first with that behind it. Empty where none tells."""
    told = ((what.removeprefix(HARDWARE), which) for what, which in made if _is_hardware(what))
    return [f"{which}{where}" for where, which in told]


def reason(hardware: str) -> str:
    """Why it is that: what stands in brackets; "" for nothing."""
    return hardware.partition("(")[2].rpartition(")")[0]


def _is_hardware(what: str) -> bool:
    return what == HARDWARE or what.startswith(f"{HARDWARE} on ")


def shortened(value: str) -> str:
    """The first digits of a checksum or digest; anything else as it is."""
    digits = value.rpartition("sha256:")[2]
    return digits[:_SHORT] if len(digits) in (40, 64) and set(digits) <= _HEX else value


_HEX = frozenset("0123456789abcdef")
