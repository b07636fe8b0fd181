"""`gantry check`: proves a configuration against the real homeserver and every target."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import click

from bot.clock import SystemClock
from bot.house import open_targets
from bot.matrix.api import MatrixApi
from bot.matrix.login import log_in
from deployers.protocol import Deployer, Tools
from domain.errors import Busy, ConfigError, OpsError, Unreachable
from fleet.store.database import Store, sqlite_path
from inference.client import open_session
from inference.probe import Prober
from ops_config.load import load, secret
from ops_config.settings import Settings


async def check(config: Path) -> int:
    """Try everything, tell of each thing in a line, and return the exit code."""
    try:
        settings = load(config)
    except ConfigError as error:
        click.echo(f"✗ {error.summary}" + (f"\n  {error.hint}" if error.hint else ""))
        return 2
    click.echo(f"✓ {config} is valid")
    results = [await _tell("state and login", partial(_account, settings))]
    async with open_session() as http:
        clock = SystemClock()
        tools = Tools(Prober(http, clock), clock, sqlite_path(settings.state.url).parent)
        for name, deployer in open_targets(settings, tools).items():
            results.append(await _tell(f"target {name}", partial(_target, deployer)))
            await deployer.aclose()
    if not settings.access.operator and not settings.access.admin:
        click.echo("! access: nobody may change anything; list somebody as operator")
    return 0 if all(results) else 1


async def _tell(what: str, attempt: Callable[[], Awaitable[str]]) -> bool:
    try:
        click.echo(f"✓ {what}: {await attempt()}")
    except OpsError as error:
        click.echo(f"✗ {what}: {error.summary}" + (f"\n  {error.hint}" if error.hint else ""))
        return False
    return True


async def _account(settings: Settings) -> str:
    matrix = settings.matrix
    password = secret(matrix.password_file, matrix.password_env, "the bot's password")
    token = secret(matrix.access_token_file, matrix.access_token_env, "the bot's access token")
    try:
        store = await Store.open(sqlite_path(settings.state.url))
    except Busy as error:
        return f"{error.summary}, so it and its login work"
    api = MatrixApi(matrix.homeserver, matrix.user_id)
    try:
        position = await log_in(api, store, password, token)
        rooms = [await _room(api, name) for name in settings.rooms]
    finally:
        await api.aclose()
        await store.aclose()
    return "; ".join([f"{matrix.user_id} as device {position.device_id}", *rooms])


async def _room(api: MatrixApi, name: str) -> str:
    return f"{name} is {await api.room_id(name)}" if name.startswith("#") else name


async def _target(deployer: Deployer) -> str:
    facts = await deployer.inspect()
    if not facts.reachable:
        raise Unreachable(facts.note)
    return facts.note or "usable"
