"""The recovery key as people write it down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretBytes, SecretStr

from bot.matrix.crypto.recovery_key import RecoveryKey
from domain.errors import ConfigError

# The key of section 6.1 of RFC 7748, which other Matrix clients test with as well.
KEY = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
WORDS = "EsTc LW2K PGiF wKEA 3As5 g5c4 BXwk qeeJ ZJV8 Q9fu gUMN UE4d"


def read(text: str) -> bytes:
    return RecoveryKey.decode(SecretStr(text)).key.get_secret_value()


def is_read(text: str) -> bool:
    try:
        return bool(read(text))
    except ConfigError:
        return False


def test_it_is_written_as_other_clients_write_it():
    assert RecoveryKey(SecretBytes(KEY)).encode().get_secret_value() == WORDS
    counting = RecoveryKey(SecretBytes(bytes(range(32)))).encode().get_secret_value()
    assert counting == "EsSz ykH7 LCZx 7Cae cmKD wcmY JRXi Ybtu 8iQ3 t8Ez nRwK pUY1", "js-sdk"


@pytest.mark.parametrize(
    "text", [WORDS, WORDS.replace(" ", ""), f"\n {WORDS[:29]}\r\n{WORDS[29:]} "]
)
def test_white_space_does_not_matter(text: str):
    assert read(text) == KEY


@given(st.binary(min_size=32, max_size=32))
def test_what_is_written_is_read_again(key: bytes):
    words = RecoveryKey(SecretBytes(key)).encode().get_secret_value()
    assert read(words) == key
    assert [len(word) for word in words.split()] == [4] * 12


def test_one_wrong_letter_is_all_but_always_noticed():
    """The check is one byte; what slips through does not open anything, which is said later."""
    bare = WORDS.replace(" ", "")
    wrong = {
        bare[:place] + letter + bare[place + 1 :] for place in range(48) for letter in set(bare)
    } - {bare}
    unnoticed = {text for text in wrong if is_read(text)}
    assert len(wrong) > 1500
    assert len(unnoticed) / len(wrong) < 0.01


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        (WORDS[:-1] + "e", "check digit"),
        (WORDS[:-1], "does not begin"),
        ("F" + WORDS[1:], "does not begin"),
        (WORDS.replace("K", "O", 1), "at place 8 "),
        (WORDS + WORDS, "too long"),
        ("correct horse battery staple", "at place 24 "),
    ],
)
def test_a_mistyped_one_is_explained_and_not_repeated(text: str, why: str):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert why in caught.value.summary
    assert "twelve groups" in caught.value.hint
    assert WORDS[10:14] not in caught.value.summary


def test_it_is_never_shown_by_accident():
    key = RecoveryKey(SecretBytes(KEY))
    assert "77076d" not in repr(key)
    assert "EsTc" not in f"{key!r} {key.encode()!r} {key}"


def test_each_is_new_and_keeps_its_name():
    one, two = RecoveryKey.generate(), RecoveryKey.generate()
    assert one != two
    assert one.storage_id() == RecoveryKey.decode(one.encode()).storage_id() != two.storage_id()
