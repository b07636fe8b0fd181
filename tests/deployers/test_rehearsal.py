from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployers.rehearsal_memory import Memory, Role
from deployers.rehearsal_scripts import choose, scenes
from domain.errors import Unhealthy
from domain.progress import Progress
from domain.replicas import Phase, ReplicaId
from domain.sources import parse_source
from tests.contract.stages import RealClock, Stage, bring


class Metronome(RealClock):
    """Waits for nothing and keeps count."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


@pytest.mark.parametrize(
    ("script", "kind", "says"),
    [
        ("never-ready", "probe-timeout", "no answer within the startup budget"),
        ("out-of-memory", "cuda-out-of-memory", "CUDA out of memory"),
        ("kv-cache-too-small", "kv-cache-too-small", "estimated maximum model length is 34736"),
        ("gated-model", "gated-model", "Please log in"),
        ("no-gpu", "no-gpu", "[[gpu]]"),
        ("disk-full", "disk-full", "no space left on device"),
        ("crash-loop", "crashed", "exited with code 1, start 3 of 3"),
    ],
)
async def test_a_play_that_ends_badly_says_why(tmp_path: Path, script: str, kind: str, says: str):
    stage = Stage("rehearsal", tmp_path)

    with pytest.raises(Unhealthy) as caught:
        await bring(stage.open(script=script), stage.good(1))

    assert caught.value.failure.kind == kind
    assert says in caught.value.failure.evidence[-1]
    assert len(caught.value.failure.evidence) > 2


@pytest.mark.parametrize("script", ["smooth", "slow-pull"])
async def test_a_play_that_ends_well_goes_through_the_phases_in_order(tmp_path: Path, script: str):
    stage = Stage("rehearsal", tmp_path)
    news: list[Progress] = []

    await bring(stage.open(script=script), stage.good(1), news.append)

    phases = list(dict.fromkeys(told.phase for told in news if told.fraction is not None))
    assert phases == [
        Phase.STARTING,
        Phase.PULLING,
        Phase.DOWNLOADING,
        Phase.LOADING,
        Phase.READY,
    ]


async def test_every_scene_takes_its_time(tmp_path: Path):
    stage, clock = Stage("rehearsal", tmp_path), Metronome()

    await bring(stage.open(clock=clock, pace=2.5), stage.good(2))

    assert clock.waited == [2.5] * 2 * len(scenes("smooth"))


@pytest.mark.parametrize(
    ("source", "played"),
    [
        ("tiny://ops", "slow-pull"),
        ("tiny://never-ready", "never-ready"),
        ("path:/models/crash-loop.gguf", "crash-loop"),
    ],
)
def test_a_source_may_ask_for_a_play_by_name(source: str, played: str):
    assert choose("slow-pull", parse_source(source)) == played


async def test_what_another_deployer_does_on_the_target_is_seen(tmp_path: Path):
    """Nothing is taken from memory that the disk no longer says."""
    stage = Stage("rehearsal", tmp_path)
    one, other = stage.open(), stage.open()
    for count in (1, 3, 2, 0, 1):
        await bring(other, stage.good(count))
        assert len((await one.observe("tiny")).ready) == count
        assert (await one.observe("tiny")).replicas == (await other.observe("tiny")).replicas
        one, other = other, one


def test_what_is_written_is_what_is_recalled_even_within_one_tick_of_the_clock(tmp_path: Path):
    memory, replica = Memory(tmp_path), ReplicaId("tiny", "3a608e", 0)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(200):
        role = Role(Phase.STARTING, f"op{number % 10}", at)
        memory.note(replica, role)
        assert memory.recall("tiny") == {replica: role}
    apart = Role(Phase.STARTING, "op1", at, namespace="team-a")
    memory.note(replica, apart)
    assert memory.recall("tiny") == {replica: apart}
    memory.note(replica, None)
    assert memory.recall("tiny") == {}
    memory.forget("tiny")
    assert memory.recall("tiny") == {}


async def test_what_an_older_release_pretended_to_run_is_in_the_targets_own_namespace(
    tmp_path: Path,
):
    stage = Stage("rehearsal", tmp_path)
    before = await bring(stage.open(), stage.good(1))
    (file,) = tmp_path.rglob("tiny.json")
    kept = json.loads(file.read_text())
    for fields in kept.values():
        del fields["namespace"]
    file.write_text(json.dumps(kept))

    assert (await stage.open().observe("tiny")).replicas == before.replicas
