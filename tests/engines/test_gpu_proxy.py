"""That the double for cards is the engine behind it in everything else."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from tests.engines.engine import DockerEngine
from tests.engines.gpu_proxy import GpuProxy, Refusal
from tests.engines.images import LLAMACPP

pytestmark = pytest.mark.docker

CARDS = [docker.types.DeviceRequest(count=-1, capabilities=[["gpu"]])]


@pytest.fixture
def proxy(docker_engine: DockerEngine, tmp_path) -> Iterator[GpuProxy]:
    with GpuProxy.before(docker_engine.socket, tmp_path) as running:
        yield running
    docker_engine.remove_containers()


@pytest.fixture
def client(docker_engine: DockerEngine, proxy: GpuProxy) -> Iterator[docker.DockerClient]:
    client = docker_engine.client(proxy.unix)
    yield client
    client.close()


def test_it_has_a_runtime_or_devices(client, proxy):
    assert "nvidia" in client.info()["Runtimes"]
    proxy.cdi = True
    told = client.api.get(f"{client.api.base_url}/info").json()
    assert "nvidia" not in told["Runtimes"]
    assert told["DiscoveredDevices"][0]["ID"] == "nvidia.com/gpu=0"
    older = client.api.get(f"{client.api.base_url}/v1.41/info").json()
    assert not older.get("DiscoveredDevices")


def test_what_asks_for_cards_runs_and_what_it_asked_is_noted(client, proxy):
    client.containers.run(
        LLAMACPP.reference,
        entrypoint=["sleep", "60"],
        name="card",
        detach=True,
        device_requests=CARDS,
    )
    assert client.containers.get("card").status == "running"
    assert proxy.asked["card"][0]["Capabilities"] == [["gpu"]]


def test_streams_and_hijacked_connections_pass(client):
    made = client.containers.run(
        LLAMACPP.reference, entrypoint=["sh", "-c", "echo out; sleep 0.2; echo more"], detach=True
    )
    assert b"".join(made.logs(stream=True, follow=True)) == b"out\nmore\n"
    running = client.containers.run(LLAMACPP.reference, entrypoint=["sleep", "60"], detach=True)
    code, (out, err) = running.exec_run(["sh", "-c", "echo out; echo err >&2; exit 3"], demux=True)
    assert (code, out, err) == (3, b"out\n", b"err\n")
    code, held = running.exec_run(["cat"], stdin=True, socket=True)
    held._sock.sendall(b"said\n")
    assert b"said\n" in held._sock.recv(100)
    held._response.close()
    held.close()


@pytest.mark.parametrize("refusal", list(Refusal))
def test_a_refusal_is_the_engines_own(client, proxy, refusal):
    proxy.refusal = refusal
    with pytest.raises(docker.errors.APIError) as caught:
        client.containers.run(
            LLAMACPP.reference, entrypoint=["true"], name="no", device_requests=CARDS
        )
    assert caught.value.status_code == (400 if refusal is Refusal.AT_CREATE else 500)
    assert caught.value.explanation == str(refusal)
    left = [each.status for each in client.containers.list(all=True)]
    assert left == ([] if refusal is Refusal.AT_CREATE else ["created"])
    client.containers.run(LLAMACPP.reference, entrypoint=["true"], name="yes")
