"""No secret gets out, whatever it is wrapped in, and what is no secret is left alone."""

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from domain.masking import Masking
from domain.secrets import MASK

from .test_secrets import HARMLESS, SECRETS

A = "a1B2c3D4e5F6g7H8i9J0"
PASSWORD = 'h€llo "w/rld" <&> 100%+'

values = st.text(st.characters(codec="utf-8", exclude_characters="•"), min_size=6, max_size=40)
"""A secret is read as UTF-8, which has no lone surrogates."""
WRAPPINGS = {
    "itself": str,
    "json": json.dumps,
    "json in utf-8": lambda text: json.dumps(text, ensure_ascii=False),
    "python": repr,
    "html": html.escape,
    "url": lambda text: quote(text, ""),
    "path": quote,
    "query": quote_plus,
    "json in json": lambda text: json.dumps({"error": json.dumps(text)}),
}


def knowing(*secrets: str) -> Masking:
    return Masking(tuple(SecretStr(secret) for secret in secrets))


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
def test_a_known_secret_is_masked_as_others_write_it(wrap):
    if wrap is WRAPPINGS["json in json"]:
        wrapped = wrap("hunter2-hunter2")
        assert "hunter2" not in knowing("hunter2-hunter2").masked(wrapped)
        return
    wrapped = wrap(PASSWORD)
    masked = knowing(PASSWORD).masked(f"before {wrapped} after")
    assert MASK in masked
    assert wrapped.strip("\"'") not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


@pytest.mark.parametrize("name", ["", "u", "us", "ann", "someb"])
def test_basic_authentication_gives_no_letter_of_a_password_away(name):
    told = base64.b64encode(f"{name}:hunter2-hunter2!".encode()).decode()
    masked = knowing("hunter2-hunter2!").masked(told)
    assert MASK in masked
    rest = masked.partition(MASK)[0]
    whole_bytes = base64.b64decode(rest + "A" * (-len(rest) % 4))[: len(rest) * 6 // 8]
    assert f"{name}:".encode().startswith(whole_bytes)


@pytest.mark.parametrize("lower", [str.lower, str.upper])
def test_urls_in_small_hexadecimal_are_known_too(lower):
    wrapped = re.sub("%..", lambda code: lower(code[0]), quote(PASSWORD, ""))
    assert knowing(PASSWORD).masked(wrapped) == MASK


@given(values, st.text(), st.text(), st.sampled_from(sorted(WRAPPINGS)[:-1]))
def test_no_known_secret_survives_however_it_is_embedded(value, before, after, wrapping):
    wrapped = WRAPPINGS[wrapping](value)
    text = before + wrapped + after
    masking = knowing(value)
    assert value not in masking.masked(text)
    assert not masking.holds(masking.masked(text))


@given(st.lists(values, max_size=3), st.text(), st.data())
def test_masking_twice_is_masking_once(secrets, text, data):
    for secret in secrets:
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + secret + text[at:]
    once = knowing(*secrets).masked(text)
    assert knowing(*secrets).masked(once) == once


@given(st.lists(st.sampled_from([secret for secret, _ in SECRETS] + HARMLESS + [" ", "\n", "="])))
def test_masking_shapes_twice_is_masking_them_once(parts):
    once = Masking().masked("".join(parts))
    assert Masking().masked(once) == once


@pytest.mark.parametrize(("secret", "kind"), SECRETS)
def test_what_is_declined_in_a_command_is_masked_everywhere_else(secret, kind):
    masked = Masking().masked(f"before\\n{secret}\nafter")
    assert kind == "private key" or secret not in masked  # its first line tells nothing
    assert MASK in masked
    assert masked.endswith("\nafter")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text):
    assert Masking().masked(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"token hf_{A}{A}.", "token hf_•••."),
        ("HF_TOKEN=abc tail", "HF_TOKEN=••• tail"),
        ("https://ann:pw@host/x", "https://ann:•••@host/x"),
        ("Authorization: Bearer abcdef", "Authorization: Bearer •••"),
        ("{'api_key': ['secret1'], 'n': 1}", "{'api_key': ['•••'], 'n': 1}"),
        ("--api-key hunter2x --port 1", "--api-key ••• --port 1"),
        ("GET /x?X-Amz-Signature=abcdef01&y=2", "GET /x?X-Amz-Signature=•••&y=2"),
        ("eos_token: '</s>', n_tokens = 4096", "eos_token: '</s>', n_tokens = 4096"),
        (
            f"-----BEGIN RSA PRIVATE KEY-----\n{A * 3}\n{A}==\n-----END RSA PRIVATE KEY-----\nend.",
            "-----BEGIN RSA PRIVATE KEY-----•••\nend.",
        ),
    ],
)
def test_one_sees_what_it_was_and_nothing_else_is_lost(text, masked):
    assert Masking().masked(text) == masked


def test_a_value_that_is_too_short_is_not_looked_for():
    assert knowing("abcde", "••••••").masked("abcde •••••• fghij") == "abcde •••••• fghij"


def test_of_two_secrets_one_inside_the_other_nothing_is_left():
    assert knowing("hunter2", "my-hunter2-pass").masked("my-hunter2-pass hunter2") == "••• •••"


def test_the_lines_of_a_key_are_known_one_by_one():
    key = "first-line-of-it\nsecond-line-of-it"
    assert knowing(key).masked("12:00 first-line-of-it") == "12:00 •••"


def test_html_stays_html():
    masking = knowing("p<a&b>ss")
    rich = "<p>HF_TOKEN=abc&amp;d</p><pre><code>x p&lt;a&amp;b&gt;ss &lt;y</code></pre>"
    assert masking.masked_html(rich) == "<p>HF_TOKEN=•••</p><pre><code>x ••• &lt;y</code></pre>"
    assert masking.masked_html("<b>a &amp; b</b>") == "<b>a &amp; b</b>"


@pytest.mark.parametrize("length", range(4, 15))
def test_an_answer_that_grows_does_not_show_the_beginning_of_a_secret(length):
    secret = "hunter2-hunter2"
    assert knowing(secret).so_far(f"it is {secret[:length]}") == "it is •••"
    assert knowing(secret).so_far(f"it is {secret[:length]}!") == f"it is {secret[:length]}!"


def test_a_masking_does_not_tell_what_it_knows():
    assert "hunter2" not in repr(knowing("hunter2-hunter2"))


@pytest.mark.parametrize("unit", ["a.", "eyJ-", "a://b", "_TOKEN", "--a-", "syt_", "A", "sk-a-"])
def test_no_text_takes_long(unit):
    """Quadratic work would take minutes here."""
    text = unit * (200_000 // len(unit))
    assert Masking().masked(text)
