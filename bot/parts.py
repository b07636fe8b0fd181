"""Parts of the house that are made from settings alone, for it and for `gantry check`."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import structlog
from pydantic import SecretStr

from bot.discretion import Discretion
from bot.matrix.crypto.keyring import KeyStore
from bot.matrix.crypto.recovery_key import RecoveryKey
from bot.matrix.login import Credentials
from bot.matrix.news import Invitation
from bot.private_file import write_private
from deployers import registry
from deployers.guard import guarded
from deployers.protocol import Deployer, Tools
from domain.access import Policy
from domain.errors import ConfigError
from domain.people import Person, Role
from fleet.store.database import sqlite_path
from inference.gateway.opening import Ways
from ops_config.gateway import BackendSettings
from ops_config.load import secret
from ops_config.settings import Settings
from ops_config.values import inviters, ways

log = structlog.get_logger()


def state_folder(settings: Settings) -> Path:
    """Where keys, records and logs go: beside the SQLite file, or where the settings say."""
    state = settings.state
    return sqlite_path(state.url).parent if state.folder is None else state.folder.absolute()


def key_store(settings: Settings, discretion: Discretion) -> KeyStore:
    """Where the device's encryption keys are kept: beside the state.

    Without a passphrase in the settings one is made and kept next to them, which protects no
    more than the file's permissions do. Raises ConfigError.
    """
    matrix = settings.matrix
    folder = state_folder(settings) / "keys"
    file = matrix.store_passphrase_file
    if file is None:
        file = folder / "passphrase"
        if not file.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(file, secrets.token_urlsafe(32))
    passphrase = secret(file, None, "the key store's passphrase")
    discretion.learn("passphrase", passphrase)
    return KeyStore(folder, passphrase or SecretStr(""))


def credentials(settings: Settings, discretion: Discretion) -> Credentials:
    """What to log in with. Raises ConfigError."""
    matrix = settings.matrix
    given = Credentials(
        secret(matrix.password_file, matrix.password_env, "the bot's password"),
        secret(matrix.access_token_file, matrix.access_token_env, "the bot's access token"),
        secret(matrix.refresh_token_file, None, "the bot's refresh token"),
    )
    discretion.learn("password", given.password)
    discretion.learn("access token", given.token)
    discretion.learn("refresh token", given.refresh)
    return given


def recovery_key(settings: Settings, discretion: Discretion) -> RecoveryKey | None:
    """The account's recovery key, if the settings name one. Raises ConfigError."""
    text = secret(settings.matrix.recovery_key_file, None, "the recovery key")
    if text is None:
        return None
    key = RecoveryKey.decode(text)
    grouped = key.encode()
    together = SecretStr("".join(grouped.get_secret_value().split()))
    discretion.learn("recovery key", text, grouped, together)
    return key


def learn_secrets(settings: Settings, discretion: Discretion) -> None:
    """Know what the settings name to log in and to open the key store with, before anything may
    tell it. Raises ConfigError."""
    credentials(settings, discretion)
    file = settings.matrix.store_passphrase_file
    discretion.learn("passphrase", secret(file, None, "the key store's passphrase"))
    learn_target_secrets(settings, discretion)
    ways_to_models(settings, discretion)


def learn_target_secrets(settings: Settings, discretion: Discretion) -> None:
    """Know what targets are given by reference. Raises ConfigError."""
    for target in settings.targets.values():
        for what, path, variable in getattr(target, "secrets", ()):
            discretion.learn(what, secret(path, variable, what))


def ways_to_models(settings: Settings, discretion: Discretion) -> Ways:
    """How requests for models are led, with the keys of backends. Raises ConfigError."""

    def read(backend: BackendSettings, name: str) -> SecretStr | None:
        what = f"the key of backend {name}"
        key = secret(backend.key_file, backend.key_env, what)
        discretion.learn(what, key)
        return key

    return ways(settings, read)


def open_targets(settings: Settings, tools: Tools) -> dict[str, Deployer]:
    """A guarded deployer for each target, connected to nothing yet. What is risky is said.

    Raises ConfigError, naming the target, for one that makes no sense.
    """
    opened: dict[str, Deployer] = {}
    for name, target in settings.targets.items():
        kind = target.model_dump()["kind"]
        try:
            deployer = registry.kind(kind).open(name, target, tools)
        except ConfigError as error:
            raise ConfigError(f"targets.{name}: {error.summary}", hint=error.hint) from error
        deadline = settings.monitoring.answer_within
        for caution in getattr(target, "cautions", ()):
            log.warning("caution", target=name, what=caution)
        opened[name] = guarded(name, kind, deployer, tools.clock, deadline)
    return opened


def may_invite(settings: Settings, rules: Policy) -> Callable[[Invitation], bool]:
    """Whose invitations are taken. By name alone: nothing else is known of who is in no room."""
    listed = inviters(settings)

    def may(invitation: Invitation) -> bool:
        if listed is not None:
            return listed.name(invitation.sender)
        return rules.role(Person(invitation.sender, invitation.room)) >= Role.OPERATOR

    return may
