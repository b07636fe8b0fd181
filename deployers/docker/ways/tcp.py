"""An engine by TCP: with certificates on both sides, or in the clear where that was said."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from deployers.docker.ways import causes
from deployers.docker.ways.connection import Certificates, Way
from domain.errors import ConfigError, Refused, TargetError
from domain.replicas import Gpu

_PATIENCE = 3.0
"""Seconds an engine gets to say what it has against us."""

_PLAIN, _SECURED = 2375, 2376
_NAMES = ("ca.pem", "cert.pem", "key.pem")
"""What the `docker` command line looks for in DOCKER_CERT_PATH."""


class TcpConnection:
    """Nothing to keep open: each call is a connection of its own."""

    def __init__(
        self, url: str, certificates: Certificates | None, runtime: Path, listening: str = ""
    ) -> None:
        self.address = url
        self._host, self._port = _parts(url, _SECURED if certificates else _PLAIN)
        self._certificates, self._runtime = certificates, runtime
        self._listening = listening or self._host
        self._folder: Path | None = None

    async def open(self) -> Way:
        """The engine's address, once the certificates have been found fit.

        Raises Refused if they are not; whether anybody is there is not looked at.
        """
        url = f"tcp://{_bracketed(self._host)}:{self._port}"
        if self._certificates is None:
            return Way(url, environment={"DOCKER_HOST": url})
        check(self._certificates)
        environment = {
            "DOCKER_HOST": url,
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(self._as_the_command_line_wants(self._certificates)),
        }
        return Way(url, self._certificates, environment)

    async def reach(self, port: int) -> str:
        """The host that the engine is reached by, or the address that is published there."""
        return f"http://{_bracketed(self._listening)}:{port}"

    async def explain(self, error: Exception) -> TargetError:
        """Tells apart: what keeps one from a host, each side's doubts about the other's
        certificate, TLS on one side only, silence, a cut in the middle."""
        found = causes.under(error)
        for cause in found:
            if said := causes.tls(self.address, cause):
                return said
        for cause in found:
            if isinstance(cause, OSError) and (said := causes.not_there(self.address, cause)):
                return said
        if self._certificates and causes.cut(found) and (alert := await self._alert()):
            return causes.tls(self.address, alert) or causes.general(self.address, error)
        return causes.general(self.address, error)

    async def cards(self) -> tuple[Gpu, ...] | None:
        """Not to be asked for through an engine."""
        return None

    async def aclose(self) -> None:
        """Take away what was made for the command line."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    async def _alert(self) -> ssl.SSLError | None:
        """Why the engine ends TLS connections, asked by one that says nothing.

        An engine that does not believe a certificate sends an alert and hangs up (RFC 8446, 6.2);
        to somebody who is writing just then, all that is left of it is a reset.
        """
        assert self._certificates is not None
        context = ssl.create_default_context(cafile=str(self._certificates.ca))
        context.load_cert_chain(self._certificates.cert, self._certificates.key)
        try:
            async with asyncio.timeout(_PATIENCE):
                reader, writer = await asyncio.open_connection(self._host, self._port, ssl=context)
                try:
                    await reader.read(1)
                finally:
                    writer.transport.abort()
        except ssl.SSLError as error:
            return error
        except OSError:
            return None
        return None

    def _as_the_command_line_wants(self, certificates: Certificates) -> Path:
        """A folder that has the files by the names it knows."""
        files = (certificates.ca, certificates.cert, certificates.key)
        if all(file == files[0].parent / name for file, name in zip(files, _NAMES, strict=True)):
            return files[0].parent
        if self._folder is None or not self._folder.is_dir():
            self._runtime.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix="tls-", dir=self._runtime))
            for file, name in zip(files, _NAMES, strict=True):
                (self._folder / name).symlink_to(file.absolute())
        return self._folder


def check(certificates: Certificates) -> None:
    """Raises Refused, naming the file, if a connection cannot be made with these."""
    for name, file in (
        ("ca", certificates.ca),
        ("cert", certificates.cert),
        ("key", certificates.key),
    ):
        if not file.is_file():
            raise Refused(f"there is no {file}", hint=f"check `tls.{name}` in the configuration")
        if not os.access(file, os.R_OK):
            raise Refused(f"the bot may not read {file}", hint="give its user the file")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificates.ca)
    except ssl.SSLError as error:
        raise Refused(
            f"{certificates.ca} is no certificate", hint="`tls.ca` is a file in PEM format"
        ) from error
    _check_own(certificates)


def _check_own(certificates: Certificates) -> None:
    def no_password() -> str:
        raise Refused(
            f"{certificates.key} is locked by a passphrase, which nobody is there to type",
            hint="make a key without one, for the bot's user alone to read",
        )

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
            certificates.cert, certificates.key, no_password
        )
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise Refused(
                f"{certificates.key} is not the key of {certificates.cert}",
                hint="check `tls.cert` and `tls.key`",
            ) from error
        raise Refused(
            f"{certificates.cert} and {certificates.key} make no certificate and key",
            hint="both are files in PEM format",
        ) from error


def _parts(url: str, default: int) -> tuple[str, int]:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.username is not None:
        raise ConfigError(
            "a name or password has no place in a tcp:// address",
            hint="engines know people by certificates: `tls` with ca, cert and key",
        )
    if not host or parts.path not in ("", "/"):
        raise ConfigError(f"`{url}` is not tcp://HOST:PORT", hint="tcp://10.0.0.5:2376")
    return host, port or default


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
