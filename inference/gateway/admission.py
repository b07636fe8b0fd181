"""Who may ask for what: the gateway's door, as it needs it."""

from __future__ import annotations

from typing import Protocol

from inference.gateway.tally import Caller
from inference.keyring import Keyring


class Admission(Protocol):
    """Decides from memory: nothing is looked up while somebody waits."""

    def caller(self, authorization: str | None) -> Caller:
        """Who shows that `Authorization` header. Raises NotAuthenticated."""
        ...

    def may(self, caller: Caller, model: str) -> bool:
        """Whether a name is for the caller at all."""
        ...

    def admit(self, caller: Caller, model: str) -> None:
        """Count one more request for a model. Raises NotPermitted and QuotaUsedUp."""
        ...


class Keyed:
    """By API keys."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def caller(self, authorization: str | None) -> Caller:
        """Whose key it is."""
        key = self._keyring.authenticate(authorization)
        return Caller(str(key.owner), key.id)

    def may(self, caller: Caller, model: str) -> bool:
        """Whether the key is for that name."""
        key = self._keyring.get(caller.key or "")
        return key is not None and key.may_ask(model)

    def admit(self, caller: Caller, model: str) -> None:
        """By what is left of the key's quotas."""
        key = self._keyring.get(caller.key or "")
        if key is not None:
            self._keyring.admit(key, model)


class OpenDoor:
    """Lets everybody in who reaches it: for a gateway that listens to its own machine alone."""

    def caller(self, authorization: str | None) -> Caller:
        """Nobody in particular."""
        return Caller("anybody")

    def may(self, caller: Caller, model: str) -> bool:
        """Everything is."""
        return True

    def admit(self, caller: Caller, model: str) -> None:
        """Always."""
