"""API keys of the gateway: whose they are, what they may ask, how much, and until when."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import SecretStr

from domain.quotas import Quota, fits

BEGINS = "gantry-"
"""What every secret begins with, so that it is known for one wherever it turns up
(`domain.secrets`)."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: nothing that is read for something else."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a key is."""

    kind: Literal["user", "room", "app"]
    name: str
    """A Matrix id, a room's id or alias, or what an app is called."""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key. Not the secret: who has that proves it by the digest."""

    id: str
    """Short, and no secret: `k3f9a2`."""
    owner: Owner
    digest: str
    """SHA-256 of the secret, in hexadecimal. The secret has 256 bits of chance, so that neither
    salt nor a slow hash would add anything."""
    created_at: datetime
    created_by: str
    """A Matrix id."""
    models: tuple[str, ...] = ("*",)
    """Patterns of what may be asked; `*` stands for anything."""
    quotas: tuple[Quota, ...] = ()
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    def may_ask(self, model: str) -> bool:
        """Whether it lets a model, a backend or a route be asked."""
        return any(fits(pattern, model) for pattern in self.models)

    def has_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at


def fresh_secret() -> SecretStr:
    """`gantry-` and 32 random bytes in URL-safe base64 (RFC 4648, section 5): 43 letters."""
    return SecretStr(BEGINS + secrets.token_urlsafe(32))


def fresh_id() -> str:
    """`k` and five letters or digits. Whoever keeps it sees to it that there is no other."""
    return "k" + "".join(secrets.choice(_ALPHABET) for _ in range(5))


def digest_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def read_owner(text: str) -> Owner:
    """`@ann:example.org` is a user, `#ops:example.org` or `!id` a room, `app:ci` or `ci` an app.
    Raises ValueError for anything else."""
    if _USER.fullmatch(text):
        return Owner("user", text)
    if _ROOM.fullmatch(text):
        return Owner("room", text)
    name = text.removeprefix("app:")
    if _APP.fullmatch(name):
        return Owner("app", name)
    raise ValueError(
        f"`{text[:60]}` can own no key; write `@ann:example.org`, `#ops:example.org` or the name "
        "of an app such as `ci`"
    )


_USER = re.compile(r"@[^:\s]{1,200}:\S{1,200}")
_ROOM = re.compile(r"#[^:\s]{1,200}:\S{1,200}|!\S{1,250}")
_APP = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}", re.ASCII)
