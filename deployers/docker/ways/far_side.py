"""What a host behind SSH is asked, and what its answers mean (pure)."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from deployers import nvidia
from deployers.docker.ways.openssh import SOCKET
from deployers.docker.ways.unix import membership
from domain.errors import Refused, TargetError, Unreachable
from domain.replicas import Gpu

# Double quotes mean the same to sh, cmd.exe and PowerShell; braces and commas need them.
VERSION = 'docker version --format "{{.Server.Version}}"'
"""Asked where there is no shell of the Unix kind, as on Windows."""
CARDS = "nvidia-smi " + " ".join(f'"{word}"' for word in nvidia.ASK)
"""Asked where there is no shell of the Unix kind, as on Windows."""

# What it says is marked line by line, since a login may print words of its own. It is sent as one
# line: a login shell of the C kind takes no more between quotation marks.
_MARKED = r"""
m() { sed "s/^/gantry:$1=/"; };
uname -s | m system;
if command -v nvidia-smi >/dev/null 2>&1; then CARDS 2>/dev/null | m gpu; fi;
"""
_SCRIPT = r"""
s=SOCKET;
id -un | m user;
if [ -S "$s" ]; then
  if [ -r "$s" ] && [ -w "$s" ]; then echo open; else echo denied; fi;
else echo missing; fi | m socket;
{ stat -c %G "$s" || stat -f %Sg "$s"; } 2>/dev/null | m group;
if command -v docker >/dev/null 2>&1; then
  echo yes | m docker;
  docker HOST version --format "{{.Server.Version}}" 2>&1 | m answer;
fi
"""
_SAID = re.compile(r"^gantry:(\w+)=(.*?)\r?$", re.MULTILINE)
_VERSION = re.compile(r"^\s*v?(\d+\.\d+[\w.+~-]*)\s*$", re.MULTILINE)
_NO_COMMAND = ("not recognized", "not found", "CommandNotFoundException")
_WINDOWS = ("not recognized", "CommandNotFoundException", "/pipe/")
"""What only Windows' shells say, and the Docker command there."""
_FORWARDING = "sshd there has to forward sockets (AllowStreamLocalForwarding)"
"""What it says when it does not is what it says when nobody listens."""
_DENIED = ("permission denied", "access is denied")


@dataclass(frozen=True, slots=True)
class FarSide:
    """A host as its own shell tells of it."""

    windows: bool = False
    shell: bool = True
    """Whether it runs what it is asked to: False for an account that may only forward."""
    user: str = ""
    socket: str = ""
    """`open`, `denied` or `missing`; "" where it was not told."""
    group: str = ""
    """Whom the socket is open to."""
    docker: bool = False
    """Whether there is a `docker` command."""
    version: str = ""
    """Of the engine, if that command found one."""
    trouble: str = ""
    """Why it found none, in its words."""
    gpus: tuple[Gpu, ...] = ()


def question(socket: str | None) -> str:
    """What a host with a shell of the Unix kind is asked. It changes nothing there."""
    return _shell(_MARKED + _SCRIPT, socket)


def question_of_cards() -> str:
    """The part of `question` that changes from one moment to the next, and takes no `docker`."""
    return _shell(_MARKED)


def _shell(script: str, socket: str | None = None) -> str:
    line = " ".join(script.split())
    told = {"CARDS": CARDS, "SOCKET": shlex.quote(socket or SOCKET), "HOST ": _host(socket)}
    for word, meant in told.items():
        line = line.replace(word, meant)
    return f"sh -c {shlex.quote(line)}"


def dial(socket: str | None) -> str:
    """What carries one call to the engine on that host."""
    return f"docker {_host(socket)}system dial-stdio"


def read(text: str) -> FarSide | None:
    """The answers to `question`; None if there are none, as from a Windows host."""
    said: dict[str, list[str]] = {}
    for name, value in _SAID.findall(text):
        said.setdefault(name, []).append(value)
    if "system" not in said:
        return None
    one = {name: values[0] for name, values in said.items()}
    version, trouble = _engine("\n".join(said.get("answer", ())))
    return FarSide(
        windows=one["system"].startswith(("MINGW", "MSYS", "CYGWIN")),
        user=one.get("user", ""),
        socket=one.get("socket", ""),
        group=one.get("group", ""),
        docker="docker" in said,
        version=version,
        trouble=trouble,
        gpus=nvidia.read_gpus("\n".join(said.get("gpu", ()))),
    )


def read_otherwise(version: str, cards: str, user: str = "", *, windows: bool = False) -> FarSide:
    """The answers to VERSION and CARDS of a host without a shell of the Unix kind. It runs Windows
    where its sshd says so, or what it writes does."""
    found, trouble = _engine(version)
    missing = not found and any(sign in trouble for sign in _NO_COMMAND)
    windows = windows or any(sign in version for sign in _WINDOWS)
    return FarSide(
        windows=windows,
        shell=windows or bool(found),
        user=user,
        docker=not missing,
        version=found,
        trouble=trouble,
        gpus=nvidia.read_gpus(cards),
    )


def trouble(address: str, there: FarSide, socket: str | None) -> TargetError | None:
    """Why no engine is to be had on that host; None if one is, for those who run `docker` there."""
    if there.version:
        return None
    if there.windows:
        return _on_windows(address, there)
    path, user = socket or SOCKET, there.user or "the user"
    if not there.shell:
        return _without_shell(address, user, path, there.trouble)
    if there.socket == "denied" or any(sign in there.trouble.lower() for sign in _DENIED):
        return Refused(
            f"{address}: {user} may not use {path} there",
            hint=f"on that host, {membership(there.group or 'docker', user)}",
        )
    if there.socket == "missing" and not there.docker:
        return Refused(
            f"{address}: there is no Docker: neither {path} nor a `docker` command",
            hint="install Docker there; if it is installed, name its socket: "
            "ssh://USER@HOST/PATH/TO/docker.sock",
        )
    if there.socket == "open" and not there.docker:
        return Unreachable(
            f"{address}: nobody answers on {path} there by way of sshd",
            hint=f"on that host, `systemctl start docker`; if it runs, {_FORWARDING}",
        )
    return Unreachable(
        f"{address}: Docker is not running there"
        + (f": there is no {path}" if there.socket == "missing" else f": nobody answers on {path}"),
        hint="on that host, `systemctl start docker`",
    )


def _without_shell(address: str, user: str, path: str, words: str) -> TargetError:
    says = f" (`{words.splitlines()[0][:100]}`)" if words else ""
    return Unreachable(
        f"{address}: nobody answers on {path} there, and {user} has no shell to be asked why{says}",
        hint=f"on that host, see whether Docker runs and who may use its socket; {_FORWARDING}",
    )


def _on_windows(address: str, there: FarSide) -> TargetError:
    if not there.docker:
        return Refused(
            f"{address}: there is no `docker` command on that Windows host",
            hint="install Docker Desktop; sshd has to be restarted after that, to know its PATH",
        )
    if any(sign in there.trouble.lower() for sign in _DENIED):
        return Refused(
            f"{address}: {there.user or 'the user'} may not use Docker on that Windows host",
            hint="add that user to the group docker-users there",
        )
    return Unreachable(
        f"{address}: Docker is not running on that Windows host",
        hint="start Docker Desktop there; it runs only while somebody is logged in, unless it is "
        "set up as a service",
    )


def _engine(answer: str) -> tuple[str, str]:
    """The version of an engine, or why there is none."""
    found = _VERSION.search(answer)
    return (found[1], "") if found else ("", answer.strip())


def _host(socket: str | None) -> str:
    return f"-H {shlex.quote(f'unix://{socket}')} " if socket else ""
