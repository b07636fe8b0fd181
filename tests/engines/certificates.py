"""Certificates for a test's TLS connections: an authority, what it signs, files on disk."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deployers.docker.ways.connection import Certificates

SERVER_NAMES = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
"""What an engine may be called by those who check its certificate."""


@dataclass(frozen=True)
class Authority:
    """Signs certificates, which are good for a day."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, name: str) -> Authority:
        """One that nobody believes yet."""
        key = _key()
        usage = _usage(digital_signature=True, key_cert_sign=True, crl_sign=True)
        draft = (
            _draft(name, name, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )
        return cls(key, draft.sign(key, hashes.SHA256()))

    def server(self, folder: Path) -> Certificates:
        """Who the engine is: 127.0.0.1 or localhost, and nobody else."""
        names = x509.SubjectAlternativeName(SERVER_NAMES)
        return self._write(folder, "engine", ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, folder: Path) -> Certificates:
        """Who may use the engine."""
        return self._write(folder, "gantry", ExtendedKeyUsageOID.CLIENT_AUTH)

    def _write(
        self,
        folder: Path,
        name: str,
        purpose: x509.ObjectIdentifier,
        names: x509.SubjectAlternativeName | None = None,
    ) -> Certificates:
        """Sign one, and write it under the names that the `docker` command line looks for."""
        key = _key()
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        draft = (
            _draft(name, _name_of(self.certificate), key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(issuer, critical=False)
        )
        if names:
            draft = draft.add_extension(names, critical=False)
        files = Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
        folder.mkdir(parents=True)
        files.ca.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        signed = draft.sign(self.key, hashes.SHA256())
        files.cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        files.key.touch(mode=0o600)
        files.key.write_bytes(_pem(key))
        return files


@dataclass(frozen=True)
class Tls:
    """Who may come in over TCP."""

    client: Certificates
    """The engine believes it, and it believes the engine."""
    stranger: Certificates
    """Of another authority: the engine does not believe it, nor it the engine."""
    server: Certificates

    @property
    def strangers_key(self) -> Certificates:
        """Believes the engine, and is not believed by it."""
        return replace(self.stranger, ca=self.client.ca)

    @classmethod
    def make(cls, folder: Path) -> Tls:
        """Make both authorities and all that they sign."""
        ours, theirs = Authority.make("engine's authority"), Authority.make("another authority")
        return cls(
            ours.client(folder / "client"),
            theirs.client(folder / "stranger"),
            ours.server(folder / "server"),
        )


def _draft(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _name_of(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _usage(**wanted: bool) -> x509.KeyUsage:
    """What a key may be used for: nothing but what is said."""
    everything = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{use: wanted.get(use, False) for use in everything})
