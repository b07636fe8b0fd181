"""The gateway's part of the configuration file."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from domain.backends import Kind
from domain.routes import Member
from domain.services import ServiceName, TargetName
from ops_config.section import Address, Duration, Section

_LOOPBACK = re.compile(r"^(127(\.\d+){3}|localhost|\[::1\])$")

ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,127}$")]


class BackendSettings(Section):
    """A model server that Gantry does not run."""

    kind: Kind = Field(examples=["lmstudio"])
    """What it is; `openai` stands for anything that speaks OpenAI's API."""
    url: str = Field(pattern=r"^https?://[^\s/@]+(/\S*)?$", examples=["http://studio:1234"])
    """Base URL of its API, without `/v1`."""
    key_file: Path | None = Field(None, examples=["/run/secrets/openai-key"])
    """A file that holds the API key it wants and nothing else."""
    key_env: str | None = Field(None, examples=["OPENAI_API_KEY"])
    """Or the name of an environment variable that holds it."""
    models: dict[ModelName, ModelName] = Field({}, examples=[{"small": "qwen3-4b"}])
    """What its models are called here, and there: `studio/small`. The first is asked where only
    the backend is named. With any listed, others cannot be asked for."""
    capacity: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Requests it answers at once without making any of them wait."""
    tier: Literal["gpu", "cpu", "external", "cloud"] | None = None
    """Where it stands in the default order of a route; default: `cloud` for Anthropic, `external`
    for others."""

    sampling: bool = True
    """For Anthropic: whether its models take a temperature; newer ones refuse it, and then it has
    to be left out."""

    @model_validator(mode="after")
    def _one_key(self) -> BackendSettings:
        if self.key_file is not None and self.key_env is not None:
            raise ValueError("has both key_file and key_env; one is enough")
        if self.kind == "anthropic" and self.key_file is None and self.key_env is None:
            raise ValueError("needs key_file or key_env: Anthropic takes no request without a key")
        return self


class RateSettings(Section):
    """What tokens cost."""

    prompt: Decimal = Field(ge=0, le=100_000, decimal_places=6, examples=["3.00"])
    """A million of what is asked, in the currency of `gateway.currency`."""
    completion: Decimal = Field(ge=0, le=100_000, decimal_places=6, examples=["15.00"])
    """A million of what is answered."""


def _members(value: Any) -> Any:
    return {"members": value} if isinstance(value, list | tuple) else value


class RouteSettings(Section):
    """A name behind which several services and backends stand. A list of them will do."""

    members: tuple[str, ...] = Field(min_length=1, examples=[["big", "canary:10", "claude"]])
    """Services and backends. `canary:10` is asked first in ten of a hundred requests."""
    order: Literal["tier", "listed"] = "tier"
    """Who is asked first: `tier` takes cards, then processors, then external servers, then the
    cloud; `listed` takes them as they stand here."""

    @field_validator("members")
    @classmethod
    def _are_members(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        members = [Member.parse(text) for text in value]
        names = [member.name for member in members]
        if len(set(names)) != len(names):
            raise ValueError("a member is named twice")
        if sum(member.weight for member in members) > 100:
            raise ValueError("the weights come to more than 100")
        return value


Route = Annotated[RouteSettings, BeforeValidator(_members)]


class GatewaySettings(Section):
    """One endpoint, OpenAI-compatible, in front of every service, backend and route."""

    listen: Address | None = Field(None, examples=["127.0.0.1:8480"])
    """Where it answers, as host:port; default: nowhere. What people ask in rooms goes its way in
    any case."""
    keys: Literal["required", "none"] = "required"
    """Whether a request has to show an API key; `none` only if `listen` is a loopback address."""
    backends: dict[ServiceName, BackendSettings] = Field(
        {}, examples=[{"studio": {"kind": "lmstudio", "url": "http://studio:1234"}}]
    )
    """Model servers that Gantry does not run, by the name under which they can be asked."""
    routes: dict[ServiceName, Route] = Field(
        {}, examples=[{"chat": ["big", "canary:10", "studio"]}]
    )
    """Names behind which several services and backends stand."""
    prices: dict[ServiceName, RateSettings] = Field(
        {}, examples=[{"claude": {"prompt": "3.00", "completion": "15.00"}}]
    )
    """What tokens cost, by the service or backend that answers, or by the route that was asked.
    What has no price costs nothing, and no quota of money ends it."""
    currency: str = Field("", pattern=r"^([A-Z]{3})?$", examples=["USD"])
    """Of all prices, as ISO 4217 writes it; needed where there are any."""
    near: tuple[TargetName, ...] = ()
    """Targets whose replicas are asked before those on others, as long as they have room."""
    affinity: Literal["none", "session", "prefix"] = "none"
    """What keeps requests with the replica that has seen their like: the session that a client
    names (`X-Session-Id`, `prompt_cache_key` or `user`), or how a conversation begins."""
    hold: Duration = Field(30.0, examples=["30s"])
    """How long a request waits for a service that has no ready replica but gets one."""
    drain: Duration = Field(30.0, examples=["30s"])
    """How long answers under way get to finish when the bot is stopped."""
    connect: Duration = Field(5.0, examples=["5s"])
    """How long a model server gets to take a connection."""
    first_byte: Duration = Field(60.0, examples=["1m"])
    """How long it gets for the first piece of a streamed answer. One that does not even list its
    models meanwhile is given up within two seconds."""
    idle: Duration = Field(30.0, examples=["30s"])
    """How long it gets from one piece to the next."""
    whole: Duration = Field(600.0, examples=["10m"])
    """How long it gets for an answer that is not streamed."""

    @model_validator(mode="after")
    def _no_open_door(self) -> GatewaySettings:
        host = (self.listen or "").rpartition(":")[0]
        if self.keys == "none" and self.listen and not _LOOPBACK.match(host):
            raise ValueError(
                f"keys is `none`, and {self.listen} can be reached from elsewhere: whoever does "
                "could ask for anything; listen on 127.0.0.1, or require keys"
            )
        return self

    @model_validator(mode="after")
    def _prices_have_a_currency(self) -> GatewaySettings:
        if self.prices and not self.currency:
            raise ValueError("prices need a currency, such as EUR")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> GatewaySettings:
        for name in self.routes:
            if name in self.backends:
                raise ValueError(f"routes.{name}: a backend goes by that name")
            for member in self.routes[name].members:
                if Member.parse(member).name in self.routes:
                    raise ValueError(
                        f"routes.{name}: `{member}` is a route, and routes lead to "
                        "services and backends"
                    )
        return self
