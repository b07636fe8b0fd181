"""Compose projects of somebody else's, on a real engine with the real Compose."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployers.protocol import Deployer
from domain.services import Placement, ServiceSpec
from domain.sources import parse_source
from tests.contract.stages import TARGET, Stage
from tests.engines.engine import DockerEngine
from tests.engines.images import STUB

SERVER = f"""\
  server:
    image: {STUB.reference}
    container_name: my-server
    command: ["--alias", "chat"]
    environment: {{PRICE: "5 $$", OWN: "${{FROM_DOT_ENV-nothing}}"}}
    ports: ["127.0.0.1::8080"]
    restart: unless-stopped
"""
SIDE = f"""\
  side:
    image: {STUB.reference}
    volumes: ["kept:/kept"]
"""
PROJECT = f"name: chatty\nservices:\n{SERVER}{SIDE}volumes:\n  kept:\n"


@dataclass
class Host:
    """An engine, a folder of projects beside the bot, and a person at the command line."""

    stage: Stage
    engine: DockerEngine
    projects: Path

    def open(self, **settings: Any) -> Deployer:
        return self.stage.open(**{"projects_dir": self.projects} | settings)

    def write(self, text: str = PROJECT, folder: str = "chatty") -> Path:
        place = self.projects / folder / "compose.yaml"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def compose(self, *words: str) -> str:
        told = {name: os.environ[name] for name in ("PATH", "DOCKER_CONFIG")}
        done = subprocess.run(
            ["docker", "compose", *words],
            env=told | {"DOCKER_HOST": self.engine.unix},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        client = self.engine.client()
        try:
            return {
                str(each.name): each.attrs
                for each in client.containers.list(all=True, ignore_removed=True)
            }
        finally:
            client.close()

    def names(self, what: str) -> set[str]:
        client = self.engine.client()
        try:
            return {str(each.name) for each in getattr(client, what).list()}
        finally:
            client.close()


def spec(place: Path, name: str = "chat", **fields: Any) -> ServiceSpec:
    return ServiceSpec(
        name=name,
        source=parse_source(f"compose:{place}"),
        engine="custom",
        placements=(Placement(target=TARGET, replicas=fields.pop("replicas", 1)),),
        **({"startup_budget": 30.0} | fields),
    )
