"""The Docker engine that tests are given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests

from tests.engines.engine import DockerEngine
from tests.engines.images import LLAMACPP, STUB
from tests.engines.remains import mounts
from tests.engines.served import Served

pytestmark = pytest.mark.docker

REPOSITORY = Path(__file__).parents[2]
TINY = next((REPOSITORY / "deployers").rglob("tiny-ops.gguf"))


def test_the_real_llama_completes_through_a_published_port(any_client):
    served = Served(
        any_client.containers.run(
            LLAMACPP.reference,
            ["--model", "/models/tiny-ops.gguf", "--alias", "tiny", "-c", "256", "-t", "1"],
            detach=True,
            ports={"8080/tcp": ("127.0.0.1", None)},
            volumes={str(TINY.parent): {"bind": "/models", "mode": "ro"}},
        )
    )
    served.wait_until_healthy()

    answer = served.ask("/v1/completions", prompt="scale", max_tokens=1)

    assert answer["model"] == "tiny"
    assert answer["usage"]["completion_tokens"] == 1
    served.container.stop(timeout=20)
    served.container.reload()
    assert served.container.attrs["State"]["ExitCode"] == 0  # it was not killed


def test_llama_refuses_an_option_that_it_does_not_know(client):
    container = client.containers.run(LLAMACPP.reference, ["-m", "/x", "--jina"], detach=True)

    assert container.wait(timeout=30)["StatusCode"] == 1
    assert container.logs() == b"error: invalid argument: --jina\n"


@pytest.mark.parametrize("who", ["nobody", "stranger", "strangers key", "wrong name"])
def test_tls_lets_in_only_who_the_engine_believes(docker_engine, who):
    assert docker_engine.tls
    certificates = {
        "stranger": docker_engine.tls.stranger,
        "strangers key": docker_engine.tls.strangers_key,
    }.get(who, docker_engine.tls.client)
    url = docker_engine.misnamed if who == "wrong name" else docker_engine.tcp
    client = docker_engine.client(url, certificates)
    if who == "nobody":
        client.api.cert = None
    try:
        with pytest.raises(requests.exceptions.SSLError):
            client.ping()
    finally:
        client.close()


def test_a_frozen_engine_goes_on_and_a_stopped_one_comes_back(plain_engine):
    with plain_engine.frozen():
        assert not plain_engine.answers()
    assert plain_engine.answers()

    plain_engine.stop()
    assert not plain_engine.answers()
    plain_engine.start()

    client = plain_engine.client(plain_engine.tcp)
    try:
        assert client.images.get(STUB.reference)
    finally:
        client.close()


def test_nothing_is_left_of_an_engine_that_crashed_with_containers():
    with DockerEngine.started(tls=False) as engine:
        client = engine.client()
        try:
            STUB.load(client)
            container = client.containers.run(STUB.reference, detach=True)
            container.reload()
            inside = psutil.Process(container.attrs["State"]["Pid"])
            network = client.networks.create("left")
        finally:
            client.close()
        engine.kill()
        assert inside.is_running()
        assert mounts(engine.folder)
        assert Path("/sys/class/net", f"br-{network.id[:12]}").exists()

    assert not inside.is_running()
    assert not engine.processes()
    assert not mounts(engine.folder)
    assert not engine.folder.exists()
    for bridge in (engine.bridge.name, f"br-{network.id[:12]}"):
        assert not Path("/sys/class/net", bridge).exists()


def test_a_test_run_that_is_killed_takes_its_engine_along_and_the_next_clears_up():
    runs = (
        "import signal\n"
        "from tests.engines.engine import DockerEngine\n"
        "with DockerEngine.started(tls=False) as engine:\n"
        "    print(engine.folder, engine.bridge.name, engine._dockerd.pid, flush=True)\n"
        "    signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", runs], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout
        folder, bridge, pid = run.stdout.readline().split()
        dockerd = psutil.Process(int(pid))
        os.kill(run.pid, signal.SIGKILL)

    psutil.wait_procs([dockerd], timeout=30)
    assert not dockerd.is_running()
    with DockerEngine.started(tls=False):
        assert not Path(folder).exists()
        assert not Path("/sys/class/net", bridge).exists()
