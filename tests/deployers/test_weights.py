from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from deployers.models.hub import Hub
from deployers.process.weights import Models, check
from domain.errors import Refused, Unsupported
from domain.sources import Source, parse_source
from tests.contract.stages import RealClock


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path / "models", Hub("http://hub.invalid", None, RealClock()))


def silent(fraction: float | None, text: str) -> None:
    """Tells nobody."""


async def test_the_model_that_comes_along_needs_no_network(models: Models):
    path = await models.fetch(parse_source("tiny://ops"), silent)
    found = models.find(parse_source("tiny://ops"))

    assert found.path == path
    assert found.size == path.stat().st_size
    assert found.context


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04....", "it looks like a PyTorch pickle or zip archive"),
        (b"<!DOCTYPE html><html>", "it looks like a web page"),
        (struct.pack("<Q", 99) + b'{"__metadata__":', "it looks like safetensors"),
        (b"version https://git-lfs.github.com/spec/v1", "it looks like a Git LFS pointer"),
        (b"whatever this is", "is not a GGUF file"),
    ],
)
async def test_what_is_no_model_is_refused_for_what_it_is(
    models: Models, tmp_path: Path, content: bytes, why: str
):
    file = tmp_path / "m.gguf"
    file.write_bytes(content)

    with pytest.raises(Refused, match=why):
        await models.fetch(Source("path", str(file)), silent)


async def test_a_missing_file_names_the_nearest(models: Models, tmp_path: Path):
    (tmp_path / "qwen2.gguf").write_bytes(b"GGUF")

    with pytest.raises(Refused, match="there is no") as caught:
        await models.fetch(Source("path", str(tmp_path / "qwen.gguf")), silent)

    assert caught.value.hint == f"did you mean {tmp_path / 'qwen2.gguf'}?"


async def test_a_directory_names_a_file_in_it(models: Models, tmp_path: Path):
    (tmp_path / "qwen2.gguf").write_bytes(b"GGUF")

    with pytest.raises(Refused, match="is a directory") as caught:
        await models.fetch(Source("path", str(tmp_path)), silent)

    assert caught.value.hint == f"name a file in it: path:{tmp_path / 'qwen2.gguf'}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_the_bot_may_not_read_says_so(models: Models, tmp_path: Path):
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF")
    file.chmod(0)

    with pytest.raises(Refused, match="may not read"):
        await models.fetch(Source("path", str(file)), silent)


async def test_a_file_under_a_file_is_refused(models: Models, tmp_path: Path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")

    with pytest.raises(Refused, match="cannot be read: Not a directory"):
        await models.fetch(Source("path", str(tmp_path / "m.gguf" / "x.gguf")), silent)


def test_a_model_never_fetched_is_refused_when_it_is_to_be_served(models: Models):
    with pytest.raises(Refused, match="there is no"):
        models.find(parse_source("hf://org/model/m.gguf"))


def test_a_header_that_cannot_be_read_is_left_to_llama_cpp(models: Models, tmp_path: Path):
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF and no more")

    assert models.find(Source("path", str(file))).context is None


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("ollama://qwen", "that is for docker targets"),
        ("s3://bucket/key", "that is for docker and kubernetes targets"),
        ("hf://org/model", "hf://org/model/NAME.gguf"),
        ("hf://org/model/model.safetensors", "hf://org/model/NAME.gguf"),
        ("tiny://../secret", "there is tiny://ops"),
    ],
)
def test_what_is_served_elsewhere_says_where(source: str, hint: str):
    with pytest.raises(Unsupported) as caught:
        check(parse_source(source))

    assert hint in caught.value.hint
