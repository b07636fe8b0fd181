"""What a throw-away homeserver is told: its configuration, as data (pure)."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

RateLimits = Literal["relaxed", "default"]

_RELAXED = {"per_second": 100_000, "burst_count": 100_000}
_LIMITS: dict[str, Any] = {
    "rc_message": _RELAXED,
    "rc_registration": _RELAXED,
    "rc_login": {"address": _RELAXED, "account": _RELAXED, "failed_attempts": _RELAXED},
    "rc_admin_redaction": _RELAXED,
    "rc_joins": {"local": _RELAXED, "remote": _RELAXED},
    "rc_joins_per_room": _RELAXED,
    "rc_invites": {"per_room": _RELAXED, "per_user": _RELAXED, "per_issuer": _RELAXED},
    "rc_media_create": _RELAXED,
    "rc_key_requests": _RELAXED,
    "rc_reports": _RELAXED,
    "rc_room_creation": _RELAXED,
}


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a homeserver may not lose: with other ones its users could not log in again."""

    registration: str
    macaroon: str
    form: str

    @classmethod
    def fresh(cls) -> Secrets:
        """Secrets nobody has seen."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))


def homeserver_config(
    folder: Path, port: int, kept: Secrets, rate_limits: RateLimits
) -> dict[str, Any]:
    """A homeserver for this machine alone: loopback, no federation, no telemetry, SQLite."""
    limits = _LIMITS if rate_limits == "relaxed" else {}
    return {
        "server_name": f"localhost:{port}",
        "public_baseurl": f"http://localhost:{port}/",
        "listeners": [
            {
                "port": port,
                "bind_addresses": ["127.0.0.1"],
                "type": "http",
                "tls": False,
                "x_forwarded": False,
                "resources": [{"names": ["client"], "compress": False}],
            }
        ],
        "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
        "media_store_path": str(folder / "media"),
        "signing_key_path": str(folder / "signing.key"),
        "log_config": str(folder / "log.yaml"),
        "registration_shared_secret": kept.registration,
        "macaroon_secret_key": kept.macaroon,
        "form_secret": kept.form,
        "report_stats": False,
        "enable_registration": False,
        "bcrypt_rounds": 4,
        "presence": {"enabled": False},
        "url_preview_enabled": False,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "federation_domain_whitelist": [],
        **limits,
    }


def log_config() -> dict[str, Any]:
    """Warnings and worse, on standard error, where whoever started the homeserver keeps them."""
    line = "%(asctime)s %(levelname)s %(name)s %(message)s"
    return {
        "version": 1,
        "formatters": {"plain": {"format": line}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "disable_existing_loggers": False,
    }


def signing_key() -> str:
    """A new Ed25519 key in the form Synapse reads."""
    seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    return f"ed25519 a_{secrets.token_hex(2)} {seed}\n"
