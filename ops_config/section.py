"""What every part of the configuration is made of."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from domain.amounts import read_memory
from domain.services import MAX_MEMORY, MIN_MEMORY

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)([smhd])$")


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


def _bytes(value: Any) -> Any:
    if isinstance(value, str):
        return read_memory(value)
    raise ValueError("has no unit; write for example 512m or 8g")


Memory = Annotated[
    int,
    Field(ge=MIN_MEMORY, le=MAX_MEMORY),
    BeforeValidator(_bytes),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9.]+ ?[kmgtKMGT]([iI]?[bB])?$"}),
]
"""Bytes, written with a unit."""


def _host_and_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError("is not host:port, such as 127.0.0.1:8480")
    return value


Address = Annotated[str, AfterValidator(_host_and_port)]
"""Where to listen: `127.0.0.1:8480`, `[::1]:8480`."""


class Section(BaseModel):
    """A part of the file: frozen, and refusing keys it does not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        defer_build=True,  # until a file is read: `gantry version` reads none
    )
