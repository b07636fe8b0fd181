"""A look at a host before, beside or after the tunnel to it, by paramiko: what is wrong there?

It believes the same known_hosts and offers the same keys as OpenSSH would.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from deployers.docker.ways import far_side, keys, openssh, ssh_sentences
from deployers.docker.ways.far_side import FarSide
from deployers.docker.ways.openssh import Destination
from deployers.docker.ways.resolved import Resolved, resolve
from domain.errors import TargetError

_WITHIN = 12.0
_STEP = 5.0
"""Seconds for each of: connecting, the first words (otherwise 15), the login."""
_ANSWER_WITHIN = 6.0
_MOST = 64 << 10
_WINDOWS_SIGN = "for_Windows"
"""In the version that Microsoft's sshd tells of itself."""


class Preflight:
    """Looks at one host, once at a time, in a thread of its own."""

    def __init__(self, address: str, destination: Destination, within: float = _WITHIN) -> None:
        self._address, self._destination, self._within = address, destination, within
        self._one = asyncio.Lock()

    async def look(self) -> FarSide:
        """Log in and ask. Raises Unreachable or Refused where one does not get that far."""
        async with self._one:
            apart = ThreadPoolExecutor(1, thread_name_prefix="preflight")
            try:
                async with asyncio.timeout(self._within):
                    return await asyncio.get_running_loop().run_in_executor(
                        apart, look, self._address, self._destination
                    )
            except TimeoutError:
                raise ssh_sentences.silent(self._address) from None
            finally:
                apart.shutdown(wait=False)


def look(address: str, destination: Destination) -> FarSide:
    """The blocking whole of it; each step has a bound of its own."""
    host = resolve(address, destination)
    with _errors(address, host), _connected(host) as client:
        transport = client.get_transport()
        windows = transport is not None and _WINDOWS_SIGN in transport.remote_version
        if not windows:
            asked = far_side.read(_run(client, far_side.question(destination.socket)))
            if asked is not None:
                return asked
        version, cards = (_run(client, command) for command in (far_side.VERSION, far_side.CARDS))
        return far_side.read_otherwise(version, cards, host.user, windows=windows)


@contextmanager
def _connected(host: Resolved) -> Iterator[paramiko.SSHClient]:
    client = paramiko.SSHClient()
    client.set_log_channel("deployers.docker.paramiko")
    _believe(client, host)
    ours = [str(file) for file in host.identities if keys.is_key(file)]
    with _wire(host) as wire, client:
        client.connect(
            host.known_as,
            port=22,  # its name has the port already
            username=host.user,
            key_filename=ours,  # type: ignore[arg-type]  # it takes several, whatever its stubs say
            sock=wire,
            allow_agent=host.agent,
            look_for_keys=False,
            timeout=2 * _STEP,  # for the whole of what comes before the login
            banner_timeout=_STEP,
            auth_timeout=_STEP,
        )
        yield client


def _believe(client: paramiko.SSHClient, host: Resolved) -> None:
    """Read what OpenSSH reads. As it does, take a key filed without a port for one with it, and
    believe none that is revoked anywhere."""
    known, lines = client.get_host_keys(), list(_lines(host.known_hosts))
    revoked = {e.key.asbytes() for line in lines if (e := _entry(line, "@revoked")) and e.key}
    for entry in filter(None, map(_entry, lines)):
        if entry.key is not None and entry.key.asbytes() not in revoked:
            for name in entry.hostnames or ():
                known.add(name, entry.key.get_name(), entry.key)
    bare = known.lookup(host.host)
    if known.lookup(host.known_as) is None and bare is not None:
        for kind in bare:
            known.add(host.known_as, kind, bare[kind])
    client.set_missing_host_key_policy(_Strict(revoked))


def _lines(files: tuple[Path, ...]) -> Iterator[str]:
    for file in files:
        with suppress(OSError):  # most of them are not there
            yield from file.read_text(errors="replace").splitlines()


def _entry(line: str, marker: str = "") -> HostKeyEntry | None:
    """One that has that marker. Passes over what it cannot read, certificates among it."""
    found, _, rest = line.partition(" ") if line.startswith("@") else ("", "", line)
    if found != marker:
        return None
    try:
        return HostKeyEntry.from_line(rest)
    except (paramiko.SSHException, InvalidHostKey, ValueError):
        return None


@contextmanager
def _wire(host: Resolved) -> Iterator[socket.socket]:
    """A connection to the host's port, or to the proxy that OpenSSH would start."""
    if not host.proxy:
        with socket.create_connection((host.host, host.port), timeout=_STEP) as wire:
            yield wire
        return
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            proxy = subprocess.Popen(  # noqa: S603
                ("/bin/sh", "-c", f"exec {host.proxy}"),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                env=openssh.environment(),
            )
        try:
            yield ours
        finally:
            proxy.kill()
            proxy.wait()


def _run(client: paramiko.SSHClient, command: str) -> str:
    """What it wrote, to either place, as far as it got in time."""
    _, stdout, _ = client.exec_command(command, timeout=_ANSWER_WITHIN)
    stdout.channel.set_combine_stderr(True)
    said = b""
    with suppress(TimeoutError):
        while (piece := stdout.channel.recv(4096)) and len(said) < _MOST:
            said += piece
    return said.decode("utf-8", "replace")


class _Unknown(Exception):
    """A host showed a key that is in none of the files."""

    def __init__(self, key: paramiko.PKey) -> None:
        super().__init__(key.fingerprint)
        self.shown = key.fingerprint


class _Revoked(_Unknown):
    """It is in one, as a key not to be believed."""


class _Strict(paramiko.MissingHostKeyPolicy):
    def __init__(self, revoked: set[bytes]) -> None:
        self._revoked = revoked

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        raise (_Revoked if key.asbytes() in self._revoked else _Unknown)(key)


@contextmanager
def _errors(address: str, host: Resolved) -> Iterator[None]:
    """Say what paramiko and sockets raise in words a person can act on."""
    try:
        yield
    except TargetError:
        raise
    except _Revoked as error:
        raise ssh_sentences.host_revoked(address, error.shown) from error
    except _Unknown as error:
        files = str(host.known_hosts[0]) if host.known_hosts else ""
        raise ssh_sentences.host_unknown(address, error.shown, files) from error
    except paramiko.BadHostKeyException as error:
        raise ssh_sentences.host_changed(address, error.key.fingerprint) from error
    except paramiko.PasswordRequiredException as error:
        raise ssh_sentences.key_locked(address, _locked(host)) from error
    except paramiko.AuthenticationException as error:
        raise ssh_sentences.key_refused(address, host.user) from error
    except (paramiko.SSHException, EOFError, ValueError) as error:  # ValueError: from odd keys
        raise _protocol(address, host, error) from error
    except OSError as error:
        raise _network(address, error) from error


def _protocol(address: str, host: Resolved, error: Exception) -> TargetError:
    words = str(error)
    if isinstance(error, paramiko.ChannelException):
        return ssh_sentences.no_session(address)
    if "No authentication methods" in words or "not a valid" in words:
        return ssh_sentences.key_refused(address, host.user)
    if "No existing session" in words:  # it came as far as the first words, and no further
        return ssh_sentences.silent(address)
    if "protocol banner" in words or isinstance(error, EOFError):
        slow = isinstance(error.__cause__ or error.__context__, TimeoutError) or host.proxy
        return ssh_sentences.silent(address) if slow else ssh_sentences.not_ssh(address)
    return ssh_sentences.ended(address, words)


def _network(address: str, error: OSError) -> TargetError:
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return ssh_sentences.names_unanswered(address)
        return ssh_sentences.name_unknown(address)
    if isinstance(error, TimeoutError):
        return ssh_sentences.silent(address)
    if isinstance(error, ConnectionRefusedError):
        return ssh_sentences.port_closed(address)
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN):
        return ssh_sentences.no_way(address)
    if isinstance(error, ConnectionError):
        return ssh_sentences.not_ssh(address)
    return ssh_sentences.ended(address, os.strerror(error.errno) if error.errno else str(error))


def _locked(host: Resolved) -> str:
    """The first key that is there; which of them it was paramiko does not say."""
    return next((str(file) for file in host.identities if keys.is_key(file)), "of the bot")
