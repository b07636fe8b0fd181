"""The configuration file as it may be written. Descriptions become the sample and the docs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from deployers import registry
from domain.errors import ConfigError
from domain.services import TargetName
from ops_config.explain import explain

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)([smhd])$")
_MXID = r"^@[^:\s]+:\S+$"


def _seconds(value: Any) -> Any:
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match:
        return float(match[1]) * _UNITS[match[2]]
    if isinstance(value, str):
        raise ValueError("is not a duration; write for example 30s, 10m or 2h")
    return value


Duration = Annotated[
    float,
    Field(gt=0, le=366 * 86400),
    BeforeValidator(_seconds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": _DURATION.pattern},
            ]
        }
    ),
]
"""Seconds, written as a number or with a unit."""


class Section(BaseModel):
    """A part of the file: frozen, and refusing keys it does not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        defer_build=True,  # until a file is read: `gantry version` reads none
    )


def _must_be_mxid(name: str, pattern: str) -> None:
    if pattern != "*" and not re.match(_MXID, pattern):
        raise ValueError(f"{name}: `{pattern}` is not a Matrix id such as @*:host")


class MatrixSettings(Section):
    """The account the bot speaks with."""

    homeserver: str = Field(pattern=r"^https?://\S+$", examples=["https://matrix.example.org"])
    """Base URL of its homeserver's client API."""
    user_id: str = Field(pattern=_MXID, examples=["@gantry:example.org"])
    """Its Matrix id. Give it an account of its own."""
    password_file: Path | None = Field(None, examples=["/run/secrets/matrix-password"])
    """A file that holds its password and nothing else. Used once, to log in."""
    password_env: str | None = Field(None, examples=["MATRIX_PASSWORD"])
    """Or the name of an environment variable that holds it."""
    access_token_file: Path | None = Field(None, examples=["/run/secrets/matrix-token"])
    """Or a file that holds an access token."""
    access_token_env: str | None = Field(None, examples=["MATRIX_TOKEN"])
    """Or the name of an environment variable that holds one."""
    refresh_token_file: Path | None = Field(None, examples=["/run/secrets/matrix-refresh"])
    """Or a file that holds a refresh token. It is used once: later ones are kept with the state."""
    store_passphrase_file: Path | None = Field(None, examples=["/run/secrets/matrix-store"])
    """A file that holds the passphrase of the key store; default: one made beside the keys."""
    recovery_key_file: Path | None = Field(None, examples=["/run/secrets/matrix-recovery"])
    """A file that holds the account's recovery key, with which the bot signs its own device and
    keeps room keys safe. `gantry check --new-recovery-key` makes one."""
    prefix: str = Field("!", pattern=r"^[!-.:-@\[-`{-~]{1,3}$", examples=["!"])
    """What commands begin with. Most clients keep `/` for themselves."""
    max_command_age: Duration = Field(600.0, examples=["10m"])
    """An older command, sent while the bot was away, is answered "expired" and not run."""

    invites_from: tuple[str, ...] | None = Field(None, examples=[["@*:example.org"]])
    """Whose invitations into rooms are taken: Matrix ids, in which `*` stands for anything;
    default: those of every operator. Others are declined."""
    welcome: bool = True
    """Whether the bot says what it is, once, in each room it joins."""
    require_vouched: bool = False
    """Whether changes are taken only from devices that their owner's identity has signed, in
    encrypted rooms, that is from verified sessions. Looking and cancelling stay open to others."""
    admin_room: str | None = Field(None, pattern=r"^[#!]\S+$", examples=["#admins:example.org"])
    """A room, by id or alias, where the bot tells what is wrong with other rooms: that it was put
    out of one, or may not speak there. The log has it in any case."""

    @model_validator(mode="after")
    def _no_strange_inviters(self) -> MatrixSettings:
        for pattern in self.invites_from or ():
            _must_be_mxid("invites_from", pattern)
        return self

    @model_validator(mode="after")
    def _one_way_in(self) -> MatrixSettings:
        ways = (
            *("password_file", "password_env", "access_token_file", "access_token_env"),
            "refresh_token_file",
        )
        given = [way for way in ways if getattr(self, way) is not None]
        if len(given) != 1:
            said = f"both {' and '.join(given)}" if given else "none of them"
            raise ValueError(f"needs exactly one of {', '.join(ways)}; it has {said}")
        return self


class StateSettings(Section):
    """What must survive a restart."""

    url: str = Field(examples=["sqlite:////var/lib/gantry/gantry.db"])
    """A SQLite file. Records and logs of replicas go beside it. Four slashes: absolute."""
    keep_for: Duration = Field(90 * 86400.0, examples=["90d"])
    """How long ended operations and what was said of them are kept. What a service or one of its
    revisions came from is kept for good."""


class EnvironmentSettings(Section):
    """Targets that belong together."""

    targets: tuple[TargetName, ...] = Field(min_length=1, examples=[["local"]])
    """What may be used from this environment's rooms."""
    default_target: TargetName | None = Field(None, examples=["local"])
    """Where a service goes when nothing is said; default: the first of `targets`."""


class RoomSettings(Section):
    """One room."""

    environment: str = Field(examples=["dev"])
    """What its commands act on."""


class AccessSettings(Section):
    """Who may do what: lists of Matrix ids, in which `*` stands for anything. Who is in no list
    may do nothing. Each role may do what the ones above it in this list may."""

    viewer: tuple[str, ...] = Field((), examples=[["*"]])
    """May look and talk to services."""
    operator: tuple[str, ...] = Field((), examples=[["@*:example.org"]])
    """May change what runs."""
    admin: tuple[str, ...] = Field((), examples=[["@root:example.org"]])
    """May do everything."""

    @model_validator(mode="after")
    def _no_power_levels_yet(self) -> AccessSettings:
        for name in ("viewer", "operator", "admin"):
            for pattern in getattr(self, name):
                _must_be_mxid(name, pattern)
        return self


class MonitoringSettings(Section):
    """How closely the bot looks."""

    probe_every: Duration = Field(10.0, examples=["10s"])
    """How often what runs is compared with what should."""
    health: str | None = Field(None, examples=["127.0.0.1:8482"])
    """Where `/healthz` and `/readyz` are served, as host:port; default: nowhere."""

    @field_validator("health")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        host, _, port = (value or "").rpartition(":")
        if value is not None and not (host and port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError("is not host:port, such as 127.0.0.1:8482")
        return value


def _target(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value
    if not isinstance(value, dict) or "kind" not in value:
        raise ValueError(f"needs a `kind`: {', '.join(registry.names())}")
    try:
        kind = registry.kind(str(value["kind"]))
        return kind.settings.model_validate(value)
    except ConfigError as error:
        raise ValueError(f"{error.summary}; {error.hint}") from error
    except ValidationError as error:
        raise ValueError("; ".join(explain(error, kind.settings))) from error


class Settings(Section):
    """The whole file."""

    matrix: MatrixSettings
    """The account the bot speaks with."""
    state: StateSettings
    """What must survive a restart."""
    environments: dict[str, EnvironmentSettings] = Field(min_length=1)
    """Targets that belong together, by name: dev, staging, prod."""
    rooms: dict[str, RoomSettings] = Field({}, examples=["#ops:example.org"])
    """Rooms by id or alias. In other rooms the bot answers, but changes nothing."""
    access: AccessSettings
    """Who may do what."""
    targets: dict[TargetName, SerializeAsAny[Annotated[BaseModel, BeforeValidator(_target)]]] = (
        Field(min_length=1)
    )
    """Where services can run, by name."""
    monitoring: MonitoringSettings = MonitoringSettings()
    """How closely the bot looks."""

    @model_validator(mode="after")
    def _no_command_runs_twice(self) -> Settings:
        if self.state.keep_for <= self.matrix.max_command_age:
            raise ValueError(
                "state.keep_for must be longer than matrix.max_command_age: a command that is "
                "forgotten before it expires could run twice"
            )
        return self

    @model_validator(mode="after")
    def _names_fit_together(self) -> Settings:
        for name, environment in self.environments.items():
            for target in (*environment.targets, environment.default_target):
                if target is not None and target not in self.targets:
                    raise ValueError(f"environments.{name}: there is no target `{target}`")
            if environment.default_target not in (None, *environment.targets):
                raise ValueError(f"environments.{name}: default_target is not one of its targets")
        for name, room in self.rooms.items():
            if not name.startswith(("#", "!")):
                raise ValueError(f"rooms: `{name}` is no room id (!...) or alias (#...)")
            if room.environment not in self.environments:
                raise ValueError(f"rooms.{name}: there is no environment `{room.environment}`")
        return self
