"""What only processes promise: their lock, their environment, their end."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import aiohttp
import pytest

from deployers.models.bundled import bundled
from deployers.nvidia import read_gpus
from deployers.patience import Patience
from deployers.process import launch, machine, serve_gguf
from deployers.process.children import Children, environment
from deployers.process.deployer import ProcessDeployer
from deployers.process.records import Folder, Taken
from domain.errors import Unhealthy, Unsupported
from domain.progress import Progress
from domain.replicas import Gpu, Observed, Phase, ReplicaId, TargetFacts
from domain.sources import parse_source
from tests.contract.stages import TARGET, RealClock, Stage, bring, deaf, ignore, make_plan

GONE = ReplicaId("tiny", "abcdef", 0)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    if find_spec("xllamacpp") is None:
        told = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        told("llama.cpp is missing: pip install 'gantry[llamacpp]'")
    made = Stage("process", tmp_path)
    yield made
    await made.close()


async def died(folder: Folder) -> None:
    async with asyncio.timeout(20):
        while folder.held:
            await asyncio.sleep(0.01)


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def seen_environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def folder_of(stage: Stage, replica: ReplicaId) -> Folder:
    return Folder(stage.root / "targets" / TARGET, replica)


@pytest.mark.engine
async def test_what_is_ready_is_not_asked_again_after_a_restart(stage: Stage):
    plan = await make_plan(stage.open(), stage.good(1))
    await stage.open().apply(plan, ignore)
    news: list[Progress] = []

    await stage.open(deaf).apply(plan, news.append)

    assert "ready before" in [told.text for told in news]


@pytest.mark.engine
async def test_a_replica_killed_from_outside_is_seen_failed_and_started_anew(stage: Stage):
    before = await bring(stage.open(), stage.good(1))
    [(pid, _)] = stage.running().items()
    os.kill(pid, signal.SIGKILL)
    await died(folder_of(stage, before.replicas[0].id))

    deployer = stage.open()
    [seen] = (await deployer.observe("tiny")).replicas
    assert (seen.phase, seen.endpoint) == (Phase.FAILED, None)
    assert seen.reason == "it ended by itself"

    after = await bring(deployer, stage.good(1))
    assert len(after.ready) == 1
    assert pid not in stage.running()


@pytest.mark.engine
async def test_the_starter_knows_how_a_replica_ended(stage: Stage):
    deployer = stage.open()
    before = await bring(deployer, stage.good(1))
    [(pid, _)] = stage.running().items()
    os.kill(pid, signal.SIGKILL)
    await died(folder_of(stage, before.replicas[0].id))

    [seen] = (await deployer.observe("tiny")).replicas

    assert seen.reason == "it was killed, most likely for the memory it took"
    assert not is_there(pid), "reaped"


@pytest.mark.engine
async def test_one_that_never_answers_is_ended_when_its_budget_is_over(stage: Stage):
    deployer = stage.open(deaf)
    want = stage.spec(startup_budget=0.3)

    with pytest.raises(Unhealthy) as caught:
        await bring(deployer, want)

    assert caught.value.failure.kind == "probe-timeout"
    assert caught.value.failure.what.endswith("it listens but gave no token")
    assert stage.running() == {}
    [seen] = (await stage.open().observe("tiny")).replicas
    assert (seen.phase, seen.reason) == (Phase.FAILED, caught.value.failure.what)


@pytest.mark.engine
async def test_a_taken_port_is_named(stage: Stage):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Unhealthy, match=f"port {port} is taken") as caught:
            await bring(stage.open(), stage.spec(settings=(("port", str(port)),)))

    assert caught.value.failure.kind == "port-taken"


@pytest.mark.engine
async def test_a_replica_sees_none_of_the_bots_secrets(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    await bring(stage.open(), stage.good(1))
    [(pid, _)] = stage.running().items()

    assert b"PATH=" in seen_environment(pid)
    assert b"hf_secret" not in seen_environment(pid)


@pytest.mark.engine
async def test_a_page_in_a_browser_may_not_talk_to_a_replica(stage: Stage):
    seen = await bring(stage.open(), stage.good(1))
    headers = {"Origin": "http://evil.example"}

    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{seen.replicas[0].endpoint}/v1/models") as answer,
    ):
        assert not answer.headers.get("Access-Control-Allow-Origin")


@pytest.mark.engine
async def test_a_second_server_of_one_replica_ends_at_once(stage: Stage):
    deployer = stage.open()
    seen = await bring(deployer, stage.good(1))
    record = folder_of(stage, seen.replicas[0].id).record
    assert record is not None

    second = await asyncio.create_subprocess_exec(*record.command)

    assert await asyncio.wait_for(second.wait(), 20) == 0
    assert len(stage.running()) == 1


@pytest.mark.engine
async def test_a_replica_tells_the_file_it_started_from_whatever_lies_there_now(stage: Stage):
    deployer = stage.open()
    model = stage.root / "model.gguf"
    shutil.copy(bundled(parse_source("tiny://ops")), model)
    want = stage.spec(source=f"path:{model}")
    before = (await bring(deployer, want)).replicas[0].made_of
    checksum = hashlib.sha256(model.read_bytes()).hexdigest()
    assert dict(before)["sha256"] == checksum
    assert dict(before)["engine"].startswith("llama.cpp from xllamacpp ")
    assert f"--model {model}" in dict(before)["command"]

    other = stage.root / "other.gguf"
    other.write_bytes(model.read_bytes() + b" ")
    other.replace(model)

    assert (await deployer.observe("tiny")).replicas[0].made_of == before
    again = await bring(deployer, want)
    assert again.replicas[0].made_of == before
    assert dict(await deployer.foresee(want))["sha256"] != checksum


@pytest.mark.engine
async def test_a_file_replaced_before_it_was_read_gets_no_checksum(stage: Stage):
    """The replica serves what was there when it started; nobody can read that any more."""
    deployer = stage.open()
    model = stage.root / "model.gguf"
    shutil.copy(bundled(parse_source("tiny://ops")), model)
    plan = await make_plan(deployer, stage.spec(source=f"path:{model}"))
    for step in plan.steps[:-1]:
        await deployer.apply(plan.only(step), ignore)
    other = stage.root / "other.gguf"
    other.write_bytes(b"GGUF, but another")
    other.replace(model)

    await deployer.apply(plan, ignore)

    told = dict((await deployer.observe("tiny")).replicas[0].made_of)
    assert "sha256" not in told
    assert told["model file"] == str(model)


async def test_a_server_without_a_folder_ends_at_once(tmp_path: Path):
    program = str(Path(launch.__file__).with_name("serve_gguf.py"))
    texts = [word for name in ("model", "alias") for word in (f"--{name}", "x")]
    names = ("context", "parallel", "batch", "threads")
    numbers = [word for name in names for word in (f"--{name}", "1")]

    ended = await asyncio.create_subprocess_exec(
        *(sys.executable, program, "--replica-dir", str(tmp_path / "gone")),
        *(*texts, *numbers),
        stderr=subprocess.DEVNULL,
    )

    assert await asyncio.wait_for(ended.wait(), 20) == serve_gguf.EXIT_NO_FOLDER


async def test_a_process_that_holds_no_lock_is_never_signalled(tmp_path: Path):
    folder = Folder(tmp_path, GONE)
    folder.path.mkdir(parents=True)
    bystander = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)
    (folder.path / "lock").write_text(str(bystander.pid))

    await Children(RealClock()).stop(folder)

    assert bystander.returncode is None
    await bystander.communicate(b"\n")
    assert bystander.returncode == 0


async def test_one_that_ignores_being_asked_is_killed(tmp_path: Path):
    folder = Folder(tmp_path, GONE)
    folder.path.mkdir(parents=True)
    deaf_program = (
        "import fcntl, os, signal, sys\n"
        "lock = os.open('lock', os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.pwrite(lock, str(os.getpid()).encode(), 0)\n"
        "print('up', flush=True)\n"
        "signal.pause()\n"
    )
    stubborn = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", deaf_program), cwd=folder.path, stdout=subprocess.PIPE
    )
    assert stubborn.stdout is not None
    await stubborn.stdout.readline()

    await Children(Hurried()).stop(folder)

    assert await stubborn.wait() == -signal.SIGKILL
    assert folder.phase is Phase.STOPPED


class Hurried(RealClock):
    """An hour passes with every wait."""

    def __init__(self) -> None:
        self.hours = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.hours

    async def sleep(self, seconds: float) -> None:
        self.hours += 6.0
        await super().sleep(seconds)


def test_a_lock_is_held_as_long_as_it_is_taken(tmp_path: Path):
    folder = Folder(tmp_path, GONE)
    with folder.taken():
        assert folder.held
        with pytest.raises(Taken), folder.taken():
            pass
    assert not folder.held


def test_an_observers_look_does_not_keep_a_replica_from_starting(tmp_path: Path):
    folder = Folder(tmp_path, GONE)
    folder.path.mkdir(parents=True)
    look = os.open(folder.path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(look, fcntl.LOCK_SH)
    over = threading.Timer(0.02, os.close, [look])
    over.start()

    with folder.taken():
        assert folder.held
    over.join()


def test_what_was_begun_but_never_came_up_is_pending(tmp_path: Path):
    folder = Folder(tmp_path, GONE)
    with folder.taken():
        assert folder.phase is Phase.STARTING
    assert folder.phase is Phase.PENDING


def test_only_harmless_variables_are_passed_on():
    given = {"PATH": "/bin", "LC_ALL": "C", "HF_TOKEN": "x", "GANTRY_PASSWORD": "x", "HOME": "/"}

    assert environment(given) == {"PATH": "/bin", "LC_ALL": "C", "HOME": "/"}


def test_patience_ends_a_budget_after_the_last_progress_and_ten_after_the_first():
    clock = Hurried()
    patience = Patience(10.0, clock)
    clock.hours = 9.0
    assert not patience.over
    patience.sees("a line")
    clock.hours = 18.0
    assert not patience.over
    patience.sees("a line")
    clock.hours = 20.0
    assert patience.over
    patience.sees("another line")
    assert not patience.over
    clock.hours = 101.0
    patience.sees("yet another")
    assert patience.over


def test_graphics_cards_are_read_from_nvidia_smi():
    text = "NVIDIA H200, 143771, 143158\nNVIDIA GeForce RTX 4090, 24564, [N/A]\n"

    assert read_gpus(text) == (Gpu("NVIDIA H200", 143771 << 20, 143158 << 20),)


def test_without_the_engine_a_plan_names_the_command_that_helps(tmp_path: Path):
    stage = Stage("process", tmp_path)
    deployer = stage.open()
    facts = TargetFacts(TARGET, "process", reachable=False, note=machine.missing())
    have = Observed("tiny", TARGET, RealClock().now())

    with pytest.raises(Unsupported, match="not installed") as caught:
        deployer.plan(stage.good(1), have, facts, "op1")

    assert caught.value.hint == "pip install 'gantry[llamacpp]'"
    assert isinstance(deployer, ProcessDeployer)


def test_running_on_the_processor_for_want_of_a_card_is_said(tmp_path: Path):
    stage = Stage("process", tmp_path)
    facts = TargetFacts(TARGET, "process", reachable=True)
    have = Observed("tiny", TARGET, RealClock().now())

    plan = stage.open().plan(stage.good(1), have, facts, "op1")

    assert plan.warnings == ("no graphics card here: it runs on the processor",)


def test_limits_that_nobody_keeps_are_said(tmp_path: Path):
    """They may be an environment's own: that is no reason not to run."""
    stage = Stage("process", tmp_path)
    facts = TargetFacts(TARGET, "process", reachable=True)
    have = Observed("tiny", TARGET, RealClock().now())
    want = stage.spec(gpu="none", cpus=2.5, memory=2**33)

    plan = stage.open().plan(want, have, facts, "op1")

    assert plan.warnings == (f"it may use more than 2.5 cores and 8 GiB: {TARGET} keeps no limits",)
    assert stage.open().plan(want.scaled(0), have, facts, "op2").warnings == ()


def test_a_log_grown_too_long_keeps_its_end(tmp_path: Path):
    log = tmp_path / "log"
    log.write_text("".join(f"line {n}\n" for n in range(1000)))
    with log.open("ab", buffering=0) as writer:
        serve_gguf.trim(log, longest=1000, kept=100)
        writer.write(b"one more\n")

    lines = log.read_text().splitlines()
    assert len(log.read_bytes()) < 120
    assert lines[0].startswith("line 9")
    assert lines[-2:] == ["line 999", "one more"]


async def test_inspect_tells_what_the_machine_has(tmp_path: Path):
    facts = await Stage("process", tmp_path).open().inspect()

    assert facts.cpus
    assert facts.memory_free
    assert facts.disk_free
    assert "xllamacpp" in facts.note or "gantry[llamacpp]" in facts.note
