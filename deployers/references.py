"""Secrets a target needs, read when they are needed from where the settings say."""

from __future__ import annotations

import os
from pathlib import Path

from domain.errors import Refused


def secret(file: Path | None, variable: str | None, what: str) -> str:
    """What the file or the environment variable holds. Raises Refused, naming the place only."""
    place = str(file) if file else f"the environment variable {variable}"
    try:
        text = file.read_text().strip() if file else os.environ.get(variable or "", "").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise Refused(f"{what}: {file} cannot be read: {reason}") from error
    if not text:
        raise Refused(f"{what}: {place} is empty or missing", hint="put it there")
    return text
