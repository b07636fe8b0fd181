"""`m.secret_storage.v1.aes-hmac-sha2`: secrets that the homeserver keeps and cannot read. Pure.

Specification: "Secrets: Storage".
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Any

from Crypto.Cipher import AES
from Crypto.Hash import SHA256
from Crypto.Protocol.KDF import HKDF
from pydantic import SecretBytes, SecretStr

from bot.matrix.crypto.encoding import base64_of, bytes_of

ALGORITHM = "m.secret_storage.v1.aes-hmac-sha2"

_ZEROS = bytes(32)
_IV_LENGTH = 16


def seal(key: SecretBytes, name: str, secret: SecretStr) -> dict[str, str]:
    """Encrypt a secret under its name: under another name it does not open."""
    iv = _fresh_iv()
    ciphertext, mac = _encrypt(key, name, iv, secret.get_secret_value().encode())
    return {"iv": base64_of(iv), "ciphertext": base64_of(ciphertext), "mac": base64_of(mac)}


def unseal(key: SecretBytes, name: str, sealed: Mapping[str, Any]) -> SecretStr | None:
    """What was sealed; None with another key, another name or after any change to it."""
    iv, ciphertext, mac = (bytes_of(sealed.get(part)) for part in ("iv", "ciphertext", "mac"))
    if iv is None or len(iv) != _IV_LENGTH or ciphertext is None or mac is None:
        return None
    aes_key, mac_key = _keys(key, name)
    if not hmac.compare_digest(mac, hmac.digest(mac_key, ciphertext, "sha256")):
        return None
    plain = _cipher(aes_key, iv).decrypt(ciphertext)
    try:
        return SecretStr(plain.decode())
    except UnicodeDecodeError:
        return None  # the iv is not under the MAC: changing it garbles the text


def description(key: SecretBytes, name: str) -> dict[str, str]:
    """What is said in public about a key, so that one can tell whether it is the right one."""
    iv = _fresh_iv()
    _, mac = _encrypt(key, "", iv, _ZEROS)
    return {"name": name, "algorithm": ALGORITHM, "iv": base64_of(iv), "mac": base64_of(mac)}


def fits(key: SecretBytes, described: Mapping[str, Any]) -> bool:
    """Whether this is the key described.

    Older clients left the check out; then only opening a secret can tell, and this says yes.
    """
    if described.get("algorithm") != ALGORITHM:
        return False
    if "iv" not in described and "mac" not in described:
        return True
    iv, mac = bytes_of(described.get("iv")), bytes_of(described.get("mac"))
    if iv is None or len(iv) != _IV_LENGTH or mac is None:
        return False
    _, expected = _encrypt(key, "", iv, _ZEROS)
    return hmac.compare_digest(mac, expected)


def _encrypt(key: SecretBytes, name: str, iv: bytes, plain: bytes) -> tuple[bytes, bytes]:
    aes_key, mac_key = _keys(key, name)
    ciphertext = _cipher(aes_key, iv).encrypt(plain)
    return ciphertext, hmac.digest(mac_key, ciphertext, "sha256")


def _keys(key: SecretBytes, name: str) -> tuple[bytes, bytes]:
    """The AES and the MAC key for one name."""
    derived = HKDF(key.get_secret_value(), 64, _ZEROS, SHA256, context=name.encode())
    assert isinstance(derived, bytes)
    return derived[:32], derived[32:]


def _cipher(aes_key: bytes, iv: bytes) -> Any:
    return AES.new(aes_key, AES.MODE_CTR, nonce=b"", initial_value=iv)


def _fresh_iv() -> bytes:
    """Bit 63 is zero: implementations differ in how the counter carries over it."""
    iv = bytearray(secrets.token_bytes(_IV_LENGTH))
    iv[8] &= 0x7F
    return bytes(iv)
