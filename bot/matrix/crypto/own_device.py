"""The device we act as, by our own account of it and by the homeserver's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import nio

from bot.matrix.crypto.asking import Request
from bot.matrix.crypto.published_keys import Published, look_up
from bot.matrix.crypto.signatures import is_signed
from domain.errors import Refused


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """A device whose private keys are in our store."""

    device_id: str
    ed25519: str
    """Its public signing key, which never changes while the store lives."""
    sign: Callable[[str], str] = field(repr=False, compare=False)

    @classmethod
    def of(cls, client: nio.AsyncClient) -> OwnDevice:
        """The device of a client that has its store open."""
        account = client.olm.account
        return cls(str(client.device_id), account.identity_keys["ed25519"], account.sign)


async def store_is_lost(request: Request, user_id: str, device: OwnDevice) -> bool:
    """Whether the homeserver knows other keys for our device id than our store has.

    That cannot be mended: log in anew, as another device. Ask before the client publishes
    its keys, for afterwards nobody can tell: Synapse takes the new device keys, keeps the old
    one-time keys, and every message to the device is lost. Raises RateLimited, LoggedOut,
    Refused or Unreachable.
    """
    known = (await look_up(request, user_id)).device_key(device.device_id)
    return known not in (None, device.ed25519)


def must_be_ours(keys: Published, device: OwnDevice) -> None:
    """Raise Refused unless the homeserver shows our device with the keys that we have.

    Never vouch for a device on the homeserver's word alone.
    """
    known = keys.device_key(device.device_id)
    if known is None:
        raise Refused(
            f"device {device.device_id} has not published its keys yet",
            hint="start the bot once so that it does, then try again",
        )
    shown = keys.devices[device.device_id]
    if known != device.ed25519 or not is_signed(shown, keys.user_id, device.device_id, known):
        raise Refused(
            f"the homeserver shows keys for device {device.device_id} that are not ours: "
            "the store with the private ones was lost or replaced",
            hint="remove the kept login, so that the bot becomes a new device",
        )
