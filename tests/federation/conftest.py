"""Two real homeservers on loopback that federate over TLS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bot.demo.homeserver import Config, Homeserver

_CERTIFICATE = """
import datetime, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
now = datetime.datetime.now(datetime.timezone.utc)
day = datetime.timedelta(days=1)
made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
made = made.serial_number(x509.random_serial_number()).not_valid_before(now - day)
made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
made = made.not_valid_after(now + day).sign(key, hashes.SHA256())
with open(sys.argv[1], "wb") as file:
    file.write(made.public_bytes(serialization.Encoding.PEM))
with open(sys.argv[2], "wb") as file:
    file.write(key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ))
"""
"""For a Python that has Synapse, and with it what makes certificates."""


_RETRIES = {
    "destination_min_retry_interval": "1s",
    "destination_max_retry_interval": "2s",
    "destination_retry_multiplier": 1,
}
"""Else one request that a busy machine was late with has Synapse ask nothing of that homeserver
for ten minutes; see `federation` in its configuration manual."""


@dataclass(frozen=True)
class Federation:
    """Two homeservers that know each other by nothing but federation."""

    people: Homeserver
    """Where the people and their rooms are."""
    bots: Homeserver
    """Where the bot is."""
    session: aiohttp.ClientSession


@pytest.fixture(scope="module")
async def federation(
    synapse_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Federation]:
    """Both, started once for the module, side by side."""
    folder = tmp_path_factory.mktemp("federation")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    words = [str(synapse_python), "-c", _CERTIFICATE, str(certificate), str(key)]
    assert await (await asyncio.create_subprocess_exec(*words)).wait() == 0
    async with AsyncExitStack() as stack:
        starting = [
            stack.enter_async_context(
                Homeserver.start(
                    folder / name, python=synapse_python, amend=federating(certificate, key)
                )
            )
            for name in ("people", "bots")
        ]
        people, bots = await asyncio.gather(*starting)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Federation(people, bots, session)


def federating(certificate: Path, key: Path) -> Callable[[Config], Config]:
    """Has a homeserver listen for others, under the name that leads them there."""
    port = _free_port()

    def amend(config: Config) -> Config:
        [clients] = config["listeners"]
        resources = [{"names": ["federation"], "compress": False}]
        others = {**clients, "port": port, "tls": True, "resources": resources}
        kept = {k: v for k, v in config.items() if k != "federation_domain_whitelist"}
        return {
            **kept,
            "server_name": f"localhost:{port}",
            "listeners": [clients, others],
            "tls_certificate_path": str(certificate),
            "tls_private_key_path": str(key),
            "federation_verify_certificates": False,
            "ip_range_blacklist": [],
            "federation": _RETRIES,
        }

    return amend


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
