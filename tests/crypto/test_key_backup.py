"""Room keys on a real homeserver, and what a new store gets back from there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import nio
import pytest
from pydantic import SecretStr

from bot.demo.homeserver import Account, Homeserver
from bot.matrix.crypto.asking import ask
from bot.matrix.crypto.backup_key import ALGORITHM, BackupKey
from bot.matrix.crypto.cross_signing import Identity, ensure_identity
from bot.matrix.crypto.key_backup import KeyBackup
from bot.matrix.crypto.own_device import OwnDevice
from bot.matrix.crypto.recovery_key import RecoveryKey
from bot.matrix.crypto.room_keys import RoomKey, import_into, sessions_of
from bot.matrix.crypto.secret_storage import Vault
from bot.matrix.crypto.signatures import is_signed
from domain.errors import Refused

from .party import CrashAfter, Crashed, Party, arrived, line_to, logged_in
from .talk import client_of, encrypted_room, pump, readable, say
from .test_backup_key import a_room_key

pytestmark = pytest.mark.room


@dataclass(frozen=True)
class Keeper:
    """A device whose account has an identity, and that may thus have a backup."""

    party: Party
    recovery: RecoveryKey
    identity: Identity

    async def backup(self) -> KeyBackup:
        return await KeyBackup.open(self.party.request, self.identity, self.recovery)


@pytest.fixture
async def keeper(homeserver: Homeserver) -> AsyncIterator[Keeper]:
    async with arrived(homeserver) as party:
        recovery = RecoveryKey.generate()
        identity = await ensure_identity(party.request, party.user_id, party.device, recovery, None)
        yield Keeper(party, recovery, identity)


def many(count: int) -> list[RoomKey]:
    return [a_room_key(room=f"!room{number % 3}:example.org") for number in range(count)]


def by_session(keys: list[RoomKey]) -> dict[str, RoomKey]:
    return {key.session_id: key for key in keys}


async def test_a_backup_is_made_once_and_vouched_for(keeper: Keeper):
    version = (await keeper.backup()).version
    assert (await keeper.backup()).version == version
    there = await ask(keeper.party.request, "GET", "/room_keys/version")
    master = keeper.identity.master
    assert is_signed(there["auth_data"], keeper.party.user_id, master, master)


async def test_a_crash_while_it_is_made_leaves_one(keeper: Keeper):
    for changes in range(9):
        crashing = CrashAfter(keeper.party.request, changes)
        try:
            made = await KeyBackup.open(crashing, keeper.identity, keeper.recovery)
            break
        except Crashed:
            pass
    assert changes > 0
    assert made.version == (await keeper.backup()).version == "1"


async def test_keys_come_back_as_they_went_and_go_only_once(keeper: Keeper):
    keys, backup = many(250), await keeper.backup()
    assert await backup.upload(keys[:249]) == 249
    assert await backup.upload(keys) == 1
    silent = CrashAfter(keeper.party.request, 0)
    later = await KeyBackup.open(silent, keeper.identity, keeper.recovery)
    assert await later.upload(keys) == 0, "the homeserver remembers, so nothing was sent"
    assert by_session(await later.restore()) == by_session(keys)


async def test_a_crash_between_batches_loses_nothing(keeper: Keeper):
    keys = many(250)
    await keeper.backup()
    crashing = CrashAfter(keeper.party.request, 2)
    with pytest.raises(Crashed):
        await (await KeyBackup.open(crashing, keeper.identity, keeper.recovery)).upload(keys)
    backup = await keeper.backup()
    assert await backup.upload(keys) == 50
    assert by_session(await backup.restore()) == by_session(keys)


async def test_after_another_client_replaced_the_backup_all_keys_go_to_a_readable_one(
    keeper: Keeper,
):
    keys, backup = many(4), await keeper.backup()
    await backup.upload(keys)
    foreign = {"algorithm": ALGORITHM, "auth_data": {"public_key": BackupKey.generate().public}}
    await ask(keeper.party.request, "POST", "/room_keys/version", foreign)

    assert await backup.upload([*keys, more := a_room_key()]) == 5

    assert backup.version == "3"
    assert by_session(await (await keeper.backup()).restore()) == by_session([*keys, more])


async def test_after_the_backup_was_deleted_there_is_a_new_one(keeper: Keeper):
    keys, backup = many(2), await keeper.backup()
    await backup.upload(keys)
    await ask(keeper.party.request, "DELETE", f"/room_keys/version/{backup.version}")
    assert await backup.upload([*keys, a_room_key()]) == 3
    assert len(await (await keeper.backup()).restore()) == 3


async def test_what_the_homeserver_slips_in_is_not_authentic(keeper: Keeper):
    backup, forged = await keeper.backup(), a_room_key()
    vault = await Vault.open(keeper.party.request, keeper.party.user_id, keeper.recovery)
    assert vault is not None
    key = BackupKey.from_secret(await vault.read("m.megolm_backup.v1") or SecretStr(""))
    assert key is not None
    sealed = key.seal(forged, keeper.party.user_id)
    del sealed["session_data"]["signatures"]
    rubbish = {**sealed, "session_data": {"ciphertext": "?", "mac": "", "ephemeral": "x"}}
    sessions = {forged.session_id: sealed, "rubbish": rubbish}
    path = f"/room_keys/keys?version={backup.version}"
    await ask(keeper.party.request, "PUT", path, {"rooms": {forged.room: {"sessions": sessions}}})
    assert await backup.restore() == [replace(forged, authentic=False)]


async def test_without_the_recovery_key_there_is_no_backup(keeper: Keeper):
    with pytest.raises(Refused, match="does not open"):
        await KeyBackup.open(keeper.party.request, keeper.identity, RecoveryKey.generate())


async def test_a_new_store_reads_what_the_lost_one_read(homeserver: Homeserver, tmp_path: Path):
    """Two clients talk in an encrypted room; the bot loses its store and logs in anew."""
    async with AsyncExitStack() as stack:

        async def enter(account: Account, device: str, token: str, store: str) -> nio.AsyncClient:
            return await stack.enter_async_context(
                client_of(homeserver, account.user_id, device, token, tmp_path / store)
            )

        ann, robot = [await homeserver.register(f"crypto{name}") for name in ("ann", "robot")]
        person = await enter(ann, ann.device_id, ann.access_token, "ann")
        bot = await enter(robot, robot.device_id, robot.access_token, "bot")
        request = await stack.enter_async_context(line_to(homeserver, robot.access_token))
        room = await encrypted_room(person, bot)
        await say(person, room, "deploy it")
        await pump(bot)
        await say(bot, room, "done")
        assert await readable(bot, room) == {"deploy it": False, "done": True}

        who, recovery = (request, robot.user_id), RecoveryKey.generate()
        identity = await ensure_identity(*who, OwnDevice.of(bot), recovery, None)
        backup = await KeyBackup.open(request, identity, recovery)
        assert await backup.upload(sessions_of(bot)) == 2

        device, token = await logged_in(request, robot)
        request = await stack.enter_async_context(line_to(homeserver, token))
        new = await enter(robot, device, token, "new")
        await pump(new)
        assert await readable(new, room) == {}

        who = (request, robot.user_id)
        identity = await ensure_identity(*who, OwnDevice.of(new), recovery, None)
        restored = await (await KeyBackup.open(request, identity, recovery)).restore()
        assert import_into(new, restored) == 2
        assert import_into(new, restored) == 0, "known already"
        assert await readable(new, room) == {"deploy it": False, "done": False}

        reopened = await enter(robot, device, token, "new")
        assert by_session(sessions_of(reopened)) == by_session(restored)


async def test_a_key_that_is_not_authentic_stays_so_in_the_store(
    homeserver: Homeserver, tmp_path: Path
):
    account = await homeserver.register("cryptodoubt")
    who = (homeserver, account.user_id, account.device_id, account.access_token, tmp_path)
    doubtful, sound, broken = a_room_key(authentic=False), a_room_key(), a_room_key()
    keys = [doubtful, sound, replace(broken, session_id=sound.session_id)]
    async with client_of(*who) as client:
        assert import_into(client, keys) == 2
    async with client_of(*who) as client:
        passed_on = replace(doubtful, forwarded_by=(doubtful.sender_key,))
        assert by_session(sessions_of(client)) == by_session([passed_on, sound])
