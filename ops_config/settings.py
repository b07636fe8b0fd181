"""The configuration file as it may be written. Descriptions become the sample and the docs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    model_validator,
)

from deployers import registry
from domain.decisions import REQUESTER
from domain.errors import ConfigError
from domain.people import Role
from domain.services import TargetName
from domain.subjects import glob
from ops_config.approvals import ApprovalSettings, Asked
from ops_config.database_url import INSTANCE, holds_password, is_shared
from ops_config.explain import explain, nearest
from ops_config.gateway import GatewaySettings
from ops_config.roles import DefaultsSettings, RoleName, RoleSettings, RuleSettings, Subject
from ops_config.section import Address, Duration, Section

_MXID = r"^@[^:\s]+:\S+$"


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
    """A file that holds its password and nothing else. Used once, to log in. Here and for every
    other secret's file, `credential:NAME` stands for the systemd credential of that name."""
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
    default: those of every operator listed by Matrix id. Others are declined."""
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
    """A SQLite file (four slashes: absolute); keys, records and logs of replicas go beside it. Or
    a PostgreSQL database, which several bots may share: `postgresql://user@host/database`."""
    keep_for: Duration = Field(90 * 86400.0, examples=["90d"])
    """How long ended operations and what was said of them are kept. What a service or one of its
    revisions came from is kept for good."""
    folder: Path | None = Field(None, examples=["/var/lib/gantry"])
    """With PostgreSQL, needed: the folder for keys, records and logs."""
    instance: str | None = Field(None, pattern=INSTANCE, examples=["rack-1"])
    """With PostgreSQL: what this bot is called among those on the database; default: the host's
    name. Each has a Matrix device of its own."""
    password_file: Path | None = Field(None, examples=["/run/secrets/postgres-password"])
    """With PostgreSQL: a file that holds the database user's password and nothing else."""
    password_env: str | None = Field(None, examples=["POSTGRES_PASSWORD"])
    """Or the name of an environment variable that holds it."""

    @property
    def shared(self) -> bool:
        """Whether it is a database that several bots may use."""
        return is_shared(self.url)

    @model_validator(mode="after")
    def _no_secret_in_the_url(self) -> StateSettings:
        if self.shared and holds_password(self.url):
            raise ValueError(
                "url holds a password, and secrets are given by reference: take it out and put it "
                "into the file that password_file names"
            )
        return self

    @model_validator(mode="after")
    def _what_the_database_needs(self) -> StateSettings:
        if self.shared and self.folder is None:
            raise ValueError("folder is needed with PostgreSQL: keys, records and logs go there")
        if self.password_file is not None and self.password_env is not None:
            raise ValueError("has both password_file and password_env; one is enough")
        for name in () if self.shared else ("folder", "instance", "password_file", "password_env"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} is for PostgreSQL; a SQLite file needs none")
        return self


class EnvironmentSettings(Section):
    """Targets that belong together."""

    targets: tuple[TargetName, ...] = Field(min_length=1, examples=[["local"]])
    """What may be used from this environment's rooms."""
    default_target: TargetName | None = Field(None, examples=["local"])
    """Where a service goes when nothing is said; default: the first of `targets`."""
    approvals: dict[Asked, ApprovalSettings] = Field(
        {}, examples=[{"deploy": {"quorum": 1, "requester": False}, "remove": "confirm"}]
    )
    """Command -> who has to say yes before it is carried out; `*` is for every other that changes
    something. Default: nobody."""
    defaults: DefaultsSettings = Field(DefaultsSettings(), examples=[{"gpu": "none"}])
    """What a new service is here where nothing is said of it."""


class RoomSettings(Section):
    """One room."""

    environment: str = Field(examples=["dev"])
    """What its commands act on."""


class AccessSettings(Section):
    """Who may do what: lists of Matrix ids, in which `*` stands for anything; `power:50` for who
    has that much power in the room, `room:#alias:server` for who is joined to it, `webhook:NAME`
    and `schedule:NAME`. Who is in no list may do nothing. Each role may do what the ones above it
    in this list may. docs/access.md has examples."""

    viewer: tuple[Subject, ...] = Field((), examples=[["*"]])
    """May look and talk to services."""
    operator: tuple[Subject, ...] = Field((), examples=[["@*:example.org", "power:50"]])
    """May change what runs, in the environment of the room it is said in."""
    admin: tuple[Subject, ...] = Field((), examples=[["@root:example.org"]])
    """May do everything, in every environment."""


class MonitoringSettings(Section):
    """How closely the bot looks."""

    probe_every: Duration = Field(10.0, examples=["10s"])
    """How often what runs is compared with what should."""
    answer_within: Duration = Field(10.0, examples=["10s"])
    """How long a target gets to answer when it is looked at. One that did not, three times in a
    row, is left alone for a while, from 5 s to a minute, before it is asked again."""
    health: Address | None = Field(None, examples=["127.0.0.1:8482"])
    """Where `/healthz`, `/readyz` and Prometheus' `/metrics` are served, as host:port; default:
    nowhere. Whoever gets there may read the names of services."""


class AuditSettings(Section):
    """The record of everything that was asked of the bot. It is kept in any case, and for good."""

    mirror_room: str | None = Field(None, pattern=r"^[#!]\S+$", examples=["#audit:example.org"])
    """A room, by id or alias, where each change, decision and denial is told in a line that holds
    its hash. Invite the bot there. Who keeps such a hash can prove what came before it."""


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
    roles: dict[RoleName, RoleSettings] = Field({}, examples=["scaler"])
    """Roles beside those, by name."""
    targets: dict[TargetName, SerializeAsAny[Annotated[BaseModel, BeforeValidator(_target)]]] = (
        Field(min_length=1)
    )
    """Where services can run, by name."""
    monitoring: MonitoringSettings = MonitoringSettings()
    """How closely the bot looks."""
    audit: AuditSettings = AuditSettings()
    """The record of everything that was asked of the bot."""
    gateway: GatewaySettings = GatewaySettings()
    """One endpoint, OpenAI-compatible, in front of every service, backend and route."""

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
        for target in self.gateway.near:
            if target not in self.targets:
                raise ValueError(f"gateway.near: there is no target `{target}`")
        for name, room in self.rooms.items():
            if not name.startswith(("#", "!")):
                raise ValueError(f"rooms: `{name}` is no room id (!...) or alias (#...)")
            if room.environment not in self.environments:
                raise ValueError(f"rooms.{name}: there is no environment `{room.environment}`")
        return self

    @model_validator(mode="after")
    def _rules_fit(self) -> Settings:
        for path, rule in self._rules():
            for place in rule.environments or ():
                if place not in ("*", *self.environments):
                    near = nearest(place, self.environments)
                    raise ValueError(f"{path}: there is no environment `{place}`{near}")
            for pattern in rule.targets:
                if not any(re.fullmatch(glob(pattern), target) for target in self.targets):
                    near = nearest(pattern, self.targets)
                    raise ValueError(f"{path}: `{pattern}` fits no target{near}")
        return self

    @model_validator(mode="after")
    def _somebody_can_approve(self) -> Settings:
        known = [*(str(role) for role in Role if role), *self.roles, REQUESTER]
        for place, environment in self.environments.items():
            for command, approval in environment.approvals.items():
                if approval.by not in known:
                    path = f"environments.{place}.approvals.{command}.by"
                    near = nearest(approval.by, known)
                    raise ValueError(f"{path}: there is no role `{approval.by}`{near}")
        return self

    def _rules(self) -> Iterator[tuple[str, RuleSettings]]:
        for name, role in self.roles.items():
            for number, rule in enumerate(role.may):
                yield f"roles.{name}.may.{number}", rule
