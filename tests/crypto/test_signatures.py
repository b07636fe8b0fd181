"""Signed objects, and what follows from them."""

from __future__ import annotations

from typing import Any

import pytest
import vodozemac
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.matrix.crypto.encoding import bytes_of, canonical_json
from bot.matrix.crypto.identity_upload import identity_objects
from bot.matrix.crypto.own_device import OwnDevice, must_be_ours
from bot.matrix.crypto.published_keys import judge, published
from bot.matrix.crypto.signatures import USAGES, SigningKey, is_signed, public_key, sign
from domain.errors import Refused

from .party import device_object

USER = "@gantry:example.org"

# Seed and signatures of the specification's appendix "Cryptographic Test Vectors".
SEED = SecretStr("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
SIGNATURES = [
    (
        {},
        "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ",
    ),
    (
        {"one": 1, "two": "Two"},
        "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
    ),
]


@pytest.mark.parametrize(("value", "signature"), SIGNATURES)
def test_signatures_are_those_of_the_specification(value: dict[str, Any], signature: str):
    key = SigningKey.from_secret(SEED)
    assert key is not None
    assert key.sign(canonical_json(value)) == signature


def test_a_key_survives_being_kept_and_is_not_shown():
    key = SigningKey.generate()
    assert SigningKey.from_secret(key.to_secret()) == key
    assert key.to_secret().get_secret_value() not in repr(key)
    assert SigningKey.from_secret(SecretStr("c2hvcnQ")) is None


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.integers(-99, 99), st.text(max_size=9))))
def test_other_implementations_agree(value: dict[str, Any]):
    key = SigningKey.generate()
    signed = sign({"value": value, "unsigned": {"age": 3}}, USER, key)
    message = canonical_json({"value": value})
    signature = vodozemac.Ed25519Signature.from_base64(
        signed["signatures"][USER][f"ed25519:{key.public}"]
    )
    vodozemac.Ed25519PublicKey.from_base64(key.public).verify_signature(message, signature)
    assert is_signed(signed, USER, key.public, key.public)
    assert is_signed({**signed, "unsigned": {}}, USER, key.public, key.public)
    assert not is_signed({**signed, "more": 1}, USER, key.public, key.public)
    assert not is_signed(signed, "@eve:example.org", key.public, key.public)


@pytest.mark.parametrize("text", ["a", "ä", "a b", 7, None, "=="])
def test_what_is_no_key_is_no_key(text: object):
    assert bytes_of(text) in (None, b"")
    assert not is_signed({"signatures": {USER: {"ed25519:k": text}}}, USER, "k", "k")


def a_device() -> tuple[OwnDevice, str]:
    olm = vodozemac.Account()
    device = OwnDevice(
        "BOT", olm.ed25519_key.to_base64(), lambda text: olm.sign(text.encode()).to_base64()
    )
    return device, olm.curve25519_key.to_base64()


def an_answer() -> tuple[dict[str, Any], OwnDevice, dict[str, Any]]:
    """What `/keys/query` says of an account in good order, its device and its keys."""
    keys = {usage: SigningKey.generate() for usage in USAGES}
    device, curve25519 = a_device()
    shown = sign(device_object(USER, device, curve25519), USER, keys["self_signing"])
    objects = identity_objects(USER, keys)
    answer: dict[str, Any] = {f"{usage}_keys": {USER: objects[f"{usage}_key"]} for usage in USAGES}
    return {**answer, "device_keys": {USER: {"BOT": shown}}}, device, dict(keys)


def test_an_account_in_good_order_is_trusted():
    answer, device, keys = an_answer()
    found = judge(published(USER, answer), "BOT")
    assert found.proven
    assert found.master == keys["master"].public
    must_be_ours(published(USER, answer), device)


def without(answer: dict[str, Any], *path: str) -> None:
    for step in path[:-1]:
        answer = answer[step]
    del answer[path[-1]]


FLAWS = [
    (lambda a: without(a, "self_signing_keys", USER), "incomplete"),
    (lambda a: without(a, "self_signing_keys", USER, "signatures"), "not signed by the master"),
    (lambda a: without(a, "device_keys", USER, "BOT"), "no device BOT"),
    (lambda a: without(a, "device_keys", USER, "BOT", "algorithms"), "did not sign its own"),
    (lambda a: a["device_keys"][USER]["BOT"].update(user_id="@eve:x"), "of another one"),
    (lambda a: a["master_keys"][USER].update(usage=["self_signing"]), "incomplete"),
    (lambda a: a.update(master_keys=[1], self_signing_keys=None), "incomplete"),
    (lambda a: a.update(device_keys={USER: {"BOT": "?"}}), "no device BOT"),
]


@pytest.mark.parametrize(("spoil", "flaw"), FLAWS)
def test_every_flaw_has_a_name(spoil: Any, flaw: str):
    answer, _, _ = an_answer()
    spoil(answer)
    found = judge(published(USER, answer), "BOT")
    assert not found.proven
    assert flaw in str(found.flaw)


def test_a_device_its_owner_did_not_sign_is_not_trusted():
    answer, device, keys = an_answer()
    signatures = answer["device_keys"][USER]["BOT"]["signatures"][USER]
    del signatures[f"ed25519:{keys['self_signing'].public}"]
    assert "not signed by its owner" in str(judge(published(USER, answer), "BOT").flaw)
    must_be_ours(published(USER, answer), device)
    assert "no cross-signing identity" in str(judge(published(USER, {}), "BOT").flaw)


def test_we_vouch_for_no_device_on_the_homeservers_word():
    answer, device, _ = an_answer()
    other, curve25519 = a_device()
    with pytest.raises(Refused, match="not ours"):
        must_be_ours(published(USER, answer), other)
    answer["device_keys"][USER]["BOT"]["keys"]["curve25519:BOT"] = curve25519
    with pytest.raises(Refused, match="not ours"):
        must_be_ours(published(USER, answer), device)
    with pytest.raises(Refused, match="not published"):
        must_be_ours(published(USER, {}), device)


def test_a_key_object_holds_one_key_of_its_user_and_usage():
    key = identity_objects(USER, {"master": SigningKey.generate()})["master_key"]
    assert public_key(USER, "master", key)
    for wrong in ({"user_id": "@eve:x"}, {"usage": "master"}, {"keys": {"ed25519:a": "b"}}):
        assert public_key(USER, "master", {**key, **wrong}) is None
