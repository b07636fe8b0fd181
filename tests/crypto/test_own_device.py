"""A store that was lost while the device id was kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.demo.homeserver import Homeserver
from bot.matrix.crypto.cross_signing import ensure_identity
from bot.matrix.crypto.own_device import OwnDevice, store_is_lost
from bot.matrix.crypto.recovery_key import RecoveryKey
from domain.errors import Refused

from .party import arrived
from .talk import client_of

pytestmark = pytest.mark.room


async def test_a_lost_store_is_noticed_before_it_does_harm(homeserver: Homeserver, tmp_path: Path):
    async with arrived(homeserver, keys=False) as party:
        account, recovery = party.account, RecoveryKey.generate()
        who = (homeserver, account.user_id, account.device_id, account.access_token)

        async with client_of(*who, tmp_path / "kept", publish=False) as client:
            first = OwnDevice.of(client)
            assert not await store_is_lost(party.request, party.user_id, first), "nothing known"
        async with client_of(*who, tmp_path / "kept") as client:
            assert OwnDevice.of(client) == first
            assert not await store_is_lost(party.request, party.user_id, first)
            await ensure_identity(party.request, party.user_id, first, recovery, None)

        async with client_of(*who, tmp_path / "empty", publish=False) as client:
            now = OwnDevice.of(client)
            assert await store_is_lost(party.request, party.user_id, now)
            with pytest.raises(Refused, match="not ours") as caught:
                await ensure_identity(party.request, party.user_id, now, recovery, None)
            assert "new device" in caught.value.hint

        elsewhere = replace(now, device_id="NEVERSEEN")
        assert not await store_is_lost(party.request, party.user_id, elsewhere)


def test_a_device_does_not_show_what_it_signs_with():
    device = OwnDevice("BOT", "key", lambda text: text)
    assert "lambda" not in repr(device)
