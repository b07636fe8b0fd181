"""Proving to the homeserver that new keys are the owner's wish."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from bot.matrix.crypto.identity_upload import proof_of
from domain.errors import Refused

USER = "@gantry:example.org"
BY_PASSWORD = {"flows": [{"stages": ["m.login.sso"]}, {"stages": ["m.login.password"]}]}


def test_the_password_proves_it():
    proof = proof_of(USER, {**BY_PASSWORD, "session": "s1"}, SecretStr("hunter2"))
    assert proof == {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": USER},
        "password": "hunter2",
        "session": "s1",
    }


def test_without_one_it_says_what_to_set():
    with pytest.raises(Refused, match="wants the password") as caught:
        proof_of(USER, BY_PASSWORD, None)
    assert "matrix.password_file" in caught.value.hint
    assert "still stands" in caught.value.standing


@pytest.mark.parametrize("stage", ["m.oauth", "org.matrix.cross_signing_reset"])
def test_where_a_person_must_approve_it_says_where(stage: str):
    url = "https://account.example.org/?action=org.matrix.cross_signing_reset"
    wanted = {"session": "dummy", "flows": [{"stages": [stage]}], "params": {stage: {"url": url}}}
    with pytest.raises(Refused, match="in a browser") as caught:
        proof_of(USER, wanted, SecretStr("hunter2"))
    assert url in caught.value.hint
    assert USER in caught.value.hint


@pytest.mark.parametrize("flows", [None, [], [{"stages": ["m.login.msisdn", "m.x"]}], ["odd"]])
def test_what_we_cannot_give_is_named(flows: object):
    with pytest.raises(Refused, match="cannot give") as caught:
        proof_of(USER, {"flows": flows}, SecretStr("hunter2"))
    assert "hunter2" not in str(caught.value) + caught.value.hint
