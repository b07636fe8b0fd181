"""Who may ask, what, and how much of it is left."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import Account, Sums
from domain.errors import NotAuthenticated, NotPermitted, QuotaUsedUp
from domain.keys import Key, Owner, digest_of
from domain.quotas import BILLION, Per, read_quota
from domain.tariffs import Rate, Tariff
from domain.usage import Served
from inference.keyring import Keyring

BEGIN = datetime(2026, 1, 15, 12, 30, 10, tzinfo=UTC)
SECRET = "gantry-" + "Ab3" * 14 + "x"
TARIFF = Tariff({"claude": Rate(Decimal(1), Decimal(1))}, "EUR")


class Now:
    """A clock that is set."""

    def __init__(self):
        self.at = BEGIN

    def __call__(self):
        return self.at

    def passes(self, **more):
        self.at += timedelta(**more)


def key(*quotas, name="k3f9a2", secret=SECRET, **more):
    owner = Owner("app", "ci")
    read = tuple(map(read_quota, quotas))
    return Key(name, owner, digest_of(secret), BEGIN, "@root:x", quotas=read, **more)


def served(tokens=0, model="chat", backend="claude", of="k3f9a2", **more):
    given = {
        "at": BEGIN,
        "key": of,
        "owner": "ci",
        "model": model,
        "api": "chat",
        "backend": backend,
        "replica": "",
        "target": "",
        "streamed": True,
        "status": 200,
        "fault": None,
        "prompt_tokens": tokens,
        "completion_tokens": None,
        "estimated": False,
        "first_token": 0.1,
        "seconds": 1.0,
        "attempts": 1,
    }
    return Served(**{**given, **more})


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def ring(now):
    return Keyring(TARIFF, now)


def refused(ring, one, model="chat"):
    with pytest.raises(QuotaUsedUp) as caught:
        ring.admit(one, model)
    return caught.value


# Who asks


@pytest.mark.parametrize("header", [f"Bearer {SECRET}", f"bearer  {SECRET} ", f" BEARER {SECRET}"])
def test_who_has_the_secret_is_known_by_it(ring, header):
    one = key()
    ring.put(one)
    assert ring.authenticate(header) is one


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        SECRET,
        f"Basic {SECRET}",
        f"Bearer {SECRET}x",
        f"Bearer {SECRET[:-1]}",
        f"Bearer {SECRET.lower()}",
        f"Bearer {digest_of(SECRET)}",
        "Bearer " + "x" * 10**6,
        "Bearer \ud800\x00é",
    ],
)
def test_who_has_not_is_not(ring, header):
    ring.put(key())
    with pytest.raises(NotAuthenticated):
        ring.authenticate(header)


def test_no_error_repeats_what_was_given(ring):
    with pytest.raises(NotAuthenticated) as caught:
        ring.authenticate(f"Bearer {SECRET}")
    assert SECRET not in str(vars(caught.value))


def test_a_key_that_was_revoked_or_has_expired_opens_nothing_from_then_on(ring, now):
    ring.replace([key(expires_at=BEGIN + timedelta(hours=1)), key(name="k2", secret="other")])
    ring.authenticate(f"Bearer {SECRET}")
    now.passes(hours=1)
    with pytest.raises(NotAuthenticated, match="k3f9a2 has expired"):
        ring.authenticate(f"Bearer {SECRET}")
    ring.authenticate("Bearer other")
    ring.revoke("k2", "@root:x", now())
    with pytest.raises(NotAuthenticated, match="k2 was revoked"):
        ring.authenticate("Bearer other")
    assert [each.revoked_by for each in ring.keys] == ["@root:x", None]


def test_keys_that_are_not_among_the_new_ones_are_gone(ring):
    ring.put(key())
    ring.replace([key(name="k2", secret="other")])
    with pytest.raises(NotAuthenticated, match="there is no such"):
        ring.authenticate(f"Bearer {SECRET}")


# What may be asked


def test_only_what_a_key_is_for_may_be_asked(ring):
    one = key(models=("qwen", "big-*"))
    ring.put(one)
    ring.admit(one, "qwen")
    ring.admit(one, "big-one")
    with pytest.raises(NotPermitted, match="k3f9a2 may not ask `claude`"):
        ring.admit(one, "claude")


# How much


def test_so_many_requests_are_let_in_and_no_more_until_it_starts_anew(ring, now):
    one = key("requests=3/minute")
    ring.put(one)
    for _ in range(3):
        ring.admit(one, "chat")
    error = refused(ring, one)
    assert error.retry_after == 50
    assert error.summary == "the API key k3f9a2 has used up its 3 requests a minute"
    assert error.hint == "it starts anew at 12:31 UTC, in 50 s"
    now.passes(seconds=49)
    assert refused(ring, one).retry_after == 1
    now.passes(seconds=1)
    ring.admit(one, "chat")


def test_what_is_refused_uses_nothing_up(ring):
    one = key("requests=1/day@big", "requests=2/day")
    ring.put(one)
    ring.admit(one, "big")
    for _ in range(5):
        refused(ring, one, "big")
    assert [used for _, used in ring.used("k3f9a2")] == [1, 1]
    ring.admit(one, "small")


def test_tokens_count_when_a_request_ends_and_may_be_overrun_by_those_under_way(ring, now):
    one = key("tokens=100/day")
    ring.put(one)
    ring.admit(one, "chat")
    ring.admit(one, "chat")
    ring.spent(served(99))
    ring.admit(one, "chat")
    ring.spent(served(99, completion_tokens=50))
    assert ring.used("k3f9a2") == ((one.quotas[0], 248),)
    assert refused(ring, one).hint == "it starts anew at 16 Jan 00:00 UTC, in 41390 s"


def test_money_counts_by_who_answers_and_what_has_no_price_costs_nothing(ring):
    one = key("money=0.001EUR/month")
    ring.put(one)
    ring.spent(served(10**6, backend="qwen", model="qwen"))
    ring.admit(one, "qwen")
    ring.spent(served(999))
    ring.admit(one, "chat")
    ring.spent(served(1))
    assert ring.used("k3f9a2")[0][1] == BILLION // 1000
    assert "used up its 0.001 EUR a month" in refused(ring, one).summary


def test_a_quota_of_one_model_is_about_that_model_alone(ring):
    one = key("tokens=10/day@big-*")
    ring.put(one)
    ring.spent(served(50, model="small"))
    ring.admit(one, "big-one")
    ring.spent(served(50, model="big-one"))
    assert "a day for big-*" in refused(ring, one, "big-two").summary
    ring.admit(one, "small")


def test_of_several_that_are_used_up_the_one_is_told_that_holds_longest(ring):
    one = key("requests=1/minute", "requests=1/month", "requests=1/hour")
    ring.put(one)
    ring.admit(one, "chat")
    assert "requests a month" in refused(ring, one).summary


def test_a_clock_that_is_put_back_gives_nothing_back(ring, now):
    one = key("requests=1/minute")
    ring.put(one)
    ring.admit(one, "chat")
    now.passes(minutes=-10)
    assert refused(ring, one).retry_after == 650


def test_a_request_of_nobodys_or_of_a_key_that_is_gone_is_passed_over(ring):
    ring.put(key("tokens=10/day"))
    ring.spent(served(50, of=None))
    ring.spent(served(50, of="k9"))
    assert ring.used("k3f9a2")[0][1] == 0
    assert ring.used("k9") == ()


def test_revoking_leaves_what_was_used(ring, now):
    one = key("tokens=10/day")
    ring.put(one)
    ring.spent(served(7))
    ring.revoke(one.id, "@root:x", now())
    assert ring.used(one.id)[0][1] == 7


# After a restart


def test_windows_are_filled_with_what_was_used_before(ring, now):
    one = key(
        "requests=100/minute",
        "requests=100/hour",
        "tokens=1k/day",
        "money=1EUR/month",
        "tokens=1k/day@x",
    )
    hours = {
        BEGIN.replace(day=1, hour=0, minute=0, second=0): Sums(1, 0, 1, 0, 0, 1000),
        BEGIN.replace(hour=0, minute=0, second=0): Sums(2, 1, 20, 0, 0, 2000),
        BEGIN.replace(minute=0, second=0): Sums(4, 0, 300, 100, 0, 4000),
    }
    used = {Account(hour, one.id, "chat", "claude"): sums for hour, sums in hours.items()}
    used[Account(Per.MONTH.begin(BEGIN) - timedelta(hours=1), one.id, "chat", "claude")] = Sums(
        1000, 0, 10**6, 0, 0, 10**9
    )
    used[Account(BEGIN.replace(minute=0, second=0), "", "chat", "claude")] = Sums(1000, 0, 10**6)
    ring.replace([one], used)
    assert [amount for _, amount in ring.used(one.id)] == [0, 4, 420, 7000, 0]


# Whatever happens in whatever order

EVENTS = st.lists(
    st.tuples(st.just("admit"), st.sampled_from(["a", "b"]))
    | st.tuples(st.just("spend"), st.sampled_from(["a", "b"]), st.integers(0, 60))
    | st.tuples(st.just("pass"), st.integers(-30, 90)),
    max_size=60,
)


@given(EVENTS)
def test_however_requests_come_and_end_none_is_lost_and_nothing_is_less_than_nothing(events):
    """The windows say what a list of everything that happened says."""
    now = Now()
    ring = Keyring(TARIFF, now)
    one = key("requests=5/minute", "tokens=100/minute", "requests=2/minute@b", "money=1EUR/day")
    ring.put(one)
    window, admitted, tokens, of_b, money = Per.MINUTE.begin(BEGIN), 0, 0, 0, 0
    for event in events:
        if event[0] == "pass":
            now.passes(seconds=event[1])
            continue
        if Per.MINUTE.begin(now()) > window:
            window, admitted, tokens, of_b = Per.MINUTE.begin(now()), 0, 0, 0
        match event:
            case ("admit", model):
                fits = admitted < 5 and tokens < 100 and (model == "a" or of_b < 2)
                if fits:
                    ring.admit(one, model)
                    admitted, of_b = admitted + 1, of_b + (model == "b")
                else:
                    assert refused(ring, one, model).retry_after >= 1
            case ("spend", model, amount):
                ring.spent(served(amount, model=model))
                tokens, money = tokens + amount, money + amount * 1000
        assert [used for _, used in ring.used(one.id)] == [admitted, tokens, of_b, money]


def test_a_key_put_in_again_with_other_quotas_begins_with_empty_windows(ring):
    one = key("requests=1/day")
    ring.put(one)
    ring.admit(one, "chat")
    ring.put(replace(one, quotas=(read_quota("requests=2/day"),)))
    assert [used for _, used in ring.used(one.id)] == [0]
