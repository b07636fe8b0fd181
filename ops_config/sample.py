"""Writes the commented sample file, the settings reference and the JSON schema from the fields."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from deployers import registry
from domain.targets import (
    DockerTarget,
    ProcessTarget,
    RegistrySettings,
    RehearsalTarget,
    TlsSettings,
)
from ops_config.approvals import ApprovalSettings
from ops_config.gateway import BackendSettings, GatewaySettings, RateSettings, RouteSettings
from ops_config.roles import DefaultsSettings, RoleSettings, RuleSettings
from ops_config.settings import (
    AccessSettings,
    AuditSettings,
    EnvironmentSettings,
    MatrixSettings,
    MonitoringSettings,
    RoomSettings,
    Settings,
    StateSettings,
)

_SECTIONS: tuple[tuple[str, str | None, type[BaseModel]], ...] = (
    ("matrix", None, MatrixSettings),
    ("state", None, StateSettings),
    ("environments", "dev", EnvironmentSettings),
    ("rooms", "#ops:example.org", RoomSettings),
    ("access", None, AccessSettings),
    ("roles", "scaler", RoleSettings),
    ("monitoring", None, MonitoringSettings),
    ("audit", None, AuditSettings),
    ("gateway", None, GatewaySettings),
)

_PARTS: Mapping[str, tuple[tuple[str, type[BaseModel]], ...]] = {
    "environments": (
        ("environments.NAME.defaults", DefaultsSettings),
        ("environments.NAME.approvals.COMMAND", ApprovalSettings),
    ),
    "roles": (("roles.NAME.may[]", RuleSettings),),
    "gateway": (
        ("gateway.backends.NAME", BackendSettings),
        ("gateway.routes.NAME", RouteSettings),
        ("gateway.prices.NAME", RateSettings),
    ),
}
"""Parts of sections that the sample shows in one line, and the reference explains."""

_OPTIONAL = frozenset({"roles"})
"""Sections that the sample leaves switched off."""

_KINDS: Mapping[str, type[BaseModel]] = {
    "process": ProcessTarget,
    "docker": DockerTarget,
    "rehearsal": RehearsalTarget,
}
"""Those that come along. Not asked of the registry, which would import what serves them."""

_KIND_PARTS: Mapping[str, tuple[tuple[str, type[BaseModel]], ...]] = {
    "docker": (
        ("targets.NAME.tls", TlsSettings),
        ("targets.NAME.registries.HOST", RegistrySettings),
    ),
}


def sample() -> str:
    """A configuration that is valid as it stands, every setting explained."""
    parts = ["# Gantry's configuration. Unknown keys are errors. Secrets only by reference."]
    for name, member, model in _SECTIONS:
        parts.append(_section(name, member, model))
    parts.append(_targets())
    return "\n\n".join(parts) + "\n"


def reference() -> str:
    """docs/settings.md."""
    lines = ["# Settings", "", "Generated from the code by `script/docs`; do not edit.", ""]
    for name, member, model in _SECTIONS:
        lines += [f"## `{name}{'.NAME' if member else ''}`", "", *_table(model)]
        for part, its_model in _PARTS.get(name, ()):
            lines += [f"## `{part}`", "", *_table(its_model)]
    for kind, its_model in _KINDS.items():
        lines += [f"## `targets.NAME` with `kind: {kind}`", "", *_table(its_model)]
        for part, settings in _KIND_PARTS.get(kind, ()):
            lines += [f"## `{part}`", "", *_table(settings)]
    return "\n".join(lines).rstrip() + "\n"


def schema() -> str:
    """The JSON schema of the file, for editors."""
    made = Settings.model_json_schema()
    kinds = [registry.kind(name).settings.model_json_schema() for name in registry.names()]
    targets = made["properties"]["targets"]
    for pattern in targets["patternProperties"]:
        targets["patternProperties"][pattern] = {"oneOf": kinds}
    targets["additionalProperties"] = False
    return json.dumps(made, indent=2) + "\n"


def _section(name: str, member: str | None, model: type[BaseModel]) -> str:
    indent = "    " if member else "  "
    entries = list(_entries(model, indent))
    said = any(not line.lstrip().startswith("#") for line in entries)
    head = [f"# {_field_text(Settings.model_fields[name])}", f"{'' if said else '# '}{name}:"]
    head += [f"  {json.dumps(member)}:"] if member else []
    whole = [*head, *entries]
    return "\n".join(map(_off, whole) if name in _OPTIONAL else whole)


def _off(line: str) -> str:
    """The line, switched off if it says something."""
    words = line.lstrip()
    return line if words.startswith("#") else f"{line[: -len(words)]}# {words}"


def _targets() -> str:
    lines = [f"# {_field_text(Settings.model_fields['targets'])}", "targets:"]
    for name, kind in (("local", "process"), ("wks", "docker"), ("stage", "rehearsal")):
        model = _KINDS[kind]
        lines += [f"  # {_doc(model)}", f"  {name}:", f"    kind: {kind}"]
        lines += _entries(model, "    ", skip="kind")
    return "\n".join(lines)


def _entries(model: type[BaseModel], indent: str, skip: str = "") -> Iterator[str]:
    first = _first_of_several(model)
    for name, info in model.model_fields.items():
        if name == skip:
            continue
        for line in textwrap.wrap(_field_text(info), 96 - len(indent)):
            yield f"{indent}# {line}"
        needed = info.is_required() or name in first or bool(info.examples and info.default == ())
        yield f"{indent}{'' if needed else '# '}{name}: {_shown(info)}"


def _first_of_several(model: type[BaseModel]) -> tuple[str, ...]:
    return ("password_file",) if model is MatrixSettings else ()


def _table(model: type[BaseModel]) -> Iterator[str]:
    yield _doc(model)
    yield from ("", "| key | default | meaning |", "|---|---|---|")
    for name, info in model.model_fields.items():
        default = "needed" if info.is_required() else f"`{_plain(info.default)}`"
        text = _field_text(info).replace("|", "\\|")
        yield f"| `{name}` | {default} | {text} |"
    yield ""


def _field_text(info: FieldInfo) -> str:
    return " ".join((info.description or "").split())


def _doc(model: type[BaseModel]) -> str:
    return " ".join((inspect.getdoc(model) or "").split())


def _shown(info: FieldInfo) -> str:
    if info.examples:
        value = info.examples[0]
    elif info.is_required():
        value = next(iter(get_args(info.annotation)), None)
    else:
        value = info.default
    return _plain(value)


def _plain(value: Any) -> str:
    value = str(value) if isinstance(value, Path) else value
    value = list(value) if isinstance(value, tuple) else value
    value = value.model_dump(exclude_defaults=True) if isinstance(value, BaseModel) else value
    text = yaml.safe_dump(value, default_flow_style=True, width=200).strip()
    return text.removesuffix("\n...").strip()
