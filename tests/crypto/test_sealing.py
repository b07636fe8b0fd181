"""Secrets that the homeserver keeps and cannot read."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretBytes, SecretStr

from bot.matrix.crypto.sealing import description, fits, seal, unseal

KEY = SecretBytes(bytes(range(32)))
OTHER = SecretBytes(bytes(32))
MASTER = "m.cross_signing.master"
SECRET = "EsTcLW2KPGiFwKEA3As5g5c4BXwkqeeJZJV8Q9fugUM"

# Made by matrix-js-sdk 37.5 with the same key, name and secret.
SEALED_ELSEWHERE = {
    "iv": "ZGVmZ2hpamtsbW5vcHFycw==",
    "ciphertext": "c/6ar/uePUIHi/IUGXcSA1h3LLf050/I1qAWhbkKQ3qh2dQPNAKwJ234bQ==",
    "mac": "xkJNKGs8yIFpK1act94NEFzxhg3ILQXjlwrs+iXZ5RA=",
}
DESCRIBED_ELSEWHERE = {
    "algorithm": "m.secret_storage.v1.aes-hmac-sha2",
    "iv": "ZGVmZ2hpamtsbW5vcHFycw==",
    "mac": "vYgQVpdK58iz0YmEq2oJZ9VVGPAzYwKn2MYF4C4PvWI=",
}


def test_what_another_client_sealed_opens():
    opened = unseal(KEY, MASTER, SEALED_ELSEWHERE)
    assert opened == SecretStr(SECRET)
    assert unseal(OTHER, MASTER, SEALED_ELSEWHERE) is None
    assert unseal(KEY, "m.cross_signing.self_signing", SEALED_ELSEWHERE) is None


def test_a_key_that_another_client_described_is_recognised():
    assert fits(KEY, DESCRIBED_ELSEWHERE)
    assert not fits(OTHER, DESCRIBED_ELSEWHERE)


@given(st.binary(min_size=32, max_size=32), st.text(max_size=80), st.text(max_size=300))
def test_what_is_sealed_opens_again(key: bytes, name: str, secret: str):
    sealed = seal(SecretBytes(key), name, SecretStr(secret))
    assert unseal(SecretBytes(key), name, sealed) == SecretStr(secret)
    assert base64.b64decode(sealed["iv"] + "==")[8] < 0x80, "bit 63 is zero"
    assert "=" not in "".join(sealed.values())


@given(st.sampled_from(["ciphertext", "mac"]), st.integers(0, 255), st.integers(1, 255))
def test_tampering_is_noticed(part: str, place: int, change: int):
    sealed = seal(KEY, MASTER, SecretStr(SECRET))
    data = bytearray(base64.b64decode(sealed[part] + "=="))
    data[place % len(data)] ^= change
    changed = {**sealed, part: base64.b64encode(data).decode()}
    assert unseal(KEY, MASTER, changed) is None


@given(
    st.dictionaries(
        st.sampled_from(["iv", "ciphertext", "mac", "algorithm"]),
        st.one_of(st.none(), st.integers(), st.text(max_size=30), st.lists(st.text(max_size=3))),
    )
)
def test_nonsense_from_outside_opens_nothing(nonsense: dict[str, object]):
    assert unseal(KEY, MASTER, nonsense) is None
    assert not fits(KEY, {**DESCRIBED_ELSEWHERE, "iv": nonsense.get("iv", "")})


def test_a_description_fits_its_key_alone():
    described = description(KEY, "Gantry")
    assert fits(KEY, described)
    assert not fits(OTHER, described)
    assert not fits(KEY, {**described, "algorithm": "m.secret_storage.v1.rot13"})
    assert fits(OTHER, {"algorithm": described["algorithm"]}), "without a check, secrets tell"
