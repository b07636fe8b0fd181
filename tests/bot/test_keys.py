"""Keys that are made, listed and revoked from a room, and what they used."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from bot.accounting import Accounting
from domain.errors import NotAuthenticated, QuotaUsedUp, Refused
from domain.quotas import BILLION
from domain.tariffs import Rate, Tariff
from fleet.store.impatience import NotKept
from fleet.store.keys import Keys
from fleet.store.tables import metadata, operations
from tests.fleet.test_ledger import served

from .homeserver import ANN, ROOT

SECRET = re.compile(r"gantry-[A-Za-z0-9_-]{43}")
BOB = "@bob:example.org"


class Post:
    """A courier who keeps what was handed to whom."""

    def __init__(self):
        self.handed, self.error, self.arrived = [], None, asyncio.Event()
        self.arrived.set()

    async def hand(self, person, parcel, about, report):
        await self.arrived.wait()
        if self.error:
            raise self.error
        self.handed.append((person, parcel))

    @property
    def secret(self):
        return self.handed[-1][1].secret.get_secret_value()


@pytest.fixture
def post():
    return Post()


@pytest.fixture
def accounting(world):
    tariff = Tariff({"claude": Rate(Decimal(1), Decimal(2))}, "EUR")
    return Accounting.open(world.clock, tariff)


@pytest.fixture
async def office(desk, post, accounting):
    """The desk, with keys."""

    def equip():
        desk.deps = replace(desk.deps, keyring=accounting.keyring, courier=post)
        desk.worker._deps = desk.deps

    desk.equip = equip
    equip()
    return desk


async def kept(world):
    async with world.store.transaction() as tx:
        return await tx.keys.all()


async def create(desk, words="ci"):
    return await desk.says(f"!key create {words}", sender=ROOT)


def bearer(accounting, secret):
    return accounting.keyring.authenticate(f"Bearer {secret}")


# Making


async def test_a_new_key_opens_what_it_was_made_for_and_is_kept_by_its_digest_alone(
    office, post, accounting, world
):
    words = "@ann:example.org --models qwen,big-* --quota requests=2/day --expires 30d"
    told = await create(office, words)
    [(person, parcel)] = post.handed
    [key] = await kept(world)
    assert person == ROOT
    assert parcel.name == f"gantry-key-{key.id}.txt"
    assert f"for {ANN}" in parcel.text
    assert parcel.text.splitlines()[-1] == post.secret
    assert told.startswith(f"✓ API key {key.id} for {ANN} is made")
    assert "may ask qwen, big-* · requests=2/day · until 31 Jan 2026 00:00 UTC" in told
    assert (key.models, key.created_by) == (("qwen", "big-*"), ROOT)
    assert key.expires_at - key.created_at == timedelta(days=30)
    assert bearer(accounting, post.secret) == key
    accounting.keyring.admit(key, "qwen")


async def test_the_secret_is_in_no_room_no_record_and_nowhere_in_the_state(
    office, post, world, homeserver
):
    await create(office)
    secret = post.secret
    assert SECRET.fullmatch(secret)
    assert not SECRET.search(str(homeserver.events))
    assert not SECRET.search(str(homeserver.attempts))
    async with world.store.transaction() as tx:
        entries = await tx.audit.after(0, 100)
        tables = await tx.keys._connection.run_sync(everything)
    assert entries[-1].record.verb == "key"
    assert entries[-1].record.arguments == "create ci"
    assert entries[-1].record.notable
    assert not SECRET.search(str(entries))
    assert not SECRET.search(tables)


def everything(connection):
    """Every row of every table."""
    return str([connection.execute(table.select()).all() for table in metadata.sorted_tables])


async def test_where_the_secret_cannot_be_handed_over_no_key_is_made(
    office, post, world, accounting
):
    post.error = Refused("@root:example.org did not come", hint="Accept the bot's invitation")
    told = await create(office)
    assert told.startswith("✗ key create: @root:example.org did not come. No key was made")
    assert "Accept the bot's invitation" in told
    assert await kept(world) == []
    assert accounting.keyring.keys == ()


async def test_a_bot_that_is_killed_while_it_hands_over_begins_anew_with_another_secret(
    office, post, world, accounting
):
    post.arrived.clear()
    name = await office.hears("!key create ci", sender=ROOT)
    await asyncio.sleep(0)
    await office.crash()
    office.open()
    office.equip()
    post.arrived.set()
    await office.worker.resume()
    await office.ends(name)
    [key] = await kept(world)
    assert len(post.handed) == 1
    assert bearer(accounting, post.secret) == key


async def test_one_that_is_killed_after_it_kept_the_key_hands_over_nothing_more(
    office, post, world, homeserver
):
    homeserver.open.clear()
    name = await office.hears("!key create ci", sender=ROOT)
    async with asyncio.timeout(10):
        while not await kept(world):
            await asyncio.sleep(0.001)
    await office.crash()
    async with world.store.transaction() as tx:  # as if killed before its end was kept
        undone = operations.update().values(state="filed", ended_at=None)
        await tx.operations._connection.execute(undone)
    homeserver.open.set()
    office.open()
    office.equip()
    await office.worker.resume()
    await office.ends(name)
    assert len(await kept(world)) == len(post.handed) == 1
    assert f"✓ API key {(await kept(world))[0].id} for ci is made" in homeserver.shown()[-1]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("create", "`key create` needs an OWNER"),
        ("create Ann", "`Ann` can own no key"),
        ("create ci --quota tokens=many/day", "is no quota"),
        ("create ci --models ,", "is no name of a model"),
        ("create ci --quota money=5USD/month", "prices here are in EUR"),
        ("create ci --expires 0d", "is no time"),
        ("revoke", "`key revoke` needs an ID"),
        ("revoke k9", "there is no API key `k9`"),
        ("list --quota tokens=1m/day", "`key list` takes no options"),
        ("burn", "is not one of"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_what_is_right(office, post, world, words, why):
    assert why in await office.says(f"!key {words}", sender=ROOT)
    assert post.handed == []
    assert await kept(world) == []


async def test_where_nothing_has_a_price_a_quota_of_money_says_that_it_limits_nothing(
    desk, post, world
):
    desk.worker._deps = replace(desk.deps, courier=post)
    told = await create(desk, "ci --quota money=5USD/month")
    assert "nothing has a price here" in told


@pytest.mark.parametrize("words", ["create ci", "list", "revoke k3f9a2"])
async def test_keys_are_the_admins_business(office, post, words):
    assert "takes the role admin" in await office.says(f"!key {words}", sender=ANN)
    assert post.handed == []


# Listing and revoking


async def test_the_list_says_whose_what_how_much_and_until_when(office, post, accounting):
    assert "There are no API keys" in await office.says("!key list", sender=ROOT)
    await create(office, "ci --quota tokens=1k/day --quota money=5EUR/month")
    await create(office, "@ann:example.org --expires 1d")
    second, first = sorted(accounting.keyring.keys, key=lambda key: str(key.owner))
    accounting.served(served(100, key=first.id))
    told = await office.says("!key list", sender=ROOT)
    line = next(line for line in told.splitlines() if first.id in line)
    assert "101 of tokens=1000/day; 0.000102 of money=5EUR/month" in line
    assert "until it is revoked" in line
    assert "02 Jan 2026" in next(line for line in told.splitlines() if second.id in line)
    office.world.clock.passes(90_000)
    told = await office.says("!key list", sender=ROOT)
    assert "nothing: expired 02 Jan 2026" in told


async def test_a_revoked_key_opens_nothing_from_then_on_and_after_a_restart(
    office, post, world, accounting
):
    await create(office)
    [key] = accounting.keyring.keys
    told = await office.says(f"!key revoke {key.id}", sender=ROOT)
    assert told.startswith(f"✓ API key {key.id} of ci is revoked")
    with pytest.raises(NotAuthenticated, match="was revoked"):
        bearer(accounting, post.secret)
    await accounting.load(world.store)
    with pytest.raises(NotAuthenticated, match="was revoked"):
        bearer(accounting, post.secret)
    told = await office.says(f"!key revoke {key.id}", sender=ROOT)
    assert f"was revoked by {ROOT} on 01 Jan 2026" in told
    assert "nothing: revoked 01 Jan 2026" in await office.says("!key list", sender=ROOT)
    assert f"Did you mean `{key.id}`?" in await office.says(f"!key revoke {key.id}x", sender=ROOT)


async def test_revoking_counts_at_once_though_it_cannot_be_written_down(
    office, post, world, accounting, monkeypatch
):
    await create(office)
    [key] = accounting.keyring.keys

    async def broken(*_):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Keys, "revoke", broken)
        assert "a bug in the bot" in await office.says(f"!key revoke {key.id}", sender=ROOT)
    with pytest.raises(NotAuthenticated, match="was revoked"):
        bearer(accounting, post.secret)
    assert "✓" in await office.says(f"!key revoke {key.id}", sender=ROOT)
    assert [each.revoked_by for each in await kept(world)] == [ROOT]


# After a restart


async def test_what_was_used_is_still_used_after_a_restart(office, post, world, accounting):
    await create(office, "ci --quota requests=3/day")
    key = bearer(accounting, post.secret)
    for _ in range(3):
        accounting.keyring.admit(key, "chat")
        accounting.served(served(10, key=key.id, at=world.clock.now()))
    await accounting.ledger.aclose(world.store)
    again = Accounting.open(world.clock)
    await again.load(world.store)
    key = bearer(again, post.secret)
    with pytest.raises(QuotaUsedUp):
        again.keyring.admit(key, "chat")
    assert not again.ledger.unwritten


@pytest.mark.parametrize("takes", [True, False])
async def test_what_an_earlier_state_did_not_take_is_counted_when_keys_are_loaded(
    office, post, world, accounting, monkeypatch, takes
):
    await create(office, "ci --quota tokens=100/day")
    key = bearer(accounting, post.secret)
    accounting.ledger.note(served(100, key=key.id, at=world.clock.now()))
    with monkeypatch.context() as patch:
        if not takes:
            patch.setattr(world.store, "attempt", refusing)
        await accounting.load(world.store)
    assert bool(accounting.ledger.unwritten) is not takes
    with pytest.raises(QuotaUsedUp):
        accounting.keyring.admit(key, "chat")


def refusing():
    raise NotKept("database is locked")


# What was used


async def test_usage_adds_up_hours_by_key_model_and_backend(office, post, world, accounting):
    assert "Nothing was used since 31 Dec 00:00 UTC" in await office.says("!usage")
    await create(office)
    [key] = accounting.keyring.keys
    now = world.clock.now()
    for hours in (0, 1, 2, 23):
        accounting.served(served(1000, key=key.id, at=now - timedelta(hours=hours)))
    accounting.served(served(5, key=None, backend="qwen", model="qwen", estimated=True, at=now))
    accounting.served(served(7, key=key.id, at=now - timedelta(hours=30)))
    await accounting.ledger.write(world.store)
    told = await office.says("!usage", sender=BOB)
    assert told.splitlines()[0] == (
        "5 requests, 0 failed, about 4,005, 5 tokens in, out since 31 Dec 00:00 UTC: 0.004008 EUR"
    )
    [first, second] = [line for line in told.splitlines() if "claude" in line or "rooms" in line]
    assert all(word in first for word in (key.id, "ci", "chat", "claude", "4,000, 4"))
    assert all(word in second for word in ("in rooms", "qwen", "about 5, 1"))
    assert "5 requests" in await office.says("!usage --since 7d ci")
    assert "1 requests" in await office.says("!usage qwen")
    assert "Nothing was used of nobody" in await office.says("!usage nobody")
    assert str(BILLION) not in told
