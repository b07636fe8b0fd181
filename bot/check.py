"""`gantry check`: proves a configuration against the real homeserver, targets and backends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import click
from pydantic import SecretStr

from bot.check_backends import check_backends
from bot.clock import SystemClock
from bot.discretion import Discretion
from bot.matrix.api import MatrixApi
from bot.matrix.crypto.cross_signing import ensure_identity, reset_identity, trust
from bot.matrix.crypto.own_device import OwnDevice
from bot.matrix.crypto.recovery_key import RecoveryKey
from bot.matrix.login import log_in
from bot.parts import (
    credentials,
    key_store,
    learn_secrets,
    open_targets,
    recovery_key,
    state_folder,
    ways_to_models,
)
from bot.standby import visit
from deployers.protocol import Deployer, Tools
from domain.errors import Busy, ConfigError, OpsError, Refused, Unreachable
from inference.client import open_session
from inference.probe import Prober
from ops_config.load import load, secret
from ops_config.settings import Settings
from ops_config.values import rooms_asked


async def check(config: Path, *, new_recovery_key: bool = False) -> int:
    """Try everything, tell of each thing in a line, and return the exit code."""
    discretion = Discretion.of_environment()
    try:
        settings = load(config)
        learn_secrets(settings, discretion)
        kept = None if new_recovery_key else recovery_key(settings, discretion)
    except ConfigError as error:
        click.echo(discretion.masked(_told(error)))
        return 2
    recovery = RecoveryKey.generate() if new_recovery_key else kept
    click.echo(f"✓ {config} is valid")
    account = partial(_account, settings, recovery, discretion, new=new_recovery_key)
    results = [await _tell("state, login and device", account, discretion)]
    async with open_session() as http:
        clock = SystemClock()
        tools = Tools(Prober(http, clock), clock, state_folder(settings), secret)
        try:
            targets = open_targets(settings, tools)
        except ConfigError as error:
            click.echo(discretion.masked(_told(error)))
            return 2
        for name, deployer in targets.items():
            results.append(await _tell(f"target {name}", partial(_target, deployer), discretion))
            await deployer.aclose()
    tell = partial(_tell, discretion=discretion)
    results += await check_backends(ways_to_models(settings, discretion), tell)
    if not (settings.access.operator or settings.access.admin or settings.roles):
        click.echo("! access: nobody may change anything; list somebody as operator")
    return 0 if all(results) else 1


async def _tell(what: str, attempt: Callable[[], Awaitable[str]], discretion: Discretion) -> bool:
    try:
        click.echo(discretion.masked(f"✓ {what}: {await attempt()}"))
    except OpsError as error:
        click.echo(discretion.masked(_told(error, f"{what}: ")))
        return False
    return True


def _told(error: OpsError, what: str = "") -> str:
    return f"✗ {what}{error.summary}" + (f"\n  {error.hint}" if error.hint else "")


async def _account(
    settings: Settings, recovery: RecoveryKey | None, discretion: Discretion, *, new: bool
) -> str:
    matrix, given = settings.matrix, credentials(settings, discretion)
    try:
        store = await visit(settings, SystemClock())
    except Busy as error:
        if new:
            raise
        return f"{error.summary}, so it and its login work; stop it to have its device checked"
    keys = key_store(settings, discretion)
    api = MatrixApi(matrix.homeserver, matrix.user_id, keys, discretion)
    try:
        position = await log_in(api, store, given, SystemClock())
        told = (matrix.admin_room, settings.audit.mirror_room)
        named = (*settings.rooms, *told, *rooms_asked(settings))
        rooms = [await _room(api, name) for name in named if name]
        device = await _device(api, recovery, given.password, new=new)
    finally:
        await api.aclose()
        await store.aclose()
    return "; ".join([f"{matrix.user_id} as device {position.device_id}, {device}", *rooms])


async def _device(
    api: MatrixApi, recovery: RecoveryKey | None, password: SecretStr | None, *, new: bool
) -> str:
    """Have the account vouch for the device, and prove it as another client would."""
    await api.keyring.tend()
    device = OwnDevice.of(api.client)
    if recovery is not None and new:
        key = recovery.encode().get_secret_value()
        click.echo(
            f"! the new recovery key, shown this once:\n\n    {key}\n\n"
            "  Write it into the file that matrix.recovery_key_file names, and keep a copy."
        )
    if recovery is not None:
        vouch = reset_identity if new else ensure_identity
        await vouch(api.request, api.user_id, device, recovery, password)
    proof = await trust(api.request, api.user_id, device.device_id)
    if proof.proven:
        return f"which its account vouches for (master key {proof.master})"
    if recovery is not None:
        raise Refused(f"device {device.device_id} is not trusted: {proof.flaw}")
    return (
        "which nobody vouches for, so that clients that exclude insecure devices will neither "
        "command nor read the bot (--new-recovery-key mends that)"
    )


async def _room(api: MatrixApi, name: str) -> str:
    return f"{name} is {await api.room_id(name)}" if name.startswith("#") else name


async def _target(deployer: Deployer) -> str:
    facts = await deployer.inspect()
    if not facts.reachable:
        raise Unreachable(facts.note, hint=facts.advice)
    return facts.note or "usable"
