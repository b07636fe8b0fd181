"""Room keys sealed for a backup."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import vodozemac
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.matrix.crypto.backup_key import BackupKey
from bot.matrix.crypto.encoding import base64_of, bytes_of
from bot.matrix.crypto.room_keys import RoomKey

USER = "@gantry:example.org"
ROOM = "!ops:example.org"


def a_room_key(**more: Any) -> RoomKey:
    outbound = vodozemac.GroupSession()
    session = vodozemac.InboundGroupSession(outbound.session_key)
    exported = session.export_at(0)
    assert exported is not None
    olm = vodozemac.Account()
    key = RoomKey(
        room=ROOM,
        session_id=session.session_id,
        sender_key=olm.curve25519_key.to_base64(),
        signing_key=olm.ed25519_key.to_base64(),
        key=SecretStr(exported.to_base64()),
        first_index=0,
    )
    return replace(key, **more)


KEY = BackupKey.generate()
ROOM_KEY = a_room_key()


def test_the_key_survives_being_kept_and_is_not_shown():
    assert BackupKey.from_secret(KEY.to_secret()) == KEY
    assert KEY.to_secret().get_secret_value() not in repr(KEY)
    assert ROOM_KEY.key.get_secret_value() not in repr(ROOM_KEY)
    assert BackupKey.from_secret(SecretStr("nonsense!")) is None


def test_its_public_half_is_that_of_rfc_7748():
    private = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    public = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    key = BackupKey.from_secret(SecretStr(base64_of(private)))
    assert key is not None
    assert bytes_of(key.public) == public


def test_what_is_sealed_opens_again():
    for key in (
        ROOM_KEY,
        a_room_key(forwarded_by=("device",), authentic=False),
        a_room_key(forwarded_by=("device",)),
    ):
        sealed = KEY.seal(key, USER)
        assert sealed["forwarded_count"] == len(key.forwarded_by)
        assert KEY.unseal(ROOM, key.session_id, sealed, USER) == key


def test_it_opens_for_its_owner_its_room_and_its_session_alone():
    sealed = KEY.seal(ROOM_KEY, USER)
    assert BackupKey.generate().unseal(ROOM, ROOM_KEY.session_id, sealed, USER) is None
    assert KEY.unseal("!other:example.org", ROOM_KEY.session_id, sealed, USER) is None
    assert KEY.unseal(ROOM, a_room_key().session_id, sealed, USER) is None


def test_what_somebody_else_sealed_is_not_authentic():
    """Whoever knows the public key can, and the homeserver does."""
    sealed = KEY.seal(ROOM_KEY, USER)
    del sealed["session_data"]["signatures"]
    opened = KEY.unseal(ROOM, ROOM_KEY.session_id, sealed, USER)
    assert opened == replace(ROOM_KEY, authentic=False)


@settings(max_examples=60)
@given(
    st.sampled_from(["ciphertext", "mac", "ephemeral"]), st.integers(0, 999), st.integers(1, 255)
)
def test_after_a_change_it_is_never_authentic(part: str, place: int, change: int):
    sealed = KEY.seal(ROOM_KEY, USER)
    data = bytearray(bytes_of(sealed["session_data"][part]) or b"")
    data[place % len(data)] ^= change
    sealed["session_data"][part] = base64_of(bytes(data))
    opened = KEY.unseal(ROOM, ROOM_KEY.session_id, sealed, USER)
    assert opened is None or not opened.authentic


@given(st.dictionaries(st.sampled_from(["ciphertext", "mac", "ephemeral"]), st.text(max_size=9)))
def test_nonsense_opens_nothing(nonsense: dict[str, str]):
    assert KEY.unseal(ROOM, ROOM_KEY.session_id, {"session_data": nonsense}, USER) is None
