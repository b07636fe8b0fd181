"""The parts of the configuration that say what people may do, and what new services are."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from domain.arguments import parse_condition
from domain.people import Role
from domain.rules import ANYWHERE, COMMANDS
from domain.services import MAX_CPUS, MAX_REPLICAS, MIN_CPUS, Gpu, Namespace
from domain.subjects import checked
from ops_config.explain import nearest
from ops_config.section import Duration, Memory, Section


def _role_name(name: str) -> str:
    if name in map(str, Role):
        raise ValueError(f"`{name}` is there already; `access.{name}` says who is in it")
    return name


def _command(name: str) -> str:
    if name not in (*COMMANDS, ANYWHERE):
        raise ValueError(f"`{name[:40]}` is no command that takes a role{nearest(name, COMMANDS)}")
    return name


def _condition(text: str) -> str:
    return str(parse_condition(text))


Subject = Annotated[str, AfterValidator(checked)]
"""Whom a line means."""

RoleName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$"), AfterValidator(_role_name)]


class DefaultsSettings(Section):
    """What a new service is in an environment where nothing is said of it. What is left out here
    is as it is everywhere."""

    replicas: int | None = Field(None, ge=1, le=MAX_REPLICAS, examples=[1])
    """How many copies, on each target."""
    gpu: Gpu | None = Field(None, examples=["none"])
    """`auto`, `none`, or how many for each copy."""
    context: int | None = Field(None, ge=64, le=16_777_216, examples=[8192])
    """Tokens one conversation may hold."""
    cpus: float | None = Field(None, ge=MIN_CPUS, le=MAX_CPUS, examples=[4])
    """Processor cores that each copy may use. Where a target cannot keep that, plans say so."""
    memory: Memory | None = Field(None, examples=["8g"])
    """Memory that each copy may use, without that of graphics cards: `512m`, `8g`, in powers of
    1024. Where a target cannot keep that, plans say so."""
    settings: dict[str, str] = Field({}, examples=[{"threads": "4"}])
    """Settings of the engine, as `--set` takes them."""
    startup_budget: Duration | None = Field(None, examples=["2m"])
    """How long a copy that starts may show no sign of progress before it is given up."""
    drain_timeout: Duration | None = Field(None, examples=["30s"])
    """How long running answers get to finish before a copy is stopped."""
    namespace: Namespace | None = Field(None, examples=["team-a"])
    """Where copies are set apart; default: each target's own. Targets of a kind that has no
    namespaces pass it over, and plans say so."""

    @field_validator("settings", mode="before")
    @classmethod
    def _numbers_are_words(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        numbers = (int, float)
        return {k: str(v) if type(v) in numbers else v for k, v in value.items()}


class RuleSettings(Section):
    """Something that a role may do. A change is let through if one rule allows all of it."""

    commands: tuple[Annotated[str, AfterValidator(_command)], ...] = Field(
        min_length=1, examples=[["scale", "restart"]]
    )
    """Commands that change something; `*` for all of them."""
    environments: tuple[str, ...] | None = Field(None, min_length=1, examples=[["dev"]])
    """Where; `*` for everywhere. From a room of another environment `--environment` says so.
    Default: the environment of the room it is said in."""
    targets: tuple[str, ...] = Field(("*",), min_length=1, examples=[["lo*"]])
    """On which targets: names, in which `*` stands for anything."""
    when: tuple[Annotated[str, AfterValidator(_condition)], ...] = Field(
        (), examples=[["replicas<=4", "source=hf://org/*"]]
    )
    """What has to hold for the service as it would be, however it was asked for: `service`,
    `source`, `engine`, `image`, `gpu`, `context`, `replicas`, `cpus`, `memory` (`8g`), `namespace`,
    `take_over` (`yes`, `no`), `startup_budget`, `drain_timeout` (seconds) or `setting.KEY`, then
    `<=`, `>=` or `=`, then a number or a word in which `*` stands for anything. What `namespace`
    allows has to allow the one that a service is moved out of, too."""


class RoleSettings(Section):
    """A role of your own. Who is in it may look and talk as a viewer, and do what its rules let
    through."""

    who: tuple[Subject, ...] = Field(min_length=1, examples=[["@ops-*:example.org", "power:25"]])
    """Who is in it, written as under `access`."""
    may: tuple[RuleSettings, ...] = Field(
        (), examples=[[{"commands": ["scale", "restart"], "when": ["replicas<=4"]}]]
    )
    """What they may do."""
