"""Where models lie on a Docker host, and how a container gets to see them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Literal

from deployers.engines.preset import WEIGHTS, Weights
from deployers.models.bundled import bundled
from domain.errors import Unsupported
from domain.sources import Source

ROLE = "gantry.role"
"""The label of containers that are no replica: what they are for."""

_HOST = "/host-models"
_WINDOWS = re.compile(r"^[A-Za-z]:[\\/]")


@dataclass(frozen=True, slots=True)
class Mount:
    """A place of the host that a container sees."""

    kind: Literal["bind", "volume"]
    source: str
    """A path of the host, in its own writing, or a volume's name."""
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Shelf:
    """The models of one host."""

    volume: str
    """Its volume for what is downloaded."""
    models_dir: str | None = None
    """Its directory for what is there already."""

    def find(self, source: Source, context: int | None = None) -> tuple[Weights, tuple[Mount, ...]]:
        """What a container calls a model, and what it needs to see for that.

        Raises Unsupported for a source that nothing here keeps.
        """
        if source.scheme == "path":
            mount, path = self._on_the_host(source.location)
            return Weights(path, context), (mount,)
        kept = Mount("volume", self.volume, WEIGHTS)
        return Weights(self.name(source), context), (kept,)

    def name(self, source: Source) -> str:
        """What a container calls a model of the volume: a path in it, or what the engine itself
        fetches."""
        match source.scheme:
            case "tiny":
                return f"{WEIGHTS}/tiny/{bundled(source).name}"
            case "hf" if source.file is not None:
                revision = (source.revision or "main").replace("/", "--")
                return f"{WEIGHTS}/hf/{source.repository}/{revision}/{source.file}"
            case "hf" | "ollama":
                return source.location
        raise Unsupported(
            f"a docker target does not fetch {source.scheme}:// yet",
            hint="write hf://org/repo, hf://org/repo/file.gguf or path:/models/file.gguf",
        )

    def _on_the_host(self, location: str) -> tuple[Mount, str]:
        """The models' directory, or nothing but the one path: what lies beside a model is nobody's
        business in a container."""
        path = on_host(location)
        if self.holds(location):
            folder = on_host(str(self.models_dir))
            inside = str(PurePosixPath(_HOST, *path.relative_to(folder).parts))
            return Mount("bind", str(folder), _HOST, read_only=True), inside
        inside = str(PurePosixPath(_HOST, path.name))
        return Mount("bind", str(path), inside, read_only=True), inside

    def holds(self, location: str) -> bool:
        """Whether a path of the host lies under its models' directory."""
        if self.models_dir is None or ".." in on_host(location).parts:
            return False
        folder, path = on_host(self.models_dir), on_host(location)
        return type(folder) is type(path) and path.is_relative_to(folder)


def on_host(path: str) -> PurePath:
    """A path of the host, in whichever writing: `D:\\Models` or `/srv/models`."""
    return PureWindowsPath(path) if _WINDOWS.match(path) else PurePosixPath(path)
