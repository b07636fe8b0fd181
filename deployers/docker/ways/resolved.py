"""What OpenSSH's own configuration says about a host: the one source for whoever else connects."""

from __future__ import annotations

import shlex
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from deployers.docker.ways import openssh, ssh_sentences
from deployers.docker.ways.openssh import Destination

_WITHIN = 5.0


@dataclass(frozen=True, slots=True)
class Resolved:
    """One host, as `ssh -G` tells of it (ssh(1))."""

    host: str
    port: int
    user: str
    known_as: str
    """The name its key is filed under."""
    identities: tuple[Path, ...] = ()
    """Private keys that may be offered, whether they exist or not."""
    known_hosts: tuple[Path, ...] = ()
    agent: bool = True
    """Whether keys of an agent may be offered."""
    proxy: str = ""
    """A shell command that speaks to the host's port; "" where one connects by oneself."""

    @classmethod
    def parse(cls, text: str, destination: Destination) -> Resolved:
        """Read what `ssh -G` printed. Raises KeyError or ValueError if that is something else."""
        said: dict[str, list[str]] = defaultdict(list)
        for line in text.splitlines():
            name, _, value = line.strip().partition(" ")
            said[name].append(value)
        host, port, user = said["hostname"][0], int(said["port"][0]), said["user"][0]
        alias = _one(said, "hostkeyalias")
        return cls(
            host,
            port,
            user,
            alias or (host if port == 22 else f"[{host}]:{port}"),
            tuple(Path(file).expanduser() for file in said["identityfile"] if file != "none"),
            tuple(
                Path(file).expanduser()
                for name in ("userknownhostsfile", "globalknownhostsfile")
                for file in _one(said, name).split()
            ),
            _one(said, "identityagent") != "none",
            _proxy(said, destination, host, port, user),
        )


def resolve(address: str, destination: Destination) -> Resolved:
    """Ask `ssh -G`; it connects to nothing. Raises Refused if the configuration is unfit."""
    try:
        done = subprocess.run(  # noqa: S603
            openssh.resolve(destination),
            env=openssh.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_WITHIN,
            check=False,
        )
    except FileNotFoundError as error:
        raise ssh_sentences.ssh_missing() from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ssh_sentences.not_started(address, str(error)) from error
    last = (done.stderr.strip().splitlines() or [""])[-1]
    if done.returncode:
        raise ssh_sentences.config_wrong(address, last)
    try:
        return Resolved.parse(done.stdout, destination)
    except (KeyError, ValueError, IndexError) as error:
        raise ssh_sentences.config_wrong(address, last) from error


def _proxy(
    said: dict[str, list[str]], destination: Destination, host: str, port: int, user: str
) -> str:
    """What OpenSSH itself would run: ProxyJump is an `ssh -W` to it."""
    if jump := _one(said, "proxyjump"):
        *before, last = jump.split(",")
        words = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        words += ["-F", str(destination.config)] if destination.config else []
        words += ["-J", ",".join(before)] if before else []
        return shlex.join([*words, "-W", f"[{host}]:{port}", "--", _jump_target(last)])
    command = _one(said, "proxycommand")
    tokens = {"%%": "%", "%h": host, "%p": str(port), "%r": user, "%n": destination.host}
    return "".join(tokens.get(part, part) for part in _tokens(command))


def _tokens(command: str) -> list[str]:
    parts, rest = [], command
    while rest:
        size = 2 if rest[0] == "%" else 1
        parts.append(rest[:size])
        rest = rest[size:]
    return parts


def _jump_target(hop: str) -> str:
    """`[USER@]HOST[:PORT]` as a URL, which takes a port."""
    return hop if hop.startswith("ssh://") else f"ssh://{hop}"


def _one(said: dict[str, list[str]], name: str) -> str:
    value = (said.get(name) or [""])[0]
    return "" if value == "none" and name != "identityagent" else value
