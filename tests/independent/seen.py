"""What the independent client shows and thinks, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Seen:
    """An event as the client shows it, its last edit applied."""

    type: str
    sender: str
    event_id: str
    content: dict[str, Any]
    edit_id: str | None
    redacted: bool
    relation: dict[str, Any] | None
    encrypted: bool
    failure: str | None
    """Why it could not be decrypted."""
    shield: dict[str, str | None] | None
    """`colour` (none, grey, red) and `reason`; None where there is nothing to judge."""

    @classmethod
    def parse(cls, answer: Mapping[str, Any]) -> Seen:
        """From the words of `view.mjs`."""
        return cls(**_snake(answer))

    @property
    def text(self) -> str:
        """Its body."""
        return str(self.content.get("body", ""))

    @property
    def is_edit(self) -> bool:
        """Whether it only changes what an earlier event says."""
        return (self.relation or {}).get("rel_type") == "m.replace"


@dataclass(frozen=True)
class Trust:
    """What the client thinks of a device, and of the identity of its owner."""

    known: bool
    signed_by_owner: bool
    verified: bool
    owner_verified: bool
    owner_changed: bool

    @classmethod
    def parse(cls, answer: Mapping[str, Any]) -> Trust:
        """From the words of `client.mjs`."""
        return cls(**_snake(answer))


def _snake(camel: Mapping[str, Any]) -> dict[str, Any]:
    """Python's spelling of JavaScript's names."""
    return {
        "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name): value
        for name, value in camel.items()
    }
