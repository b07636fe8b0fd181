"""Ed25519 keys and signed objects ("Signing JSON", "Cross-signing"). Pure."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa
from pydantic import SecretBytes, SecretStr

from bot.matrix.crypto.encoding import base64_of, bytes_of, canonical_json, mapping

Usage = Literal["master", "self_signing", "user_signing"]
USAGES: tuple[Usage, ...] = get_args(Usage)

_SEED = 32


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key that signs."""

    seed: SecretBytes
    public: str
    """Its public half, which is its name as well."""

    @classmethod
    def generate(cls) -> SigningKey:
        """One nobody has seen."""
        return cls._from_seed(secrets.token_bytes(_SEED))

    @classmethod
    def from_secret(cls, secret: SecretStr) -> SigningKey | None:
        """The key as secret storage keeps it; None when that is no key."""
        seed = bytes_of(secret.get_secret_value())
        return cls._from_seed(seed) if seed is not None and len(seed) == _SEED else None

    def to_secret(self) -> SecretStr:
        """The key as secret storage keeps it."""
        return SecretStr(base64_of(self.seed.get_secret_value()))

    def sign(self, message: bytes) -> str:
        """The signature of some bytes."""
        key = ECC.construct(curve="Ed25519", seed=self.seed.get_secret_value())
        return base64_of(eddsa.new(key, "rfc8032").sign(message))

    @classmethod
    def _from_seed(cls, seed: bytes) -> SigningKey:
        public = ECC.construct(curve="Ed25519", seed=seed).public_key().export_key(format="raw")
        assert isinstance(public, bytes)
        return cls(SecretBytes(seed), base64_of(public))


def key_object(user_id: str, usage: Usage, public: str) -> dict[str, Any]:
    """A cross-signing key as it is published, not signed yet."""
    return {"user_id": user_id, "usage": [usage], "keys": {f"ed25519:{public}": public}}


def public_key(user_id: str, usage: Usage, published: Mapping[str, Any]) -> str | None:
    """The one key in such an object; None when it is not one of that user and usage."""
    usages = published.get("usage")
    if published.get("user_id") != user_id or not isinstance(usages, list) or usage not in usages:
        return None
    keys = mapping(published.get("keys"))
    for name, key in keys.items():
        if len(keys) == 1 and isinstance(key, str) and name == f"ed25519:{key}":
            return key
    return None


def signed_part(value: Mapping[str, Any]) -> dict[str, Any]:
    """What a signature of an object covers."""
    return {key: part for key, part in value.items() if key not in ("signatures", "unsigned")}


def with_signature(
    value: Mapping[str, Any], user_id: str, key_id: str, signature: str
) -> dict[str, Any]:
    """The object with one more signature."""
    signatures = mapping(value.get("signatures"))
    own = {**mapping(signatures.get(user_id)), f"ed25519:{key_id}": signature}
    return {**value, "signatures": {**signatures, user_id: own}}


def sign(value: Mapping[str, Any], user_id: str, key: SigningKey) -> dict[str, Any]:
    """The object signed by a cross-signing key."""
    signature = key.sign(canonical_json(signed_part(value)))
    return with_signature(value, user_id, key.public, signature)


def is_signed(value: Mapping[str, Any], user_id: str, key_id: str, public: str) -> bool:
    """Whether a user's key signed the object, proven here and now."""
    signatures = mapping(mapping(value.get("signatures")).get(user_id))
    signature, key = bytes_of(signatures.get(f"ed25519:{key_id}")), bytes_of(public)
    if signature is None or key is None:
        return False
    try:
        verifier = eddsa.new(eddsa.import_public_key(key), "rfc8032")
        verifier.verify(canonical_json(signed_part(value)), signature)
    except ValueError:
        return False
    return True
