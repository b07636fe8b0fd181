"""The Docker engine that tests are given."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.models.containers import Container

from tests.engines.engine import DockerEngine
from tests.engines.images import LLAMACPP

pytestmark = pytest.mark.docker

MODELS = Path(__file__).parents[2] / "deployers" / "models" / "bundled"


@pytest.fixture(params=["unix", "tls", "plain"])
def client(request: pytest.FixtureRequest) -> Iterator[object]:
    name = "plain_engine" if request.param == "plain" else "docker_engine"
    engine: DockerEngine = request.getfixturevalue(name)
    who = engine.tls.client if engine.tls else None
    way = engine.client() if request.param == "unix" else engine.client(engine.tcp, who)
    yield way
    engine.remove_containers()
    way.close()


def test_the_real_llama_completes_through_a_published_port(client):
    container = client.containers.run(
        LLAMACPP.reference,
        ["--model", "/models/tiny-ops.gguf", "--alias", "tiny", "-c", "256", "-np", "1", "-t", "1"],
        detach=True,
        ports={"8080/tcp": ("127.0.0.1", None)},
        volumes={str(MODELS): {"bind": "/models", "mode": "ro"}},
    )

    answer = asked(container, "/v1/completions", prompt="scale", max_tokens=1)

    assert answer["model"] == "tiny"
    assert answer["usage"]["completion_tokens"] == 1


def asked(container: Container, path: str, **body: object) -> dict[str, object]:
    container.reload()
    port = container.ports["8080/tcp"][0]["HostPort"]
    url = f"http://127.0.0.1:{port}"
    wait = "until curl -sf http://localhost:8080/health; do sleep 0.05; done"
    assert container.exec_run(["timeout", "30", "sh", "-c", wait]).exit_code == 0
    request = urllib.request.Request(
        url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)
