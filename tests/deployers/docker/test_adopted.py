"""A project of somebody else's, read, and what is laid over it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployers.docker.compose.adopted import Adopted, check, overlaid, planned, read
from deployers.docker.container import SERVICE
from deployers.engines.custom import Custom
from deployers.engines.llamacpp import LlamaCpp
from deployers.engines.ollama import Ollama
from deployers.engines.vllm import Vllm
from domain.errors import Refused, Unsupported
from domain.made_of import PROJECT
from domain.plans import StepKind, Strategy
from domain.replicas import Observed, Phase, Replica, ReplicaId
from domain.services import Placement, ServiceSpec
from domain.sources import parse_source

FOLDER = Path("/srv/projects")


def port(target: int, protocol: str = "tcp") -> dict[str, Any]:
    return {"mode": "ingress", "target": target, "published": "0", "protocol": protocol}


def told(**services: dict[str, Any]) -> dict[str, Any]:
    return {"name": "chatty", "services": services}


def spec(source: str = "compose:/srv/projects/chatty", replicas: int = 1, **fields) -> ServiceSpec:
    return ServiceSpec(
        name="chat",
        source=parse_source(source),
        engine="custom",
        placements=(Placement(target="here", replicas=replicas),),
        **fields,
    )


SERVER = {"image": "server:1", "ports": [port(8080)]}
SIDE = {"image": "side:1"}


def test_the_one_service_that_publishes_a_port_is_the_replica():
    found = read(told(side=SIDE, server=SERVER), {})

    images = {"side": "side:1", "server": "server:1"}
    assert found == Adopted("chatty", "server", 8080, images, "cpu", restarts_by_deploy=False)


def test_of_several_one_has_to_be_named():
    other = {"image": "page:1", "ports": [port(80)]}

    with pytest.raises(Refused, match="publish ports: server, page") as caught:
        read(told(server=SERVER, page=other), {})
    assert "--set service=NAME" in caught.value.hint
    assert read(told(server=SERVER, page=other), {"service": "page"}).port == 80


def test_of_several_ports_one_has_to_be_named():
    server = SERVER | {"ports": [port(8080), port(9090)]}

    with pytest.raises(Refused, match="several ports: 8080, 9090") as caught:
        read(told(server=server), {})
    assert "--set listens=PORT" in caught.value.hint
    assert read(told(server=server), {"listens": "9090"}).port == 9090


@pytest.mark.parametrize(
    ("services", "settings", "why"),
    [
        ({}, {}, "no service of the project publishes a port"),
        ({"side": SIDE}, {}, "no service of the project publishes a port"),
        ({"side": SIDE | {"ports": [port(53, "udp")]}}, {}, "publishes a port"),
        ({"server": SERVER, "side": SIDE}, {"service": "side"}, "side publishes no port"),
        ({"server": SERVER}, {"service": "sevrer"}, "has no service sevrer"),
        ({"server": SERVER}, {"listens": "9090"}, "does not publish 9090"),
        ({"server": SERVER | {"scale": 2}}, {}, "asks for 2 of server"),
        ({"server": SERVER | {"deploy": {"replicas": 0}}}, {}, "asks for 0 of server"),
        ({"server": {"build": {}, "ports": [port(80)]}}, {}, "server names no image"),
        ({"server": SERVER, "side": {"build": {}}}, {}, "side names no image"),
    ],
)
def test_what_cannot_serve_is_refused(services, settings, why):
    with pytest.raises(Refused, match=why):
        read(told(**services), settings)


@pytest.mark.parametrize(
    "more",
    [
        {"runtime": "nvidia"},
        {"gpus": [{"count": -1}]},
        {"devices": [{"source": "/dev/null"}, {"source": "nvidia.com/gpu=all"}]},
        {"deploy": {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}}},
    ],
)
def test_cards_are_seen_however_they_are_asked_for(more):
    assert read(told(server=SERVER | more), {}).hardware == "cuda"


def test_other_devices_are_no_cards():
    more = {"devices": [{"source": "/dev/null", "target": "/dev/x", "permissions": "rwm"}]}
    assert read(told(server=SERVER | more), {}).hardware == "cpu"


def test_labels_are_laid_over_and_the_replica_starts_once():
    project = read(told(side=SIDE, server=SERVER), {})

    given = overlaid(project, {SERVICE: "chat", "gantry.made-of": '[["a", "$b"]]'}, {"A": "$HOME"})

    assert (
        given
        == r"""services:
  side:
    labels:
      gantry.adopted: "chat"
  server:
    labels:
      gantry.adopted: "chat"
      gantry.service: "chat"
      gantry.made-of: "[[\"a\", \"$$b\"]]"
    restart: "no"
    environment:
      A: "$$HOME"
"""
    )


def test_a_restart_policy_of_deploy_is_overlaid_too():
    server = SERVER | {"deploy": {"restart_policy": {"condition": "any"}}}

    given = yaml.safe_load(overlaid(read(told(server=server), {}), {SERVICE: "chat"}, {}))

    assert given["services"]["server"]["deploy"] == {"restart_policy": {"condition": "none"}}


def test_projects_are_adopted_only_from_the_folder_that_is_named():
    check(spec(), "here", FOLDER)
    for source in ("compose:/etc/shadow", "compose:/srv/projects/../x", "compose:/srv/projects2/x"):
        with pytest.raises(Unsupported, match="does not lie under"):
            check(spec(source), "here", FOLDER)
    with pytest.raises(Unsupported, match="adopts no Compose projects"):
        check(spec(), "here", None)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"gpu": 1}, "says its gpu itself"),
        ({"gpu": "none"}, "says its gpu itself"),
        ({"context": 4096, "image": "x"}, "says its image and context itself"),
        ({"cpus": 1.0}, "says its cpus itself"),
        ({"memory": 1 << 30}, "says its memory itself"),
        ({"replicas": 2}, "is one replica"),
    ],
)
def test_what_only_the_file_can_say_is_refused(fields, why):
    with pytest.raises(Unsupported, match=why):
        check(spec(**fields), "here", FOLDER)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ((("port", "9000"),), "a project here has no setting `port`"),
        ((("command", "x"),), "has no setting `command`"),
        ((("listens", "http"),), "listens=http is out of range"),
        ((("listens", "70000"),), "listens=70000 is out of range"),
    ],
)
def test_a_project_has_settings_of_its_own(settings, why):
    Custom().check(spec(settings=(("listens", "8080"), ("service", "server"))))
    with pytest.raises(Unsupported, match=why):
        Custom().check(spec(settings=settings))


def test_only_a_project_has_a_service():
    with pytest.raises(Unsupported, match="a custom engine here has no setting `service`"):
        Custom().check(spec("tiny://ops", image="x", settings=(("service", "server"),)))


@pytest.mark.parametrize("engine", [LlamaCpp(), Vllm(), Ollama()])
def test_other_engines_load_no_projects(engine):
    with pytest.raises(Unsupported, match="compose://"):
        engine.check(spec())


def seen(*made_of: tuple[str, str]) -> Observed:
    old = Replica(
        ReplicaId("chat", "3fa9c1", 0), "here", Phase.READY, "op0", "http://x", made_of=made_of
    )
    return Observed("chat", "here", datetime(2025, 1, 1, tzinfo=UTC), (old,))


def test_a_project_is_taken_down_before_it_comes_up_anew():
    plan = planned(spec(), seen((PROJECT, "compose:/srv/projects/chatty")), "op1")

    kinds = [step.kind for step in plan.steps]
    assert plan.strategy is Strategy.RECREATE
    assert kinds.index(StepKind.STOP) < kinds.index(StepKind.START)
    assert "on a host once" in plan.why


def test_what_was_no_project_goes_on_serving_meanwhile():
    plan = planned(spec(), seen(), "op1")

    kinds = [step.kind for step in plan.steps]
    assert plan.strategy is not Strategy.RECREATE
    assert kinds.index(StepKind.START) < kinds.index(StepKind.STOP)
