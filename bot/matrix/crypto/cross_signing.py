"""The account's cross-signing identity: it vouches for the bot's own device.

Specification: "Cross-signing". The private keys live in secret storage under the recovery key,
and are there before the public ones are published: a crash in between loses nothing, and every
function here can simply be called again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import SecretStr

from bot.matrix.crypto.asking import Request, ask
from bot.matrix.crypto.encoding import canonical_json
from bot.matrix.crypto.identity_upload import upload_identity
from bot.matrix.crypto.own_device import OwnDevice, must_be_ours
from bot.matrix.crypto.published_keys import Published, Trust, judge, look_up
from bot.matrix.crypto.recovery_key import RecoveryKey
from bot.matrix.crypto.secret_storage import Vault, default_key
from bot.matrix.crypto.signatures import (
    USAGES,
    SigningKey,
    Usage,
    is_signed,
    key_object,
    sign,
    signed_part,
    with_signature,
)
from domain.errors import Refused

log = structlog.get_logger()

_ADVICE = (
    "give the recovery key that belongs to it, or make a new identity with "
    "`gantry check --new-recovery-key`; people who verified the bot must then verify it again"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """The three cross-signing keys of an account, private halves included."""

    user_id: str
    keys: Mapping[Usage, SigningKey]

    @property
    def master(self) -> str:
        """The public master key: what people compare when they verify the bot."""
        return self.keys["master"].public

    def is_published(self, there: Published) -> bool:
        """Whether it is this one that the homeserver shows, whole."""
        return all(there.public(usage) == key.public for usage, key in self.keys.items())


async def ensure_identity(
    request: Request,
    user_id: str,
    device: OwnDevice,
    recovery: RecoveryKey,
    password: SecretStr | None,
) -> Identity:
    """See that the account has an identity, that `recovery` opens it, and that it vouches for
    our device. The device must have published its keys.

    An identity that exists is never replaced. Raises Refused when the recovery key does not
    open it, and when the homeserver wants a proof that we cannot give; RateLimited, LoggedOut
    or Unreachable.
    """
    there = await look_up(request, user_id)
    must_be_ours(there, device)
    vault = await Vault.open(request, user_id, recovery)
    if there.identity:
        vault, identity = await _existing(there, vault)
    else:
        vault = await _first_vault(request, user_id, recovery, vault)
        identity = await _kept_or_new(user_id, vault)
    await _put_in_place(request, identity, there, device, password)
    await vault.make_default()
    return identity


async def reset_identity(
    request: Request,
    user_id: str,
    device: OwnDevice,
    recovery: RecoveryKey,
    password: SecretStr | None,
) -> Identity:
    """Replace the identity, whatever it is, by one under a new recovery key.

    Everybody who verified the bot has to do so again. Until the homeserver agrees, the old
    identity stands and the old recovery key still opens it. Done again with the same recovery
    key, it makes no third one. Raises as `ensure_identity` does.
    """
    there = await look_up(request, user_id)
    must_be_ours(there, device)
    vault = await Vault.open(request, user_id, recovery)
    vault = vault or await Vault.create(request, user_id, recovery)
    identity = await _kept_or_new(user_id, vault)
    await _put_in_place(request, identity, there, device, password)
    await vault.make_default()
    log.warning("cross-signing identity replaced", user=user_id, master=identity.master)
    return identity


async def trust(request: Request, user_id: str, device_id: str) -> Trust:
    """Prove, as any other client would, that a device is the account's own.

    Raises RateLimited, LoggedOut, Refused or Unreachable.
    """
    return judge(await look_up(request, user_id), device_id)


async def _existing(there: Published, vault: Vault | None) -> tuple[Vault, Identity]:
    """The identity that is published, if the vault holds its private keys."""
    if vault is None:
        raise _refused(
            f"{there.user_id} has a cross-signing identity that the recovery key does not open"
        )
    kept = await _kept(vault)
    known = {usage: there.public(usage) for usage in there.identity}
    if len(kept) < len(USAGES) or any(kept[usage].public != key for usage, key in known.items()):
        raise _refused(
            f"the recovery key opens the secret storage of {there.user_id}, "
            "but not the private keys of the cross-signing identity that is published"
        )
    return vault, Identity(there.user_id, kept)


async def _first_vault(
    request: Request, user_id: str, recovery: RecoveryKey, vault: Vault | None
) -> Vault:
    """A vault for an account without an identity, unless others keep their secrets there."""
    default = await default_key(request, user_id)
    if default is not None and (vault is None or vault.key_id != default):
        raise _refused(
            f"{user_id} has a secret storage that the recovery key does not open, "
            "and no cross-signing identity"
        )
    return vault or await Vault.create(request, user_id, recovery)


async def _kept_or_new(user_id: str, vault: Vault) -> Identity:
    """What an interrupted attempt kept, made whole; all of it is in the vault on return."""
    keys = await _kept(vault)
    for usage in USAGES:
        if usage not in keys:
            keys[usage] = SigningKey.generate()
            await vault.write(_secret(usage), keys[usage].to_secret())
    return Identity(user_id, keys)


async def _kept(vault: Vault) -> dict[Usage, SigningKey]:
    keys = {}
    for usage in USAGES:
        secret = await vault.read(_secret(usage))
        key = secret and SigningKey.from_secret(secret)
        if key:
            keys[usage] = key
    return keys


async def _put_in_place(
    request: Request,
    identity: Identity,
    there: Published,
    device: OwnDevice,
    password: SecretStr | None,
) -> None:
    """Publish what is not published, sign what is not signed."""
    if not identity.is_published(there):
        await upload_identity(request, identity.user_id, identity.keys, password)
        log.info("cross-signing identity published", user=identity.user_id, master=identity.master)
    missing = _missing_signatures(identity, there, device)
    if missing:
        body = {identity.user_id: missing}
        answer = await ask(request, "POST", "/keys/signatures/upload", body)
        if answer.get("failures"):
            raise Refused(f"the homeserver does not take our signatures: {answer['failures']}")
        log.info("device cross-signed", user=identity.user_id, device=device.device_id)


def _missing_signatures(
    identity: Identity, there: Published, device: OwnDevice
) -> dict[str, Mapping[str, Any]]:
    """Our device signed by the identity and the other way round, where that is not so yet."""
    user_id, signer = identity.user_id, identity.keys["self_signing"]
    missing: dict[str, Mapping[str, Any]] = {}
    shown = there.devices[device.device_id]
    if not is_signed(shown, user_id, signer.public, signer.public):
        missing[device.device_id] = sign(signed_part(shown), user_id, signer)
    master = key_object(user_id, "master", identity.master)
    if there.public("master") == identity.master:
        master = dict(there.identity["master"])
    if not is_signed(master, user_id, device.device_id, device.ed25519):
        bare = signed_part(master)
        signature = device.sign(canonical_json(bare).decode())
        missing[identity.master] = with_signature(bare, user_id, device.device_id, signature)
    return missing


def _secret(usage: Usage) -> str:
    return f"m.cross_signing.{usage}"


def _refused(how_things_stand: str) -> Refused:
    refused = Refused(how_things_stand, hint=_ADVICE)
    refused.standing = "Nothing was changed."
    return refused
