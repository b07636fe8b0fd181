"""What the homeserver tells everybody about an account's keys, and what of it holds.

Specification: "Device keys", "Cross-signing". Judging is pure; `look_up` alone asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.matrix.crypto.asking import Request, ask
from bot.matrix.crypto.encoding import mapping
from bot.matrix.crypto.signatures import USAGES, Usage, is_signed, public_key


@dataclass(frozen=True, slots=True)
class Published:
    """An account's keys as the homeserver tells them. Nothing is proven yet."""

    user_id: str
    identity: Mapping[Usage, Mapping[str, Any]]
    """The cross-signing keys there are, as they came."""
    devices: Mapping[str, Mapping[str, Any]]

    def public(self, usage: Usage) -> str | None:
        """A cross-signing key, if there is one that makes sense."""
        return public_key(self.user_id, usage, self.identity.get(usage, {}))

    def device_key(self, device_id: str, algorithm: str = "ed25519") -> str | None:
        """A device's public key, if it has published one."""
        keys = mapping(self.devices.get(device_id, {}).get("keys"))
        key = keys.get(f"{algorithm}:{device_id}")
        return key if isinstance(key, str) else None


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether everybody can prove that a device is the account's own."""

    device_id: str
    master: str | None
    """The account's public master key: what people compare when they verify the bot."""
    flaw: str | None
    """What is missing for a proof; None when there is one."""

    @property
    def proven(self) -> bool:
        """Clients that exclude devices nobody vouches for will talk with this one."""
        return self.flaw is None


async def look_up(request: Request, user_id: str) -> Published:
    """Ask for an account's keys. Raises RateLimited, LoggedOut, Refused or Unreachable."""
    answer = await ask(request, "POST", "/keys/query", {"device_keys": {user_id: []}})
    return published(user_id, answer)


def published(user_id: str, answer: Mapping[str, Any]) -> Published:
    """What an answer to `/keys/query` says about one account."""
    found = {usage: mapping(answer.get(f"{usage}_keys")).get(user_id) for usage in USAGES}
    devices = mapping(mapping(answer.get("device_keys")).get(user_id))
    return Published(
        user_id,
        {usage: mapping(key) for usage, key in found.items() if key},
        {device_id: mapping(device) for device_id, device in devices.items()},
    )


def judge(keys: Published, device_id: str) -> Trust:
    """Follow the signatures: master key -> self-signing key -> device."""
    return Trust(device_id, keys.public("master"), _flaw(keys, device_id))


def _flaw(keys: Published, device_id: str) -> str | None:
    user_id, device = keys.user_id, keys.devices.get(device_id)
    if not keys.identity:
        return f"{user_id} has no cross-signing identity"
    master, signer = keys.public("master"), keys.public("self_signing")
    if master is None or signer is None:
        return f"the cross-signing identity of {user_id} is incomplete"
    if not is_signed(keys.identity["self_signing"], user_id, master, master):
        return f"the self-signing key of {user_id} is not signed by the master key"
    own = keys.device_key(device_id)
    if device is None or own is None:
        return f"{user_id} has no device {device_id} with keys of its own"
    if (device.get("user_id"), device.get("device_id")) != (user_id, device_id):
        return f"the keys shown for device {device_id} are those of another one"
    if not is_signed(device, user_id, device_id, own):
        return f"device {device_id} did not sign its own keys"
    if not is_signed(device, user_id, signer, signer):
        return f"device {device_id} is not signed by its owner {user_id}"
    return None
