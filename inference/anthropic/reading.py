"""Reads a request that anybody may have written: each value knows the place it stands at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from domain.errors import RequestError

T = TypeVar("T")


class BadRequest(RequestError):
    """No chat completion: the summary says what is wrong, and where."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}" if where else why)
        self.where = where
        """The path to the value: `messages.3.content.0`. "" for the whole body."""


class Untranslatable(BadRequest):
    """A fair request, but the Messages API cannot be asked that. Another backend may do."""


@dataclass(frozen=True, slots=True)
class Value:
    """A part of a request, and the path that leads to it."""

    found: Any
    where: str = ""

    def get(self, name: str) -> Value | None:
        """What an object has under a name; None if that is absent or null."""
        found = self._of(dict, "an object").get(name)
        return None if found is None else Value(found, self._below(name))

    def need(self, name: str) -> Value:
        """What an object must have under a name."""
        if (value := self.get(name)) is None:
            raise BadRequest(self._below(name), "is missing")
        return value

    def each(self) -> list[Value]:
        """The members of a list."""
        members = self._of(list, "a list")
        return [Value(member, self._below(str(at))) for at, member in enumerate(members)]

    def mapping(self) -> dict[str, Any]:
        """An object, as it stands."""
        return self._of(dict, "an object")

    def text(self) -> str:
        """A string."""
        return self._of(str, "a string")

    def flag(self) -> bool:
        """True or false."""
        return self._of(bool, "true or false")

    def count(self) -> int:
        """A whole number from 1 on."""
        if isinstance(self.found, bool) or not isinstance(self.found, int) or self.found < 1:
            raise self.wrong("must be a whole number from 1 on")
        return self.found

    def number(self, low: float, high: float) -> float:
        """A number between two others, both included."""
        number = isinstance(self.found, int | float) and not isinstance(self.found, bool)
        if not number or not low <= self.found <= high:
            raise self.wrong(f"must be a number from {low:g} to {high:g}")
        return float(self.found)

    def written_object(self) -> dict[str, Any]:
        """An object that is written as JSON in a string; nothing at all is an empty one."""
        try:
            written = json.loads(self.text() or "{}")
        except (ValueError, RecursionError):
            written = None
        if not isinstance(written, dict):
            raise self.wrong("must be a JSON object, written as a string")
        return written

    def wrong(self, why: str) -> BadRequest:
        """What to raise for a value that is not as it must be."""
        return BadRequest(self.where, why)

    def unsayable(self, why: str) -> Untranslatable:
        """What to raise for a value that Messages has no counterpart for."""
        return Untranslatable(self.where, why)

    def _of(self, kind: type[T], what: str) -> T:
        if not isinstance(self.found, kind):
            raise self.wrong(f"must be {what}")
        return self.found

    def _below(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name
