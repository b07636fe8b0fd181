"""The key of a backup: seals room keys so that only its owner can read them. Pure.

Specification: "Server-side key backups", `m.megolm_backup.v1.curve25519-aes-sha2`. Anybody who
knows the public key can seal something, the homeserver too; so each room key of ours also
carries a MAC under the private one, as MSC4048 proposes, and one without is not authentic.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import vodozemac
from Crypto.Hash import SHA256
from Crypto.Protocol.KDF import HKDF
from pydantic import SecretBytes, SecretStr

from bot.matrix.crypto.encoding import base64_of, bytes_of, canonical_json, mapping
from bot.matrix.crypto.room_keys import RoomKey
from bot.matrix.crypto.signatures import signed_part

ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"
_MEGOLM = "m.megolm.v1.aes-sha2"
_MAC = "org.matrix.msc4048.hmac-sha-256:backup_mac_key"
_UNAUTHENTICATED = "org.matrix.msc4048.unauthenticated"
_LENGTH = 32


@dataclass(frozen=True, slots=True)
class BackupKey:
    """A Curve25519 key pair, and the MAC key that follows from it."""

    private: SecretBytes
    public: str

    @classmethod
    def generate(cls) -> BackupKey:
        """One nobody has seen."""
        return cls._from_bytes(vodozemac.Curve25519SecretKey().to_bytes())

    @classmethod
    def from_secret(cls, secret: SecretStr) -> BackupKey | None:
        """The key as secret storage keeps it; None when that is no key."""
        data = bytes_of(secret.get_secret_value())
        return cls._from_bytes(data) if data is not None and len(data) == _LENGTH else None

    def to_secret(self) -> SecretStr:
        """The key as secret storage keeps it."""
        return SecretStr(base64_of(self.private.get_secret_value()))

    def seal(self, key: RoomKey, user_id: str) -> dict[str, Any]:
        """A room key as the homeserver keeps it ("KeyBackupData")."""
        public = vodozemac.Curve25519PublicKey.from_base64(self.public)
        message = vodozemac.PkEncryption.from_key(public).encrypt(canonical_json(_plain(key)))
        # one by one: Message.to_base64 gives them in another order than it says
        data = {
            "ciphertext": base64_of(message.ciphertext),
            "mac": base64_of(message.mac),
            "ephemeral": base64_of(message.ephemeral_key),
        }
        return {
            "first_message_index": key.first_index,
            "forwarded_count": len(key.forwarded_by),
            "is_verified": False,
            "session_data": self._with_mac(data, user_id),
        }

    def unseal(
        self, room: str, session_id: str, kept: Mapping[str, Any], user_id: str
    ) -> RoomKey | None:
        """What was sealed; None when it is not for us, or not for that room and session."""
        data = mapping(kept.get("session_data"))
        plain = self._decrypt(data)
        ours = plain.get("room_id", room) == room and plain.get("session_id", session_id)
        if plain.get("algorithm") != _MEGOLM or ours != session_id:
            return None
        authentic = self._has_mac(data, user_id) and _UNAUTHENTICATED not in plain
        return _room_key(room, session_id, plain, authentic)

    @classmethod
    def _from_bytes(cls, data: bytes) -> BackupKey:
        public = vodozemac.Curve25519SecretKey.from_bytes(data).public_key()
        return cls(SecretBytes(data), public.to_base64())

    def _decrypt(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        private = vodozemac.Curve25519SecretKey.from_bytes(self.private.get_secret_value())
        ciphertext, mac, ephemeral = (
            bytes_of(data.get(part)) for part in ("ciphertext", "mac", "ephemeral")
        )
        if ciphertext is None or mac is None or ephemeral is None:
            return {}
        try:
            message = vodozemac.Message(ciphertext, mac, ephemeral)
            return mapping(json.loads(vodozemac.PkDecryption.from_key(private).decrypt(message)))
        except ValueError:  # whatever vodozemac and json raise is one
            return {}

    def _with_mac(self, data: dict[str, Any], user_id: str) -> dict[str, Any]:
        signatures = {user_id: {_MAC: base64_of(self._mac(data))}}
        return {**data, "signatures": signatures}

    def _has_mac(self, data: Mapping[str, Any], user_id: str) -> bool:
        mac = bytes_of(mapping(mapping(data.get("signatures")).get(user_id)).get(_MAC))
        return mac is not None and hmac.compare_digest(mac, self._mac(data))

    def _mac(self, data: Mapping[str, Any]) -> bytes:
        key = HKDF(
            self.private.get_secret_value(), 32, b"", SHA256, context=b"MATRIX_BACKUP_MAC_KEY"
        )
        assert isinstance(key, bytes)
        return hmac.digest(key, canonical_json(signed_part(data)), "sha256")


def _plain(key: RoomKey) -> dict[str, Any]:
    """`SessionData`, and for whom it is, so that the homeserver cannot pass it off as another."""
    plain: dict[str, Any] = {
        "algorithm": _MEGOLM,
        "forwarding_curve25519_key_chain": list(key.forwarded_by),
        "room_id": key.room,
        "sender_claimed_keys": {"ed25519": key.signing_key},
        "sender_key": key.sender_key,
        "session_id": key.session_id,
        "session_key": key.key.get_secret_value(),
    }
    return plain if key.authentic else {**plain, _UNAUTHENTICATED: "m.undefined"}


def _room_key(
    room: str, session_id: str, plain: Mapping[str, Any], authentic: bool
) -> RoomKey | None:
    """From what was decrypted, which anybody may have written."""
    sender_key, key = plain.get("sender_key"), plain.get("session_key")
    signing_key = mapping(plain.get("sender_claimed_keys")).get("ed25519")
    chain = plain.get("forwarding_curve25519_key_chain") or []
    if not (isinstance(sender_key, str) and isinstance(key, str) and isinstance(signing_key, str)):
        return None
    if not isinstance(chain, list):
        return None
    try:
        exported = vodozemac.ExportedSessionKey(key)
        session = vodozemac.InboundGroupSession.import_session(exported)
    except ValueError:
        return None
    if session.session_id != session_id:
        return None
    return RoomKey(
        room=room,
        session_id=session_id,
        sender_key=sender_key,
        signing_key=signing_key,
        key=SecretStr(key),
        first_index=session.first_known_index,
        forwarded_by=tuple(map(str, chain)),
        authentic=authentic,
    )
