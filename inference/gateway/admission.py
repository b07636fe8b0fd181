"""Who may ask for what: the gateway's door, as it needs it."""

from __future__ import annotations

from typing import Protocol

from domain.errors import OpsError
from inference.gateway.tally import Caller


class TurnedAway(OpsError):
    """Whoever asks may not, or not now."""

    def __init__(
        self, summary: str, hint: str, status: int, retry_after: int | None = None
    ) -> None:
        super().__init__(summary, hint)
        self.status = status
        """401 for no key that is known, 403 for a model it is not for, 429 for a quota."""
        self.retry_after = retry_after
        """Seconds after which it makes sense to ask again."""


class Admission(Protocol):
    """Decides from memory: nothing is looked up while somebody waits."""

    def caller(self, authorization: str | None) -> Caller:
        """Who shows that `Authorization` header. Raises TurnedAway."""
        ...

    def admit(self, caller: Caller, model: str) -> None:
        """Count one more request for a model, by its name as it was asked for and for a backend
        that was pinned. Raises TurnedAway."""
        ...

    def may(self, caller: Caller, model: str) -> bool:
        """Whether a name is for the caller at all."""
        ...


class OpenDoor:
    """Lets everybody in who reaches it: for a gateway that listens to its own machine alone."""

    def caller(self, authorization: str | None) -> Caller:
        """Nobody in particular."""
        return Caller("anybody")

    def admit(self, caller: Caller, model: str) -> None:
        """Always."""

    def may(self, caller: Caller, model: str) -> bool:
        """Everything is."""
        return True
