"""Any server that speaks OpenAI's API: the image and the rest are said with the service. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployers.engines.numbers import number, unknown
from deployers.engines.preset import Hardware, Start, Weights
from domain.errors import Unsupported
from domain.services import ServiceSpec

_PORT = 8000
_NUMBERS = {"port": (1, 65_535), "listens": (1, 65_535)}
_KNOWN = {**_NUMBERS, "command": None}
_OF_PROJECTS = {"service": None, "listens": _NUMBERS["listens"], "model": None}


@dataclass(frozen=True, slots=True)
class Custom:
    """An image somebody names. It has to list a model under the service's name."""

    images: Mapping[Hardware, str] = field(default_factory=dict)
    spare: Mapping[Hardware, str] = field(default_factory=dict)
    keeps: str = ""

    def check(self, spec: ServiceSpec) -> None:
        """An image is needed; of the model nothing is known here."""
        adopted = spec.source.scheme == "compose"
        known = _OF_PROJECTS if adopted else _KNOWN
        for key, value in spec.settings:
            if key not in known:
                raise unknown("a project" if adopted else "a custom engine", key, known)
            if key in _NUMBERS:
                number(key, value, _NUMBERS[key])
        if adopted:
            return
        if spec.image is None:
            raise Unsupported("a custom engine has no image of its own", hint="say `--image NAME`")
        if spec.source.scheme not in ("hf", "path", "tiny"):
            raise Unsupported(
                f"nobody here fetches {spec.source.scheme}:// for a custom engine",
                hint="write path:/models/x, or hf://org/repo for an image that fetches it itself",
            )

    def start(self, spec: ServiceSpec, weights: Weights, hardware: Hardware) -> Start:
        """What to serve, and under which name, is in the environment; `{model}` and `{name}` in
        `--set command=...` stand for them."""
        said = dict(spec.settings)
        words = shlex.split(said.get("command", ""))
        command = tuple(
            w.replace("{model}", weights.path).replace("{name}", spec.name) for w in words
        )
        port = int(said.get("listens", _PORT))
        return Start(
            command, port, {"MODEL": weights.path, "SERVED_MODEL": spec.name, "PORT": str(port)}
        )
