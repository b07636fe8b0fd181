"""How our own `ssh` is told to go somewhere: command lines and an environment (pure).

OpenSSH's words and options are those of ssh(1) and ssh_config(5), version 8.4 or newer.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from domain.errors import ConfigError

SOCKET = "/var/run/docker.sock"
CONNECT_WITHIN = 8
"""Seconds for a TCP connection and the first words of the protocol; each hop has its own."""

_PASSED_ON = ("HOME", "PATH", "SSH_AUTH_SOCK", "USER", "LOGNAME")
# The last two count together: a peer that says nothing is given up after 9 s.
_MASTER = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    f"ConnectTimeout={CONNECT_WITHIN}",
    "ControlMaster=yes",
    "ControlPersist=no",
    "ClearAllForwardings=yes",  # those of the person's own configuration; ours are added later
    "ExitOnForwardFailure=yes",
    "StreamLocalBindUnlink=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "Tunnel=no",
    "LogLevel=INFO",
    "ServerAliveInterval=3",
    "ServerAliveCountMax=2",
)
# Speaks to the master's socket only. Without a master it would connect by itself, and ask no
# configuration how: the proxy that fails keeps it from that.
_THROUGH_MASTER = ("ssh", "-F", "none", "-o", "ProxyCommand=false", "-o", "BatchMode=yes")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an `ssh://` URL leads."""

    host: str
    """As ssh_config(5) may know it: an alias, a name or an address."""
    user: str | None = None
    port: int | None = None
    socket: str | None = None
    """The engine's, on that host, where the address names one."""
    config: Path | None = None
    """Read instead of the configuration of the user and the system."""

    @classmethod
    def parse(cls, url: str, config: Path | None = None) -> Destination:
        """Read `ssh://[USER@]HOST[:PORT][/PATH]`, the host's case kept.

        Raises ConfigError for anything else, a password included.
        """
        where, slash, path = url.removeprefix("ssh://").partition("/")
        user, _, place = where.rpartition("@")
        host, port = _host_and_port(place)
        if ":" in user:
            raise ConfigError(
                "a password has no place in an ssh:// address",
                hint="log in by a key; see docs/docker-hosts.md",
            )
        if not url.startswith("ssh://") or not host or host.startswith("-") or user[:1] == "-":
            raise _wrong(url)
        if port and not (port.isdecimal() and 0 < int(port) < 65536):
            raise _wrong(url)
        socket = slash + unquote(path) if path else None
        return cls(host, unquote(user) or None, int(port) if port else None, socket, config)

    @property
    def words(self) -> tuple[str, ...]:
        """What leads `ssh` there, the host last."""
        config = ("-F", str(self.config)) if self.config else ()
        user = ("-l", self.user) if self.user else ()
        port = ("-p", str(self.port)) if self.port else ()
        return (*config, *user, *port, "--", self.host)


def environment(ours: Mapping[str, str] | None = None) -> dict[str, str]:
    """What `ssh`, and whatever its configuration starts, sees of our environment.

    No LANG among it: Debian's ssh would send it on, and what ssh says is read in English.
    """
    ours = os.environ if ours is None else ours
    return {name: ours[name] for name in _PASSED_ON if name in ours}


def master(destination: Destination, control: Path) -> tuple[str, ...]:
    """One connection that others share, with nothing run on the far side."""
    options = (word for option in _MASTER for word in ("-o", option))
    return ("ssh", "-N", "-T", *options, "-S", str(control), *destination.words)


def forward(control: Path, rule: str) -> tuple[str, ...]:
    """Add a forwarding `LOCAL:REMOTE` to a master that runs."""
    return (*_THROUGH_MASTER, "-S", str(control), "-O", "forward", "-L", rule, "--", "master")


def session(control: Path, command: str) -> tuple[str, ...]:
    """Run a command on the far side over a master that runs."""
    return (*_THROUGH_MASTER, "-S", str(control), "-T", "-e", "none", "--", "master", command)


def resolve(destination: Destination) -> tuple[str, ...]:
    """Tell what the configuration says about it; connects to nothing."""
    return ("ssh", "-G", *destination.words)


def _host_and_port(place: str) -> tuple[str, str]:
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        return host if rest[:1] in ("", ":") else "", rest.removeprefix(":")
    host, _, port = place.partition(":")
    return host, port


def _wrong(url: str) -> ConfigError:
    return ConfigError(
        f"`{url}` is not ssh://USER@HOST[:PORT][/PATH]", hint="ssh://Aria@wks-bckx01"
    )
