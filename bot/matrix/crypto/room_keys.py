"""The keys of encrypted rooms, in and out of nio's store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import nio
import structlog
import vodozemac
from nio.crypto import InboundGroupSession
from pydantic import SecretStr

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RoomKey:
    """Decrypts one device's messages in one room, from one message on ("Megolm session")."""

    room: str
    session_id: str
    sender_key: str
    """The Curve25519 key of the device that wrote the messages."""
    signing_key: str
    """The Ed25519 key that device claimed."""
    key: SecretStr
    """In the format for exports."""
    first_index: int
    """Number of the first message it decrypts."""
    forwarded_by: tuple[str, ...] = ()
    """Devices that passed it on, if it did not come from the sender itself."""
    authentic: bool = True
    """False when anybody may have made it: what it decrypts may be from anybody as well."""


def sessions_of(client: nio.AsyncClient) -> list[RoomKey]:
    """Every room key in the client's store."""
    return [
        RoomKey(
            room=session.room_id,
            session_id=session.id,
            sender_key=session.sender_key,
            signing_key=session.ed25519,
            key=SecretStr(session.export_session(session.first_known_index)),
            first_index=session.first_known_index,
            forwarded_by=tuple(session.forwarding_chain),
            authentic=not session.forwarding_chain,
        )
        for session in client.olm.inbound_group_store
    ]


def import_into(client: nio.AsyncClient, keys: Iterable[RoomKey]) -> int:
    """Add keys to the client's store where they decrypt more than what is there. How many.

    What a key that is not authentic decrypts will never count as verified: nio looks at whether
    somebody passed the key on, so we say that its sender did.
    """
    added = 0
    for key in keys:
        session = _session(key)
        if session is None:
            log.warning("room key unusable", room=key.room, session=key.session_id)
        elif _is_better(client, session):
            client.olm.inbound_group_store.add(session)
            client.olm.save_inbound_group_session(session)
            added += 1
    return added


def _session(key: RoomKey) -> InboundGroupSession | None:
    """The key as nio has it; None when it is not the one that it says it is."""
    chain = list(key.forwarded_by)
    if not key.authentic and not chain:
        chain = [key.sender_key]
    try:
        session = InboundGroupSession.import_session(
            key.key.get_secret_value(), key.signing_key, key.sender_key, key.room, chain
        )
    except vodozemac.SessionKeyDecodeException:
        return None
    return session if session.id == key.session_id else None


def _is_better(client: nio.AsyncClient, session: InboundGroupSession) -> bool:
    known = client.olm.inbound_group_store.get(session.room_id, session.sender_key, session.id)
    return known is None or session.first_known_index < known.first_known_index
