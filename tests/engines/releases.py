"""Which engine tests are run on: this machine's own, or a folder of another release's programs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engines.images import CACHE


@dataclass(frozen=True)
class Release:
    """The programs of one release: dockerd, containerd, runc, docker, Compose."""

    folder: Path | None = None
    """Where they lie, as `.ci/engine` fetches them; None for those of the PATH."""
    containerd_images: bool = False
    """Whether containerd keeps the images, as is Docker's own choice since 29."""
    devices: Path | None = None
    """A folder with what it is to know of devices (CDI); 28.2 and newer look there."""
    oldest_api: str = ""
    """The oldest version of its API that it is to take, if that is not its own choice."""

    @classmethod
    def asked(cls, environment: Mapping[str, str]) -> Release:
        """What GANTRY_DOCKER_ENGINE (a folder) and GANTRY_DOCKER_IMAGES (`containerd`) say."""
        folder = environment.get("GANTRY_DOCKER_ENGINE")
        if folder and not Path(folder, "dockerd").is_file():
            raise ValueError(f"GANTRY_DOCKER_ENGINE: there is no dockerd in {folder}")
        kept_by = environment.get("GANTRY_DOCKER_IMAGES", "")
        if kept_by not in ("", "containerd"):
            raise ValueError(f"GANTRY_DOCKER_IMAGES is containerd or nothing, not {kept_by}")
        return cls(Path(folder).absolute() if folder else None, kept_by == "containerd")

    @property
    def path(self) -> str:
        """The PATH that finds them."""
        own = os.environ["PATH"]
        return own if self.folder is None else f"{self.folder}:{own}"

    @property
    def environment(self) -> dict[str, str]:
        """What it is started with."""
        oldest = {"DOCKER_MIN_API_VERSION": self.oldest_api} if self.oldest_api else {}
        return {"PATH": self.path, **oldest}

    @property
    def compose(self) -> Path:
        """Where its Compose lies, if it was fetched."""
        home = CACHE / "docker-config" if self.folder is None else self.folder
        return home / "cli-plugins" / "docker-compose"

    @property
    def settings(self) -> dict[str, Any]:
        """What the daemon's configuration file says of it."""
        made: dict[str, Any] = {}
        if self.containerd_images:
            made["features"] = {"containerd-snapshotter": True}
        if self.devices:
            made["cdi-spec-dirs"] = [str(self.devices)]
        return made
