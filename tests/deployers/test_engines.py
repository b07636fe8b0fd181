"""What engines are told as they start in a container, where that is not plain."""

import pytest

from deployers.docker.container import Container, Site, container
from deployers.docker.shelf import Shelf
from deployers.engines.preset import Hardware, Weights
from deployers.engines.presets import presets
from domain.replicas import ReplicaId
from domain.services import Placement, ServiceSpec

GB = 1_000_000_000


def service(engine: str = "vllm", source: str = "hf://org/model", **more) -> ServiceSpec:
    placements = (Placement(target="wks", replicas=1),)
    return ServiceSpec(name="qwen", source=source, engine=engine, placements=placements, **more)


def made(want: ServiceSpec, hardware: Hardware) -> Container:
    replica, engine = ReplicaId("qwen", want.revision, 0), presets()[want.engine]
    site = Site(Shelf("gantry-models"))
    return container(replica, want, engine, hardware, site, image="any", operation="op1")


@pytest.mark.parametrize(
    ("memory", "taken"),
    [(None, "4"), (64 * GB, "4"), (6 * GB, "2"), (GB, "1")],
)
def test_vllm_on_the_processor_takes_some_of_the_memory_and_not_all(memory, taken):
    assert made(service(memory=memory), "cpu").environment["VLLM_CPU_KVCACHE_SPACE"] == taken


def test_vllm_takes_what_somebody_says():
    share = service(settings=(("gpu-memory", "0.3"),))
    assert "VLLM_CPU_KVCACHE_SPACE" not in made(share, "cpu").environment
    said = service(env=(("VLLM_CPU_KVCACHE_SPACE", "40"),))
    assert made(said, "cpu").environment["VLLM_CPU_KVCACHE_SPACE"] == "40"


def test_vllm_on_a_card_is_told_nothing_of_the_processor():
    assert "VLLM_CPU_KVCACHE_SPACE" not in made(service(), "cuda").environment


def test_vllm_has_room_in_memory_that_its_workers_share():
    """Docker's 64 MB are too few for two cards."""
    for hardware in ("cpu", "cuda"):
        assert made(service(gpu=2), hardware).shared_memory == 8 << 30


def test_one_ollama_leaves_alone_what_another_pulls():
    started = presets()["ollama"].start(service("ollama", "ollama://qwen2.5"), Weights("x"), "cpu")
    assert started.environment["OLLAMA_NOPRUNE"] == "1"


@pytest.mark.parametrize("engine", ["vllm", "ollama"])
def test_what_is_to_use_the_processor_gets_no_card_where_all_containers_would(engine):
    want = service(engine, "ollama://qwen2.5" if engine == "ollama" else "hf://org/model")
    assert made(want, "cpu").environment["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert "NVIDIA_VISIBLE_DEVICES" not in made(want, "cuda").environment
