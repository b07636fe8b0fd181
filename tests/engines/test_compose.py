"""Compose v2, driven by the command line on the engine that tests are given."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.engines.images import STUB

pytestmark = pytest.mark.docker

PROJECT = f"""
services:
  stub:
    image: {STUB.reference}
    ports: ["127.0.0.1::8080"]
    labels: {{gantry.service: stub}}
"""


@pytest.mark.parametrize("way", ["unix", "tls"])
def test_a_project_comes_up_is_listed_and_goes_down(docker_engine, compose_plugins, tmp_path, way):
    assert docker_engine.tls
    (tmp_path / "compose.yaml").write_text(PROJECT)
    environment = {
        "PATH": os.environ["PATH"],
        "DOCKER_CONFIG": str(compose_plugins),
        "DOCKER_HOST": docker_engine.unix if way == "unix" else docker_engine.tcp,
    }
    if way == "tls":
        environment["DOCKER_TLS_VERIFY"] = "1"
        environment["DOCKER_CERT_PATH"] = str(docker_engine.tls.client.ca.parent)

    def compose(*words: str) -> str:
        command = ["docker", "compose", "--project-name", f"rig{way}", *words]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        compose("up", "--detach", "--wait")
        listed = json.loads(compose("ps", "--format", "json"))
        assert (listed["Service"], listed["Health"]) == ("stub", "healthy")
    finally:
        compose("down")
    assert compose("ps", "--all", "--quiet") == ""
