"""Reads the configuration file, whole, before anything starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr, ValidationError

from domain.errors import ConfigError
from ops_config.explain import explain
from ops_config.settings import Settings

_LISTED = 6


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
        raise ConfigError(f"{path} is not YAML: {_one_line(error)}") from error
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
    """Read a secret from where the settings say it is; None when they name no place.

    Raises ConfigError when that place is missing, unreadable or empty.
    """
    if file is not None:
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


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
