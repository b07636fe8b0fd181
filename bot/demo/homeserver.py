"""A throw-away Matrix homeserver: a real Synapse on loopback, for the demo and the tests."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from bot.demo.children import Child, Children
from bot.demo.synapse_config import (
    RateLimits,
    Secrets,
    homeserver_config,
    log_config,
    signing_key,
)
from bot.private_file import write_private
from domain.errors import OpsError, Refused, Unreachable

Config = dict[str, Any]
"""What a homeserver is told."""

_PATIENCE = 90.0
"""Seconds the first start may take, schema creation on a slow disk included."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the homeserver, logged in."""

    user_id: str
    device_id: str
    access_token: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Site:
    """Where a homeserver lives."""

    folder: Path
    port: int
    kept: Secrets
    name: str


class Homeserver:
    """A running homeserver. Users, rooms, its port and its name are kept in its folder."""

    def __init__(self, site: _Site, child: Child) -> None:
        self.port = site.port
        self.name = site.name
        self.url = f"http://127.0.0.1:{site.port}"
        self._accounts = site.folder / "accounts.json"
        self._secret = site.kept.registration
        self._child = child

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        folder: Path,
        *,
        python: Path,
        rate_limits: RateLimits = "relaxed",
        children: Children | None = None,
        amend: Callable[[Config], Config] = lambda config: config,
    ) -> AsyncIterator[Homeserver]:
        """Run a homeserver on what `folder` holds, or on a new one, until the block ends.

        `python` is one that has Synapse; `amend` has the last word on its configuration. Raises
        OpsError, with the last lines of its log, when it does not answer, and when its port of
        last time is taken.
        """
        site = _prepare(folder, python, rate_limits, amend)
        config, log = site.folder / "homeserver.yaml", site.folder / "homeserver.log"
        argv = [str(python), "-m", "synapse.app.homeserver", "-c", str(config)]
        async with (children or Children()).running("homeserver", argv, log) as child:
            homeserver = cls(site, child)
            await homeserver._answers()
            yield homeserver

    async def wait(self) -> int:
        """Wait until it ends, which it should not do by itself."""
        return await self._child.wait()

    def last_lines(self) -> tuple[str, ...]:
        """The end of its log: warnings and worse."""
        return self._child.last_lines()

    async def register(
        self, name: str, *, admin: bool = False, new_device: bool = False
    ) -> Account:
        """A user of that name, made on the first call and logged in again on later ones.

        The password stays the same, and the device unless a new one is asked for; the access
        token is a new one.
        """
        known = _read_accounts(self._accounts)
        password = known[name].password if name in known else secrets.token_urlsafe(9)
        answer = await self._create(name, password, admin=admin)
        if answer is None:
            if name not in known:
                raise OpsError(f"{name} exists and their password is not in {self._accounts}")
            answer = await self._login(known[name], new_device=new_device)
        account = Account(answer["user_id"], answer["device_id"], answer["access_token"], password)
        _write_accounts(self._accounts, {**known, name: account})
        return account

    async def _answers(self) -> None:
        """Wait for the first answer to a health check."""
        ended = asyncio.create_task(self._child.wait(), name="homeserver ended")
        try:
            async with asyncio.timeout(_PATIENCE), aiohttp.ClientSession() as session:
                while not ended.done() and not await _healthy(session, self.url):
                    await asyncio.wait({ended}, timeout=0.1)
        except TimeoutError:
            raise Unreachable(self._said(f"did not answer within {_PATIENCE:.0f} s")) from None
        finally:
            ended.cancel()
        if self._child.exit_code is not None:
            raise Refused(self._said(f"ended with exit code {self._child.exit_code}"))

    def _said(self, what: str) -> str:
        return "\n  ".join([f"the homeserver {what}; its last words:", *self.last_lines()])

    async def _create(self, name: str, password: str, *, admin: bool) -> dict[str, Any] | None:
        """Through the API for whoever holds the shared secret. None when the name is taken."""
        url = f"{self.url}/_synapse/admin/v1/register"
        async with aiohttp.ClientSession() as session:
            async with session.get(url) as response:
                nonce = (await response.json())["nonce"]
            words = [nonce, name, password, "admin" if admin else "notadmin"]
            message = "\0".join(words).encode()
            mac = hmac.new(self._secret.encode(), message, hashlib.sha1).hexdigest()
            body = {"nonce": nonce, "username": name, "password": password, "mac": mac}
            async with session.post(url, json={**body, "admin": admin}) as response:
                answer: dict[str, Any] = await response.json()
        if answer.get("errcode") == "M_USER_IN_USE":
            return None
        return _accepted(answer, f"register {name}")

    async def _login(self, account: Account, *, new_device: bool) -> dict[str, Any]:
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": account.user_id},
            "password": account.password,
            **({} if new_device else {"device_id": account.device_id}),
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/_matrix/client/v3/login", json=body) as response,
        ):
            return _accepted(await response.json(), f"log {account.user_id} in")


async def _healthy(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/health", timeout=aiohttp.ClientTimeout(5)) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def _accepted(answer: dict[str, Any], what: str) -> dict[str, Any]:
    if "errcode" in answer:
        raise Refused(f"the homeserver would not {what}: {answer.get('error', answer['errcode'])}")
    return answer


def _prepare(
    folder: Path, python: Path, rate_limits: RateLimits, amend: Callable[[Config], Config]
) -> _Site:
    """Write its configuration anew, with the port and the secrets of last time if there was one."""
    if not python.exists():
        raise Refused(f"there is no {python} to run the homeserver with")
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    identity = folder / "identity.json"
    if identity.exists():
        port, kept = _read_identity(identity)
        if not _is_free(port):
            raise Refused(f"port {port}, part of the name of the homeserver in {folder}, is taken")
    else:
        port, kept = _free_port(), Secrets.fresh()
        write_private(folder / "signing.key", signing_key())
        write_private(identity, json.dumps({"port": port, "secrets": asdict(kept)}))
    config = amend(homeserver_config(folder, port, kept, rate_limits))
    write_private(folder / "homeserver.yaml", yaml.safe_dump(config))
    (folder / "log.yaml").write_text(yaml.safe_dump(log_config()))
    return _Site(folder, port, kept, config["server_name"])


def _read_identity(file: Path) -> tuple[int, Secrets]:
    try:
        identity = json.loads(file.read_text())
        return int(identity["port"]), Secrets(**identity["secrets"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OpsError(f"{file} cannot be read: {error}") from error


def _read_accounts(file: Path) -> dict[str, Account]:
    if not file.exists():
        return {}
    try:
        return {name: Account(**account) for name, account in json.loads(file.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise OpsError(f"{file} cannot be read: {error}") from error


def _write_accounts(file: Path, accounts: Mapping[str, Account]) -> None:
    write_private(file, json.dumps({name: asdict(a) for name, a in accounts.items()}, indent=1))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
