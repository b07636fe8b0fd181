"""The recovery key: the one secret that a person keeps so that the bot's identity survives.

Written as the specification says ("Secrets: Key representation"). Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from functools import reduce
from operator import xor

from pydantic import SecretBytes, SecretStr

from domain.errors import ConfigError

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PREFIX = b"\x8b\x01"
_LENGTH = 32
_WHOLE = len(_PREFIX) + _LENGTH + 1
"""Prefix, key and parity byte."""

_ADVICE = (
    "a recovery key is twelve groups of four letters and digits, the first of them Es; "
    "copy it again from where it is kept"
)


@dataclass(frozen=True, slots=True)
class RecoveryKey:
    """Opens the account's secret storage."""

    key: SecretBytes
    """The 32 bytes behind the words."""

    @classmethod
    def generate(cls) -> RecoveryKey:
        """One nobody has seen."""
        return cls(SecretBytes(secrets.token_bytes(_LENGTH)))

    @classmethod
    def decode(cls, text: SecretStr) -> RecoveryKey:
        """Read what a person typed; white space does not matter.

        Raises ConfigError, which says what is wrong with it and never what it is.
        """
        data = _base58_bytes("".join(text.get_secret_value().split()))
        if data[: len(_PREFIX)] != _PREFIX:
            raise _mistyped("does not begin as one does")
        if reduce(xor, data) != 0:
            raise _mistyped("has a typing mistake: its check digit does not fit")
        return cls(SecretBytes(data[len(_PREFIX) : -1]))

    def encode(self) -> SecretStr:
        """As shown to a person, in groups of four."""
        data = _PREFIX + self.key.get_secret_value()
        text = _base58(data + bytes([reduce(xor, data)]))
        return SecretStr(" ".join(text[at : at + 4] for at in range(0, len(text), 4)))

    def storage_id(self) -> str:
        """The name under which we describe this key on the homeserver, always the same.

        A crash half-way thus leaves nothing behind that the next attempt does not find again.
        """
        key = self.key.get_secret_value()
        return hmac.digest(key, b"gantry: id in secret storage", hashlib.sha256)[:16].hex()


def _base58(data: bytes) -> str:
    """Base58 of bytes that do not begin with zero, which is all we ever write."""
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def _base58_bytes(text: str) -> bytes:
    if not text:
        raise _mistyped("is empty")
    number = 0
    for place, character in enumerate(text, start=1):
        digit = _ALPHABET.find(character)
        if digit < 0:
            raise _mistyped(
                f"has something at place {place} (not counting spaces) that no recovery key has; "
                "there is no 0, O, I or l in one"
            )
        number = number * len(_ALPHABET) + digit
    try:
        return number.to_bytes(_WHOLE, "big")
    except OverflowError:
        raise _mistyped(f"is too long with its {len(text)} letters") from None


def _mistyped(how: str) -> ConfigError:
    return ConfigError(f"the recovery key {how}", hint=_ADVICE)
