"""Why no key of the bot's is accepted, as far as its own files tell: nobody logs in for that."""

from __future__ import annotations

import os
from pathlib import Path

import paramiko

from deployers.docker.ways import ssh_sentences
from deployers.docker.ways.resolved import Resolved
from domain.errors import TargetError


def trouble(address: str, host: Resolved) -> TargetError | None:
    """A key that is locked, or none at all; None if there is nothing to be said."""
    there = [file for file in host.identities if is_key(file)]
    if locked := next((file for file in there if _is_locked(file)), None):
        return ssh_sentences.key_locked(address, str(locked))
    if there or not host.identities or (host.agent and os.environ.get("SSH_AUTH_SOCK")):
        return None
    first, *more = host.identities
    return ssh_sentences.key_missing(
        address, f"there is none in {first.parent}" if more else f"{first} is none"
    )


def is_key(file: Path) -> bool:
    """Whether it looks like one: paramiko stumbles over what does not."""
    try:
        return file.read_bytes()[:11] == b"-----BEGIN " and file.read_text() != ""
    except (OSError, ValueError):
        return False


def _is_locked(file: Path) -> bool:
    try:
        paramiko.PKey.from_path(file)
    except TypeError:  # so `cryptography` says it
        return True
    except (paramiko.SSHException, ValueError, OSError):
        return False
    return False
