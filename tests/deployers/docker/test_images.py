"""Images from a real registry: logged in by reference, told in bytes, known by their digest."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from deployers.docker.api import Api
from deployers.docker.client import failure
from deployers.docker.images import Images, registry, repository, resolved, tagged
from deployers.docker.opening import login
from deployers.docker.ways.connections import connection
from domain.errors import Refused
from domain.targets import DockerTarget
from tests.contract.stages import RealClock
from tests.engines.engine import DockerEngine
from tests.engines.registry import PROGRAM, Registry

BYTES = 12 << 20
DENIED = "the registry does not let the target have the image"


@pytest.fixture(scope="module")
def hub() -> Iterator[Registry]:
    """A registry. Skips without one; in CI that is a failure."""
    if PROGRAM is None:
        told = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        told("no registry: there is no docker-registry (Debian: apt install docker-registry)")
    with Registry.started() as running:
        yield running


@pytest.fixture
def pushed(hub: Registry, docker_engine: DockerEngine) -> Iterator[str]:
    """An image that is in the registry, and not in the engine."""
    name, client = f"{hub.host}/team/blob", docker_engine.client()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("blob")
        entry.size = BYTES
        tar.addfile(entry, io.BytesIO(os.urandom(BYTES)))
    client.api.import_image_from_data(packed.getvalue(), repository=name, tag="1")
    told = client.api.push(name, tag="1", auth_config=hub.login)
    assert "error" not in told, told
    client.images.remove(f"{name}:1", force=True)
    yield f"{name}:1"
    client.close()


@pytest.fixture
async def images(
    hub: Registry, docker_engine: DockerEngine, tmp_path: Path
) -> AsyncIterator[dict[str, Images]]:
    """The engine's images, to somebody with the password, with a wrong one, and with none."""
    opened, apis = {}, []
    for who, password in (("let in", hub.password), ("wrong", "hunter2-hunter2"), ("nobody", "")):
        named = {hub.host: {"username": hub.user, "password_env": "X"}} if password else {}
        fields: dict[str, Any] = {"host": docker_engine.unix, "registries": named}
        settings = DockerTarget(kind="docker", **fields)
        api = Api(who, connection(settings, RealClock(), tmp_path))
        apis.append(api)

        def found(
            host: str, settings: DockerTarget = settings, password: str = password
        ) -> dict[str, str]:
            return dict(login(settings, host, lambda *_: SecretStr(password)))

        opened[who] = Images(api, found, RealClock())
    yield opened
    for api in apis:
        await api.aclose()


async def test_an_image_is_pulled_with_the_password_told_in_bytes_and_known_by_its_digest(
    pushed: str, images: dict[str, Images]
):
    news: list[tuple[float | None, str]] = []

    found = await images["let in"].fetch(pushed, lambda *each: news.append(each))

    assert found.startswith(pushed.removesuffix(":1") + "@sha256:")
    assert news[0][1] == f"pulling {pushed}"
    assert await images["nobody"].known(pushed) == found
    assert await images["nobody"].fetch(found, lambda *_: None) == found, "not asked for again"


@pytest.mark.parametrize("who", ["wrong", "nobody"])
async def test_who_is_not_let_in_reads_what_to_do_and_no_password(
    pushed: str, images: dict[str, Images], who: str
):
    with pytest.raises(Refused) as caught:
        await images[who].fetch(pushed, lambda *_: None)

    assert caught.value.summary == f"{pushed} cannot be pulled: {DENIED}"
    assert "`registries`" in caught.value.hint
    assert "hunter2" not in f"{caught.value.summary} {caught.value.hint}"


async def test_an_image_of_several_names_is_known_by_the_one_it_was_asked_for_by(
    pushed: str, hub: Registry, images: dict[str, Images], docker_engine: DockerEngine
):
    """Another may be taken away, and the image would not be there any more by that."""
    await images["let in"].fetch(pushed, lambda *_: None)
    name, others = f"{hub.host}/team/blob", [f"{hub.host}/aaa/blob", f"{hub.host}/zzz/blob"]
    client = docker_engine.client()
    try:
        for other in others:
            client.images.get(pushed).tag(other, "1")
            client.api.push(other, tag="1", auth_config=hub.login)

        known = [await images["nobody"].known(f"{each}:1") for each in (name, *others)]

        assert [each.partition("@")[0] for each in known if each] == [name, *others]
        client.images.get(pushed).tag("alias", "1")
        alias = await images["nobody"].known("alias:1")
        assert alias
        assert alias.startswith(("alias@sha256:", "sha256:"))
    finally:
        for each in (*others, "alias"):
            client.images.remove(f"{each}:1")
        client.close()


async def test_an_image_that_is_not_there_is_said(hub: Registry, images: dict[str, Images]):
    with pytest.raises(Refused, match="cannot be pulled: there is no image") as caught:
        await images["let in"].fetch(f"{hub.host}/team/nothing:1", lambda *_: None)
    assert "tag" in caught.value.hint


@pytest.mark.parametrize("name", ["Upper:1", "a:b:c", "x@sha256:123"])
async def test_what_can_be_no_name_is_told(images: dict[str, Images], name: str):
    for ask in (images["nobody"].fetch(name, lambda *_: None), images["nobody"].known(name)):
        with pytest.raises(Refused, match=f"^{name} can be no image's name: ") as caught:
            await ask
        assert "vllm/vllm-openai" in caught.value.hint


async def test_a_registry_that_is_nowhere_is_told_with_what_keeps_one_from_it(
    images: dict[str, Images],
):
    with pytest.raises(Refused, match=r"registry name\.invalid cannot be reached") as caught:
        await images["nobody"].fetch("name.invalid/x:1", lambda *_: None)
    assert "way to its registry" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "host", "whole"),
    [
        ("busybox", "docker.io", "busybox:latest"),
        ("vllm/vllm-openai:v0.11.0", "docker.io", "vllm/vllm-openai:v0.11.0"),
        ("ghcr.io/ggml-org/llama.cpp:server", "ghcr.io", "ghcr.io/ggml-org/llama.cpp:server"),
        ("localhost/x", "localhost", "localhost/x:latest"),
        ("10.0.0.5:5000/x", "10.0.0.5:5000", "10.0.0.5:5000/x:latest"),
        ("a/b@sha256:0123", "docker.io", "a/b@sha256:0123"),
    ],
)
def test_a_name_says_its_registry_and_never_means_every_tag(name: str, host: str, whole: str):
    assert (registry(name), tagged(name)) == (host, whole)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("busybox", "busybox"),
        ("docker.io/library/busybox:1", "busybox"),
        ("docker.io/vllm/vllm-openai:v0.11.0", "vllm/vllm-openai"),
        ("ghcr.io/ggml-org/llama.cpp:server", "ghcr.io/ggml-org/llama.cpp"),
        ("10.0.0.5:5000/x", "10.0.0.5:5000/x"),
        ("10.0.0.5:5000/x:1@sha256:0123", "10.0.0.5:5000/x"),
    ],
)
def test_an_image_is_found_among_its_digests_in_either_writing(name: str, short: str):
    assert repository(name) == short
    image = {"Id": "sha256:id", "RepoDigests": ["a@sha256:1", f"{short}@sha256:2"]}
    assert resolved(name, image) == f"{short}@sha256:2"


def test_an_image_without_a_digest_under_its_name_is_known_by_its_id():
    assert resolved("mine:1", {"Id": "sha256:id", "RepoDigests": ["a@sha256:1"]}) == "sha256:id"
    assert resolved("mine:1", {"Id": "sha256:id", "RepoDigests": None}) == "sha256:id"


def test_an_image_that_is_asked_for_by_its_id_is_known_by_any_digest():
    image = {"Id": "sha256:id", "RepoDigests": ["a@sha256:1", "b@sha256:2"]}
    assert resolved("sha256:id", image) == "a@sha256:1"
    assert resolved("sha256:id", {"Id": "sha256:id", "RepoDigests": []}) == "sha256:id"


def test_a_pull_that_breaks_off_is_told_by_old_engines_and_new():
    """Newer ones are to leave `error` out (Engine API 1.48)."""
    detail = {"errorDetail": {"message": "no space left on device"}}
    assert failure(detail) == failure({"error": "no space left on device"})
    assert failure({"error": "x", **detail}) == "no space left on device"
    assert failure({"status": "Downloading", "errorDetail": None}) is None
