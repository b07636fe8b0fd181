"""What this process must not tell: it learns its secrets as they come in, and masks them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping

from pydantic import SecretStr

from domain.masking import Masking
from domain.secrets import named_like_a_secret

REMEMBERED = 4
"""Secrets of one name, such as access tokens that were renewed; older ones open nothing."""

LONG_ENOUGH = 8
"""Characters a value of the environment has to have: `X_TOKEN=enabled` is a word, not a secret."""


class Discretion:
    """One for the whole house; whatever leaves it passes `masked`."""

    def __init__(self) -> None:
        self._known: dict[str, deque[str]] = {}
        self.masking = Masking()

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Discretion:
        """One that knows what the environment names like a secret."""
        made = cls()
        for name, value in environment.items():
            if named_like_a_secret(name) and len(value) >= LONG_ENOUGH:
                made.learn(f"${name}", SecretStr(value))
        return made

    def learn(self, name: str, *secrets: SecretStr | None) -> None:
        """Mask these from now on. None stands for a secret that was not given."""
        known = self._known.setdefault(name, deque(maxlen=REMEMBERED))
        new = [each.get_secret_value() for each in secrets if each is not None]
        for value in new:
            if value not in known:
                known.append(value)
        values = {value for each in self._known.values() for value in each}
        if values != {each.get_secret_value() for each in self.masking.known}:
            self.masking = Masking(tuple(SecretStr(value) for value in sorted(values)))

    def masked(self, text: str) -> str:
        """See `Masking.masked`."""
        return self.masking.masked(text)

    def masked_html(self, text: str) -> str:
        """See `Masking.masked_html`."""
        return self.masking.masked_html(text)

    def so_far(self, text: str) -> str:
        """See `Masking.so_far`."""
        return self.masking.so_far(text)

    def holds(self, text: str) -> bool:
        """Whether one of our own secrets stands in the text."""
        return self.masking.holds(text)
