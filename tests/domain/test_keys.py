"""Keys: whose, and what is kept of them."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import Account, Sums, account_of, sums_of
from domain.keys import Key, Owner, digest_of, fresh_id, fresh_secret, read_owner
from domain.quotas import BILLION
from domain.secrets import kind_of_secret
from domain.tariffs import MOST_TOKENS, Rate, Tariff
from domain.usage import Fault, Served

AT = datetime(2026, 1, 1, 12, 59, 59, tzinfo=UTC)
SERVED = Served(
    at=AT,
    key="k3f9a2",
    owner="ci",
    model="chat",
    api="chat",
    backend="claude",
    replica="",
    target="",
    streamed=False,
    status=200,
    fault=None,
    prompt_tokens=1000,
    completion_tokens=10,
    estimated=False,
    first_token=0.1,
    seconds=0.5,
    attempts=1,
)
TARIFF = Tariff({"claude": Rate(Decimal(3), Decimal(15)), "chat": Rate(Decimal(1), Decimal(1))})


def test_a_secret_is_known_for_one_wherever_it_turns_up():
    for _ in range(200):
        secret = fresh_secret().get_secret_value()
        assert re.fullmatch(r"gantry-[A-Za-z0-9_-]{43}", secret)
        assert kind_of_secret(f"try '{secret}', will you?") == "an API key of the gateway"


@pytest.mark.parametrize(
    "name",
    [
        "gantry-tiny-3a608e-0",
        "gantry-" + "a" * 43,
        "gantry-" + "0123456789abcdef" * 4,
        "gantry-key-k3f9a2.txt",
    ],
)
def test_what_else_begins_like_one_is_none(name):
    assert kind_of_secret(name) is None


def test_two_secrets_are_never_the_same_and_only_the_digest_tells_them():
    secrets = {fresh_secret().get_secret_value() for _ in range(100)}
    assert len(secrets) == 100
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest_of(each)) for each in secrets)
    assert all(re.fullmatch(r"k[0-9a-z]{5}", fresh_id()) for _ in range(100))
    digest_of("\ud800")  # whatever a client sends can be hashed


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("@ann:example.org", Owner("user", "@ann:example.org")),
        ("#ops:example.org", Owner("room", "#ops:example.org")),
        ("!abc:example.org", Owner("room", "!abc:example.org")),
        ("!opaque-Id_of_v12", Owner("room", "!opaque-Id_of_v12")),
        ("ci", Owner("app", "ci")),
        ("app:open-webui", Owner("app", "open-webui")),
    ],
)
def test_an_owner_is_told_by_how_it_is_written(text, owner):
    assert read_owner(text) == owner


@pytest.mark.parametrize(
    "text", ["", "@ann", "#ops", "!", "Ann", "a b", "app:", "-x", "a" * 41, "@"]
)
def test_nobody_else_owns_a_key(text):
    with pytest.raises(ValueError, match="can own no key"):
        read_owner(text)


def test_a_key_ends_with_the_second_it_expires_in():
    key = Key("k1", Owner("app", "ci"), "d", AT, "@root:x", expires_at=AT)
    assert key.has_expired(AT)
    assert not key.has_expired(AT - timedelta(microseconds=1))
    assert not replace(key, expires_at=None).has_expired(AT + timedelta(days=9999))


def test_a_key_asks_what_its_patterns_say():
    key = Key("k1", Owner("app", "ci"), "d", AT, "@root:x", models=("qwen", "big-*"))
    assert [m for m in ("qwen", "big-x", "chat", "qwen2") if key.may_ask(m)] == ["qwen", "big-x"]


def test_who_answers_sets_the_price_and_what_was_asked_for_where_that_has_none():
    assert TARIFF.cost(SERVED) == BILLION * (1000 * 3 + 10 * 15) // 10**6
    assert TARIFF.cost(replace(SERVED, backend="qwen")) == BILLION * 1010 // 10**6
    assert TARIFF.cost(replace(SERVED, backend="qwen", model="qwen")) == 0


@pytest.mark.parametrize(
    ("price", "tokens", "billionths"),
    [("0.15", 1, 150), ("0.0005", 1, 0), ("0.0005", 2, 1), ("0.0005", 3, 2), ("0.0006", 1, 1)],
)
def test_less_than_a_billionth_is_rounded_half_to_even(price, tokens, billionths):
    tariff = Tariff({"claude": Rate(Decimal(price), Decimal(0))})
    assert tariff.cost(replace(SERVED, prompt_tokens=tokens)) == billionths


@given(st.integers() | st.none(), st.integers() | st.none())
def test_whatever_a_backend_says_of_tokens_comes_to_a_sum_that_can_be_kept(prompt, completion):
    served = replace(SERVED, prompt_tokens=prompt, completion_tokens=completion, estimated=True)
    sums = sums_of(served, TARIFF)
    assert 0 <= sums.prompt_tokens <= MOST_TOKENS
    assert 0 <= sums.completion_tokens <= MOST_TOKENS
    assert sums.estimated_tokens == sums.tokens
    assert 0 <= sums.money < 2**53


def test_a_request_belongs_to_the_hour_in_which_it_ends():
    assert account_of(SERVED).hour == datetime(2026, 1, 1, 12, tzinfo=UTC)
    late = account_of(replace(SERVED, seconds=1.5))
    assert late == Account(datetime(2026, 1, 1, 13, tzinfo=UTC), "k3f9a2", "chat", "claude")
    assert account_of(replace(SERVED, key=None)).key == ""


def test_what_came_to_nothing_is_counted_as_failed_with_what_it_used():
    failed = sums_of(replace(SERVED, fault=Fault.CUT_OFF), Tariff())
    assert failed == Sums(1, 1, 1000, 10)
    assert failed + failed == Sums(2, 2, 2000, 20)
