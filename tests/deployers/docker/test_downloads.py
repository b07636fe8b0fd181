"""A host fetches a file of a hub by itself: whole, once, and gone on from wherever it was cut."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import docker
import pytest

from deployers.protocol import Stocked
from domain.errors import Refused, Unreachable
from domain.plans import Plan, StepKind
from domain.progress import Progress
from domain.replicas import Phase
from tests.contract.dying_bot import die
from tests.contract.stages import Stage, bring, ignore, make_plan
from tests.deployers.docker.warehouse import (
    CANARY,
    CONTENT,
    INSIDE,
    SOURCE,
    Warehouse,
    gateway,
    small_volume,
    until,
)
from tests.deployers.hub_double import HubDouble
from tests.engines.engine import DockerEngine
from tests.engines.images import LLAMACPP

pytestmark = [pytest.mark.docker, pytest.mark.engine]


@pytest.fixture
async def house(
    docker_engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Warehouse]:
    """An empty host, and a hub with the bundled model."""
    hub = HubDouble(CONTENT, address=gateway(docker_engine))
    await hub.start()
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    volume = f"t-{os.urandom(4).hex()}"
    ours = {
        "host": docker_engine.unix,
        "images": {"llamacpp": LLAMACPP.reference},
        "volume": volume,
    }
    stage = Stage("docker", tmp_path, ours, docker_engine)
    yield Warehouse(stage, docker_engine, hub, volume)
    if hub.gate:
        hub.gate.set()
    await stage.close()
    await hub.stop()


async def prefetch(house: Warehouse, report=ignore, **settings: object) -> None:
    """Carry out the first step alone."""
    deployer = house.open(**settings)
    plan = await make_plan(deployer, house.spec())
    async with asyncio.timeout(60):
        await deployer.apply(only(plan, StepKind.PREFETCH), report)


def only(plan: Plan, kind: StepKind) -> Plan:
    return plan.only(next(step for step in plan.steps if step.kind is kind))


async def test_a_file_of_a_hub_is_fetched_by_the_host_and_served(house: Warehouse):
    seen = await bring(house.open(), house.spec())

    assert len(seen.ready) == 1
    assert house.file.read_bytes() == CONTENT
    assert sorted(each.name for each in house.file.parent.iterdir()) == ["m.gguf", "m.gguf.known"]
    assert house.asked == [None]
    assert house.errands() == []


async def test_what_it_is_made_of_is_told_as_the_hub_names_it(house: Warehouse):
    seen = await bring(house.open(), house.spec())

    told = dict(seen.replicas[0].made_of)
    assert told["model file"] == SOURCE
    assert told["size"] == str(len(CONTENT))
    assert told["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert told["commit"] == "f" * 40


async def test_it_is_told_in_bytes(house: Warehouse):
    house.hub.gate = asyncio.Event()
    news: list[Progress] = []
    fetching = asyncio.create_task(prefetch(house, news.append))
    half = await until(news, "721 kB of 1.56 MB, ")
    house.hub.gate.set()
    await fetching

    told = [each for each in news if each.phase is Phase.DOWNLOADING]
    assert told[0].text == f"fetching {SOURCE}"
    assert half.text.endswith("/s")
    assert half.fraction == house.hub.halfway / len(CONTENT)
    assert (told[-1].fraction, told[-1].text) == (1.0, "1.56 MB fetched")


async def test_a_second_replica_on_a_warm_host_fetches_nothing(house: Warehouse):
    deployer = house.open()
    await bring(deployer, house.spec())
    before = list(house.hub.seen)

    await bring(deployer, house.spec(replicas=2))

    assert house.hub.seen == before


async def test_two_services_at_once_fetch_once(house: Warehouse):
    house.hub.gate = asyncio.Event()
    news: list[Progress] = []
    both = [asyncio.create_task(prefetch(house, news.append)) for _ in range(2)]
    async with asyncio.timeout(30):
        while len([each for each in news if each.text.startswith("fetching")]) < 2:
            await asyncio.sleep(0.05)
    house.hub.gate.set()
    await asyncio.gather(*both)

    assert house.asked == [None]
    assert house.file.read_bytes() == CONTENT


async def test_two_services_at_once_bring_the_bundled_model_once(
    house: Warehouse, monkeypatch: pytest.MonkeyPatch
):
    brought: list[str] = []
    real = docker.APIClient.put_archive

    def puts(client: docker.APIClient, container: str, path: str, data: bytes) -> bool:
        brought.append(path)
        return bool(real(client, container, path, data))

    monkeypatch.setattr(docker.APIClient, "put_archive", puts)
    deployer = house.open()
    plan = only(await make_plan(deployer, house.spec("tiny://ops")), StepKind.PREFETCH)
    await asyncio.gather(*(deployer.apply(plan, ignore) for _ in range(5)))

    assert len(brought) == 1
    assert (house.folder / "tiny" / "tiny-ops.gguf").read_bytes() == CONTENT


async def test_cancelling_ends_it_and_the_next_try_goes_on_from_there(house: Warehouse):
    house.hub.gate = asyncio.Event()
    news: list[Progress] = []
    fetching = asyncio.create_task(prefetch(house, news.append))
    await until(news, "721 kB of")
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert house.errands() == []
    assert house.file.with_name("m.gguf.part").stat().st_size == house.hub.halfway

    house.hub.gate = None
    await prefetch(house)

    assert house.asked == [None, f"bytes={house.hub.halfway}-"]
    assert house.file.read_bytes() == CONTENT


async def test_a_container_that_is_killed_is_followed_by_another_that_goes_on(house: Warehouse):
    house.hub.gate = asyncio.Event()
    news: list[Progress] = []
    fetching = asyncio.create_task(prefetch(house, news.append))
    await until(news, "721 kB of")
    gate, house.hub.gate = house.hub.gate, None
    client = house.engine.client()
    await asyncio.to_thread(client.containers.get(house.errands()[0]["Id"]).kill)
    client.close()
    await fetching
    gate.set()

    assert house.asked == [None, f"bytes={house.hub.halfway}-"]
    assert house.file.read_bytes() == CONTENT


async def test_a_part_of_what_the_file_was_before_is_not_gone_on_from(house: Warehouse):
    house.file.parent.mkdir(parents=True)
    house.file.with_name("m.gguf.part").write_bytes(b"something else")
    house.file.with_name("m.gguf.part.etag").write_text("0" * 64)

    await prefetch(house)

    assert house.asked == [None]
    assert house.file.read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_connection_that_breaks_is_taken_up_again(house: Warehouse, ranges: bool):
    house.hub.ranges = ranges
    house.hub.drop_after = [500_000]
    news: list[Progress] = []
    await prefetch(house, news.append)

    assert house.file.read_bytes() == CONTENT
    assert await until(news, "the connection broke; going on from 500 kB")


async def test_a_file_that_comes_damaged_is_refused_and_not_kept(house: Warehouse):
    house.hub.linked_sha256 = "0" * 64
    with pytest.raises(Refused, match="came damaged"):
        await prefetch(house)

    assert list(house.file.parent.iterdir()) == []
    assert house.errands() == []


@pytest.mark.parametrize(
    ("error", "raised", "told"),
    [
        ((401, "GatedRepo"), Refused, "org/model is gated: it needs a token"),
        ((404, "EntryNotFound"), Refused, "org/model holds no file folder/m.gguf"),
        ((404, "RepoNotFound"), Refused, "there is no repository org/model, or it is private"),
        ((503, ""), Unreachable, "answered 503"),
    ],
)
async def test_a_hubs_no_is_told_in_words(house: Warehouse, error, raised, told: str):
    house.hub.error = error
    with pytest.raises(raised, match=told):
        await prefetch(house)
    assert house.errands() == []


async def test_a_hub_that_the_host_cannot_reach_is_told(
    house: Warehouse, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    with pytest.raises(Unreachable, match=r"hub\.invalid cannot be reached from that host: its na"):
        await prefetch(house)


async def test_an_image_without_a_shell_is_told_of(house: Warehouse):
    client = house.engine.client()
    container = client.containers.create(LLAMACPP.reference)
    client.api.import_image_from_data(_EMPTY_TAR, repository="gantry-test/bare", tag="1")
    container.remove()
    client.close()
    images = {"llamacpp": LLAMACPP.reference, "fetch": "gantry-test/bare:1"}
    with pytest.raises(Refused, match="the image has no sh"):
        await prefetch(house, images=images)
    assert house.errands() == []


_EMPTY_TAR = bytes(10_240)


async def test_a_full_disk_is_told_before_the_first_byte_where_the_size_is_known(house: Warehouse):
    small_volume(house.engine, house.volume, "1m")
    with pytest.raises(Refused, match=r"the disk is too small: 1\.56 MB to fetch, 1[^ ]+ MB free"):
        await prefetch(house)
    assert house.asked == []


async def test_a_disk_that_fills_up_meanwhile_is_told_and_the_part_kept(house: Warehouse):
    small_volume(house.engine, house.volume, "2m")
    house.hub.gate = asyncio.Event()
    news: list[Progress] = []
    fetching = asyncio.create_task(prefetch(house, news.append))
    await until(news, "721 kB of")
    (house.folder / "ballast").write_bytes(bytes(1 << 20))
    house.hub.gate.set()
    with pytest.raises(Refused, match="the disk is full in that host's volume"):
        await fetching
    assert house.errands() == []


async def test_the_token_is_shown_to_the_hub_alone_and_stays_nowhere(
    house: Warehouse, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    secret = tmp_path / "token"
    secret.write_text(CANARY + "\n")
    house.hub.token = CANARY
    news: list[Progress] = []
    deployer = house.open(hf_token_file=str(secret))
    await deployer.apply(await make_plan(deployer, house.spec()), news.append)

    shown = {(who, token) for who, _, token, _ in house.hub.seen}
    assert shown == {("hub", f"Bearer {CANARY}"), ("cdn", None)}
    assert CANARY not in house.everything()
    assert CANARY not in str(news) + caplog.text
    for file in house.folder.rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes()


async def test_a_token_does_not_outlive_the_download_where_no_bot_comes_back(
    house: Warehouse, tmp_path: Path
):
    secret = tmp_path / "token"
    secret.write_text(CANARY)
    house.hub.token, house.hub.gate = CANARY, asyncio.Event()
    house.stage.ours["hf_token_file"] = str(secret)
    plan = only(await make_plan(house.open(), house.spec()), StepKind.PREFETCH)
    assert await cut(house, plan, FIRST_BYTES, "killed")
    assert CANARY in house.everything()
    house.hub.gate.set()
    await ended(house)

    assert house.file.read_bytes() == CONTENT
    assert CANARY not in house.everything()


FIRST_BYTES = 4
"""The report that tells of them: before it come the step, the fetching, and `0 B`."""


async def test_while_it_runs_the_token_is_in_no_command_line(house: Warehouse, tmp_path: Path):
    secret = tmp_path / "token"
    secret.write_text(CANARY)
    house.hub.token, house.hub.gate = CANARY, asyncio.Event()
    news: list[Progress] = []
    fetching = asyncio.create_task(prefetch(house, news.append, hf_token_file=str(secret)))
    await until(news, "721 kB of")
    lines = [line.read_bytes() for line in Path("/proc").glob("[0-9]*/cmdline")]
    errand = house.errands()[0]
    house.hub.gate.set()
    await fetching

    assert any(b"--continue-at" in line for line in lines)
    assert not any(CANARY.encode() in line for line in lines)
    assert CANARY in str(errand["Config"].pop("Env"))
    assert CANARY not in str(errand)


async def test_a_refused_token_is_not_told(house: Warehouse, tmp_path: Path):
    secret = tmp_path / "token"
    secret.write_text(CANARY)
    house.hub.token = "another"
    with pytest.raises(Refused) as refused:
        await prefetch(house, hf_token_file=str(secret))
    assert "the target's token was not let in" in refused.value.summary
    assert CANARY not in str(refused.value) + refused.value.hint + house.everything()


async def test_what_it_takes_is_known_once_it_is_there(house: Warehouse):
    deployer = house.open()
    await prefetch(house)
    need = await deployer.need(house.spec())

    assert need is not None
    assert need.weights == len(CONTENT)
    assert need == await deployer.need(house.spec("tiny://ops"))


async def test_what_it_takes_is_known_before_it_is_there(house: Warehouse):
    deployer = house.open()
    assert await deployer.stock(house.spec()) == Stocked(here=False, size=len(CONTENT))
    before = await deployer.need(house.spec())
    await prefetch(house)

    assert before is not None
    assert before == await deployer.need(house.spec())
    assert await deployer.stock(house.spec()) == Stocked(here=True, size=len(CONTENT))


async def test_what_a_repository_takes_is_known_by_its_configuration(house: Warehouse):
    said = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 64}
    config = json.dumps({**said, "max_position_embeddings": 128, "torch_dtype": "bfloat16"})
    house.hub.repository = {"config.json": config.encode(), "model.safetensors": 5_000_000}
    want = house.spec("hf://org/model", engine="vllm", context=None)
    need = await house.open().need(want)
    assert need is not None
    assert (need.weights, need.tokens, need.cache) == (5_000_000, 128, 128 * 2 * 2 * 64 * 2)
    house.hub.error = (401, "GatedRepo")
    assert await house.open().need(want) is None


async def test_a_repository_of_single_files_is_refused_in_the_plan(house: Warehouse):
    house.hub.repository = {"a-Q4_K_M.gguf": 1000, "README.md": 10}
    deployer, want = house.open(), house.spec("hf://org/model", engine="vllm")
    with pytest.raises(Refused, match="holds GGUF files") as caught:
        await deployer.foretell(want)
    assert "hf://org/model/a-Q4_K_M.gguf" in caught.value.hint
    house.hub.error = (401, "GatedRepo")
    assert await house.open().foretell(want) == (), "its engine may have what the bot has not"


async def test_what_is_not_to_be_had_has_no_need_and_says_why(house: Warehouse):
    house.hub.error = (401, "GatedRepo")
    deployer = house.open()
    assert await deployer.need(house.spec()) is None
    assert "is gated" in (await deployer.stock(house.spec())).trouble
    missing = house.spec("path:/no/such.gguf")
    assert await deployer.need(missing) is None
    assert (await deployer.stock(missing)).trouble == "there is no /no/such.gguf on that host"


async def test_the_context_is_no_more_than_the_model_was_trained_for(house: Warehouse):
    await bring(house.open(), house.spec(context=None, settings=(("parallel", "1"),)))
    client = house.engine.client()
    command = client.containers.list()[0].attrs["Config"]["Cmd"]
    client.close()
    assert command[command.index("--ctx-size") + 1] == str(TRAINED)


TRAINED = 1024
"""Tokens, as the bundled model says of itself; one that is not known counts as 2048."""


async def ended(house: Warehouse) -> None:
    """Wait until no container fetches: the file is there a moment before its container is gone."""
    async with asyncio.timeout(30):
        while house.errands():
            await asyncio.sleep(0.05)


async def cut(house: Warehouse, plan: Plan, count: int, how: str) -> bool:
    """Begin a plan and break off at the nth report; False if it was done before."""
    if how == "killed":
        return await die(house.stage, plan, count, HF_ENDPOINT=house.hub.endpoint)
    applying = asyncio.current_task()
    assert applying is not None
    news: list[Progress] = []

    def report(progress: Progress) -> None:
        news.append(progress)
        if len(news) == count:
            applying.cancel()

    try:
        await house.open().apply(plan, report)
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        applying.uncancel()
        return True
    return False


@pytest.mark.parametrize("how", ["cancelled", "killed"])
async def test_cut_off_at_any_report_it_is_finished_by_the_next_bot(house: Warehouse, how: str):
    for count in range(1, 40):
        plan = only(await make_plan(house.open(), house.spec()), StepKind.PREFETCH)
        broken = await cut(house, plan, count, how)
        async with asyncio.timeout(60):
            await house.open().apply(plan, ignore)
        assert house.file.read_bytes() == CONTENT
        await ended(house)
        if not broken:
            return
        for file in house.file.parent.iterdir():
            file.unlink()
    pytest.fail(f"{INSIDE} is never fetched")
