"""Reads the configuration file, whole, before anything starts."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr, ValidationError

from domain.errors import ConfigError
from ops_config.explain import explain
from ops_config.settings import Settings

_LISTED = 6

CREDENTIAL = "credential:"
"""Before the name of a systemd credential, where a file is asked for."""


def load(path: Path) -> Settings:
    """Read and check the file. Raises ConfigError that lists what is wrong, by path."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}",
            hint="`gantry sample-config` writes one to start from",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {_where(error)}") from None  # it quotes the file
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} holds no settings", hint="`gantry sample-config` writes some")
    return parse(raw, str(path))


def parse(raw: dict[str, Any], where: str = "the configuration") -> Settings:
    """Check settings that are already read. Raises ConfigError that lists what is wrong."""
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        wrong = explain(error, Settings)
        more = [f"... and {len(wrong) - _LISTED} more"] if len(wrong) > _LISTED else []
        lines = "\n".join(f"  {line}" for line in [*wrong[:_LISTED], *more])
        raise ConfigError(f"{where} cannot be used; nothing was started:\n{lines}") from error


def secret(file: Path | None, variable: str | None, what: str) -> SecretStr | None:
    """Read a secret from where the settings say it is: a file, a systemd credential
    (`credential:NAME`) or an environment variable. None when they name no place.

    Raises ConfigError when that place is missing, unreadable or empty.
    """
    if file is not None:
        file = _found(file)
        try:
            text = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise ConfigError(f"{what}: {file} cannot be read: {reason}") from error
        place = str(file)
    elif variable is not None:
        text = os.environ.get(variable, "").strip()
        place = f"the environment variable {variable}"
    else:
        return None
    if not text:
        raise ConfigError(f"{what}: {place} is empty or missing")
    return SecretStr(text)


def _found(file: Path) -> Path:
    """The file itself, or the systemd credential that `credential:NAME` stands for (systemd.exec,
    "Credentials"). Raises ConfigError."""
    if not str(file).startswith(CREDENTIAL):
        return file
    name = str(file).removeprefix(CREDENTIAL)
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not name or "/" in name or name in (".", ".."):
        raise ConfigError(f"`{file}` names no credential", hint="write credential:NAME")
    if folder is None:
        raise ConfigError(
            f"there is no credential `{name}`: systemd gave this process none",
            hint=f"put LoadCredential={name}:/path/to/it into the unit, or name a file",
        )
    return Path(folder, name)


def _where(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """What is wrong and where, without a word of the file: a secret may stand there."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return "it is not text" if isinstance(error, UnicodeDecodeError) else "it cannot be read"
    problem = re.sub(r"'.*'", "'…'", getattr(error, "problem", None) or "it is out of place")
    return f"{problem} in line {mark.line + 1}, column {mark.column + 1}"
