"""Engine settings that are numbers, checked against what they may be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from domain.errors import Unsupported
from domain.services import ServiceSpec

Ranges = Mapping[str, tuple[int, int]]
"""Setting -> (lowest, highest)."""


def numbers(spec: ServiceSpec, ranges: Ranges, engine: str) -> dict[str, int]:
    """The spec's settings as numbers.

    Raises Unsupported, naming the known ones, for a setting the engine does not have or a value
    it cannot take.
    """
    found = {}
    for key, value in spec.settings:
        if key not in ranges:
            raise unknown(engine, key, ranges)
        found[key] = number(key, value, ranges[key])
    return found


def number(key: str, value: str, allowed: tuple[int, int]) -> int:
    """A setting's value. Raises Unsupported if it is no number, or one that is out of range."""
    low, high = allowed
    if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
        raise Unsupported(
            f"{key}={value} is out of range", hint=f"{key} is a number from {low} to {high}"
        )
    return int(value)


def unknown(engine: str, key: str, known: Mapping[str, object]) -> Unsupported:
    """That an engine has no such setting, with the nearest one."""
    close = get_close_matches(key, known, n=1)
    there = f"it has {', '.join(known)}"
    hint = f"did you mean `{close[0]}`? {there}" if close else there
    return Unsupported(f"{engine} here has no setting `{key}`", hint=hint)
