"""Where a model's weights come from: `hf://`, `path:`, `tiny://` and the rest, parsed once.

`compose:` names a Compose project that serves a model instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

Scheme = Literal["hf", "path", "s3", "mlflow", "oci", "ollama", "tiny", "compose"]

_HF = re.compile(r"^[\w.-]+/[\w.-]+(/[\w./-]+)?$")
_WINDOWS = re.compile(r"^[A-Za-z]:[\\/]")


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed model source. `str()` gives back what a person would type."""

    scheme: Scheme
    location: str
    """What follows the scheme, without the revision."""
    revision: str | None = None

    def __str__(self) -> str:
        separator = ":" if self.scheme in ("path", "compose") else "://"
        return f"{self.scheme}{separator}{self.location}" + (
            f"@{self.revision}" if self.revision else ""
        )

    @property
    def repository(self) -> str:
        """The `org/name` of an `hf://` source."""
        return "/".join(self.location.split("/")[:2])

    @property
    def file(self) -> str | None:
        """The file inside an `hf://` repository, None when the whole repository is meant."""
        rest = self.location.split("/")[2:]
        return "/".join(rest) or None

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, Source) else parse_source(str(value)),
            serialization=core_schema.to_string_ser_schema(),
            json_schema_input_schema=core_schema.str_schema(),
        )


ModelSource = Annotated[Source, "written as text"]


def parse_source(text: str) -> Source:
    """Read a model source as a person types it.

    Raises ValueError with a sentence that names what is wrong and shows a right one.
    """
    if not text.isprintable():
        raise ValueError("a model source holds an unprintable character")
    if text.startswith("path:"):
        return _path(text.removeprefix("path:"))
    if text.startswith("compose:"):
        return _project(text.removeprefix("compose:"))
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in get_args(Scheme):
        raise ValueError(
            f"`{text[:80]}` is not a model source; write tiny://ops, hf://org/repo/file.gguf "
            "or path:/models/file.gguf"
        )
    location, _, revision = rest.partition("@")
    if not location:
        raise ValueError(f"`{text[:80]}` names no model after {scheme}://")
    if scheme == "hf" and (not _HF.match(location) or ".." in location.split("/")):
        raise ValueError(f"`{text[:80]}` is not a repository; write hf://org/repo/file.gguf")
    return Source(scheme, location, revision or None)  # type: ignore[arg-type]


def _path(location: str) -> Source:
    location = location.removeprefix("//") if location.startswith("///") else location
    if not location.startswith("/") and not _WINDOWS.match(location):
        raise ValueError(f"`path:{location[:80]}` is not absolute; write path:/models/file.gguf")
    return Source("path", location)


def _project(location: str) -> Source:
    location = location.removeprefix("//") if location.startswith("///") else location
    if not location.startswith("/") or location.startswith("//"):
        raise ValueError(f"`compose:{location[:80]}` is not absolute; write compose:/srv/project")
    return Source("compose", location)
