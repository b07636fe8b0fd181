"""A container that serves, as a test talks to it."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

from docker.models.containers import Container


@dataclass(frozen=True)
class Served:
    """A container that publishes port 8080."""

    container: Container

    @property
    def url(self) -> str:
        """From here."""
        self.container.reload()
        return f"http://127.0.0.1:{self.container.ports['8080/tcp'][0]['HostPort']}"

    def wait_until_healthy(self) -> None:
        """Wait inside the container, asking what its health check asks."""
        ask = "until curl -sf http://localhost:8080/health; do sleep 0.05; done"
        waited = self.container.exec_run(["timeout", "30", "sh", "-c", ask])
        assert waited.exit_code == 0, self.container.logs().decode()

    def status(self, path: str, *options: str) -> int:
        """The HTTP status that curl gets inside the container, once the port is open."""
        curl = "curl -s -o /dev/null -w '%{http_code}'"
        ask = f'until {curl} "$@" http://localhost:8080{path}; do sleep 0.05; done'
        told = self.container.exec_run(["timeout", "30", "sh", "-c", ask, "curl", *options])
        assert told.exit_code == 0, self.container.logs().decode()
        return int(told.output[-3:])

    def ask(self, path: str, **body: object) -> Any:
        """What it answers, read as JSON."""
        with urllib.request.urlopen(self.url + path, encoded(body), timeout=10) as answer:
            return json.load(answer)


def encoded(body: dict[str, object]) -> bytes:
    """As a request carries it."""
    return json.dumps(body).encode()
