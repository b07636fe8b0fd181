"""Handing somebody what nobody else may read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from domain.errors import Unsupported
from domain.operations import Operation
from domain.progress import Report


@dataclass(frozen=True, slots=True)
class Parcel:
    """A secret, with what its owner should know of it."""

    name: str
    """Of the file it is in."""
    words: str
    """Stands above it."""
    secret: SecretStr
    """A line by itself."""

    @property
    def text(self) -> str:
        """The whole file."""
        return f"{self.words}\n{self.secret.get_secret_value()}\n"


class Courier(Protocol):
    """Has a way to each person that leads past everybody else."""

    async def hand(self, person: str, parcel: Parcel, about: Operation, report: Report) -> None:
        """Send a file to one person, in an encrypted room of the two, and never in the room of the
        operation. Returns once the homeserver has it.

        May wait for the person to come into that room. Raises OpsError where it cannot be done.
        From the first moment on the secret is masked in whatever else is said.
        """
        ...


class NoCourier:
    """There is no way to anybody."""

    async def hand(self, person: str, parcel: Parcel, about: Operation, report: Report) -> None:
        """Raise Unsupported."""
        raise Unsupported("nothing can be handed to anybody here")
