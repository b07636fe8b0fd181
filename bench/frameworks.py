"""The frameworks Gantry is measured beside: what to install, and how their ping bots start."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bot.demo.homeserver import Account
from bot.private_file import write_private

_BOTS = Path(__file__).parent / "peer_bots"
_PKG_RESOURCES = "setuptools==80.9.0"
"""The last ones with the `pkg_resources` that opsdroid imports and does not ask for."""


@dataclass(frozen=True, slots=True)
class Berth:
    """What a ping bot is given: an account, a room it is in already, a folder of its own."""

    folder: Path
    homeserver: str
    account: Account
    room: str
    sealed: bool
    """Whether the room is encrypted."""


@dataclass(frozen=True, slots=True)
class Framework:
    """One that others write bots with."""

    name: str
    plain: tuple[str, ...]
    """What to install, pinned, for rooms that are not encrypted."""
    sealed: tuple[str, ...]
    """And for those that are."""
    start: Callable[[Path, Berth], list[str]]
    """The command line, given a Python that has it installed. Writes what that refers to."""

    def requirements(self, *, sealed: bool) -> tuple[str, ...]:
        """What to install for such rooms."""
        return self.sealed if sealed else self.plain


def _simplematrixbotlib(python: Path, berth: Berth) -> list[str]:
    told = {
        "homeserver": berth.homeserver,
        "user_id": berth.account.user_id,
        "password": berth.account.password,
        "session": str(berth.folder / "session.txt"),
        "store": str(berth.folder / "store"),
        "sealed": berth.sealed,
    }
    login = berth.folder / "login.json"
    write_private(login, json.dumps(told))
    return [str(python), "-u", str(_BOTS / "simplematrixbotlib_ping.py"), str(login)]


def _maubot(python: Path, berth: Berth) -> list[str]:
    """In standalone mode. It encrypts where its login names a device."""
    told: dict[str, Any] = {
        "user": {
            "credentials": {
                "id": berth.account.user_id,
                "homeserver": berth.homeserver,
                "access_token": berth.account.access_token,
                "device_id": berth.account.device_id if berth.sealed else None,
            },
            "displayname": "disable",
            "avatar_url": "disable",
        },
        "database": f"sqlite:{berth.folder / 'bot.db'}",
    }
    config = berth.folder / "config.yaml"
    write_private(config, yaml.safe_dump(told))
    plugin = _BOTS / "maubot_ping" / "maubot.yaml"
    return [str(python), "-m", "maubot.standalone", "-c", str(config), "-m", str(plugin)]


def _opsdroid(python: Path, berth: Berth) -> list[str]:
    """Its modules and its data stay in its folder, and its web server on a free port."""
    told = {
        "welcome-message": False,
        "module-path": str(berth.folder / "modules"),
        "web": {"host": "127.0.0.1", "port": _free_port()},
        "connectors": {
            "matrix": {
                "mxid": berth.account.user_id,
                "password": berth.account.password,
                "homeserver": berth.homeserver,
                "rooms": {"main": berth.room},
                "store_path": str(berth.folder / "store"),
                "enable_encryption": berth.sealed,
            }
        },
        "skills": {"ping": {"path": str(_BOTS / "opsdroid_ping")}},
    }
    config = berth.folder / "configuration.yaml"
    write_private(config, yaml.safe_dump(told))
    homes = [f"{name}={berth.folder}" for name in ("XDG_DATA_HOME", "XDG_STATE_HOME")]
    return ["env", *homes, str(python), "-m", "opsdroid", "start", "-f", str(config)]


FRAMEWORKS = (
    Framework(
        "simplematrixbotlib",
        plain=("simplematrixbotlib==2.13.1", "matrix-nio==0.26.0"),
        sealed=("simplematrixbotlib==2.13.1", "matrix-nio[e2e]==0.26.0"),
        start=_simplematrixbotlib,
    ),
    Framework(
        "maubot",
        plain=("maubot==0.6.0",),
        sealed=("maubot[encryption]==0.6.0",),
        start=_maubot,
    ),
    Framework(
        "opsdroid",
        plain=("opsdroid[connector-matrix]==0.31.0", "matrix-nio==0.26.0", _PKG_RESOURCES),
        sealed=(
            "opsdroid[connector-matrix-e2e]==0.31.0",
            "matrix-nio[e2e]==0.26.0",
            _PKG_RESOURCES,
        ),
        start=_opsdroid,
    ),
)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
