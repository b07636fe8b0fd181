"""The bot's cross-signing identity, on a real homeserver."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from bot.demo.homeserver import Homeserver
from bot.matrix.crypto.cross_signing import Identity, ensure_identity, reset_identity, trust
from bot.matrix.crypto.recovery_key import RecoveryKey
from bot.matrix.crypto.secret_storage import Vault
from bot.matrix.crypto.signatures import USAGES, SigningKey, is_signed
from domain.errors import Refused

from .party import CrashAfter, Crashed, Party, another_device, arrived

pytestmark = pytest.mark.room


@pytest.fixture
async def party(homeserver: Homeserver) -> AsyncIterator[Party]:
    async with arrived(homeserver) as party:
        yield party


@pytest.fixture
def recovery() -> RecoveryKey:
    return RecoveryKey.generate()


async def ensured(party: Party, recovery: RecoveryKey) -> Identity:
    return await ensure_identity(party.request, party.user_id, party.device, recovery, None)


async def in_good_order(party: Party, recovery: RecoveryKey) -> bool:
    """The device is trusted, and the recovery key opens what is published and is the default."""
    found = await trust(party.request, party.user_id, party.device.device_id)
    vault = await Vault.open(party.request, party.user_id, recovery)
    keys, default = (
        await party.published(),
        await party.account_data("m.secret_storage.default_key"),
    )
    if vault is None or default is None:
        return False
    for usage in USAGES:
        secret = await vault.read(f"m.cross_signing.{usage}")
        key = secret and SigningKey.from_secret(secret)
        if not key or key.public != keys.public(usage):
            return False
    return found.proven and default["key"] == vault.key_id


async def test_a_fresh_account_gets_an_identity_that_vouches_for_the_device(
    party: Party, recovery: RecoveryKey
):
    before = await trust(party.request, party.user_id, party.device.device_id)
    assert "no cross-signing identity" in str(before.flaw)

    identity = await ensured(party, recovery)

    assert await in_good_order(party, recovery)
    keys = await party.published()
    assert keys.public("master") == identity.master
    device = party.device
    master = keys.identity["master"]
    assert is_signed(master, party.user_id, device.device_id, device.ed25519), "and vice versa"


async def test_doing_it_again_changes_nothing(party: Party, recovery: RecoveryKey):
    identity = await ensured(party, recovery)
    before = await party.everything()
    silent = CrashAfter(party.request, 0)
    again = await ensure_identity(silent, party.user_id, party.device, recovery, None)
    assert again == identity
    assert await party.everything() == before


async def test_a_new_device_signs_itself_with_the_recovery_key(
    homeserver: Homeserver, party: Party, recovery: RecoveryKey
):
    identity = await ensured(party, recovery)
    async with another_device(homeserver, party) as other:
        assert not (await trust(other.request, other.user_id, other.device.device_id)).proven
        assert await ensured(other, RecoveryKey.decode(recovery.encode())) == identity
        assert await in_good_order(other, recovery)
    assert await in_good_order(party, recovery)


async def test_with_the_wrong_recovery_key_nothing_is_changed(
    homeserver: Homeserver, party: Party, recovery: RecoveryKey
):
    await ensured(party, recovery)
    async with another_device(homeserver, party) as other:
        before = await other.everything()
        with pytest.raises(Refused, match="does not open") as caught:
            await ensured(other, RecoveryKey.generate())
        assert "--new-recovery-key" in caught.value.hint
        assert caught.value.standing == "Nothing was changed."
        assert await other.everything() == before


async def test_keys_that_do_not_fit_are_not_papered_over(party: Party, recovery: RecoveryKey):
    await ensured(party, recovery)
    vault = await Vault.open(party.request, party.user_id, recovery)
    assert vault is not None
    await vault.write("m.cross_signing.self_signing", SigningKey.generate().to_secret())
    before = await party.everything()
    with pytest.raises(Refused, match="not the private keys"):
        await ensured(party, recovery)
    assert await party.everything() == before


async def test_a_tampered_secret_is_no_secret(party: Party, recovery: RecoveryKey):
    await ensured(party, recovery)
    vault = await Vault.open(party.request, party.user_id, recovery)
    kept = await party.account_data("m.cross_signing.master")
    assert vault is not None
    assert kept is not None
    sealed = {**kept["encrypted"][vault.key_id], "mac": "A" * 43}
    await party.put_account_data("m.cross_signing.master", {"encrypted": {vault.key_id: sealed}})
    with pytest.raises(Refused, match="not the private keys"):
        await ensured(party, recovery)


async def test_secrets_that_others_keep_are_left_alone(party: Party, recovery: RecoveryKey):
    """A person set up secret storage with another client, under a key of theirs."""
    await Vault.create(party.request, party.user_id, theirs := RecoveryKey.generate())
    await party.put_account_data("m.secret_storage.default_key", {"key": theirs.storage_id()})
    before = await party.everything()
    with pytest.raises(Refused, match="does not open"):
        await ensured(party, recovery)
    assert await party.everything() == before

    identity = await ensured(party, theirs)
    assert identity.is_published(await party.published())


async def test_a_device_without_keys_is_told_so(homeserver: Homeserver, recovery: RecoveryKey):
    async with arrived(homeserver, keys=False) as party:
        with pytest.raises(Refused, match="has not published its keys"):
            await ensured(party, recovery)
        assert (await party.everything())[2:] == (None,) * 5


async def test_a_crash_at_any_moment_leaves_one_identity(homeserver: Homeserver):
    for changes in range(99):
        async with arrived(homeserver) as party:
            recovery = RecoveryKey.generate()
            crashing = CrashAfter(party.request, changes)
            try:
                await ensure_identity(crashing, party.user_id, party.device, recovery, None)
                break
            except Crashed:
                early = (await party.published()).public("master")
            identity = await ensured(party, recovery)
            assert early in (None, identity.master), f"replaced after {changes} changes"
            assert await in_good_order(party, recovery), changes
    assert changes > 5


async def test_a_reset_makes_a_new_identity_under_the_new_recovery_key(
    homeserver: Homeserver, party: Party, recovery: RecoveryKey
):
    old = await ensured(party, recovery)
    fresh = RecoveryKey.generate()
    async with another_device(homeserver, party) as other:
        who = (other.request, other.user_id, other.device)
        new = await reset_identity(*who, fresh, other.password)
        assert new.master != old.master
        assert await in_good_order(other, fresh)
        assert await reset_identity(*who, fresh, None) == new, "again is not anew"
    with pytest.raises(Refused, match="not the private keys"):
        await ensured(party, recovery)
    assert await ensured(party, fresh) == new
    assert await in_good_order(party, fresh)


@pytest.mark.parametrize(
    ("password", "why"), [(None, "wants the password"), ("wrong", "does not accept the password")]
)
async def test_a_reset_that_the_homeserver_refuses_loses_nothing(
    party: Party, recovery: RecoveryKey, password: str | None, why: str
):
    identity = await ensured(party, recovery)
    given, fresh = password and SecretStr(password), RecoveryKey.generate()
    with pytest.raises(Refused, match=why) as caught:
        await reset_identity(party.request, party.user_id, party.device, fresh, given or None)
    assert "still stands" in caught.value.standing
    assert await ensured(party, recovery) == identity
    assert await in_good_order(party, recovery)


async def test_a_crash_at_any_moment_of_a_reset_leaves_a_way_on(homeserver: Homeserver):
    for changes in range(99):
        async with arrived(homeserver) as party:
            recovery, fresh = RecoveryKey.generate(), RecoveryKey.generate()
            old = await ensured(party, recovery)
            who = (party.user_id, party.device, fresh, party.password)
            try:
                await reset_identity(CrashAfter(party.request, changes), *who)
                break
            except Crashed:
                early = (await party.published()).public("master")
            if early == old.master:
                assert await ensured(party, recovery) == old, "until then the old key opens"
                new = await reset_identity(party.request, *who)
            else:
                new = await ensured(party, fresh)
                assert new.master == early
            assert new.master != old.master
            assert await in_good_order(party, fresh), changes
    assert changes > 5
