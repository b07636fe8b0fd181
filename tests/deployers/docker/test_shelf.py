"""Where models lie on a host, in whichever writing it has."""

from __future__ import annotations

import pytest

from deployers.docker.shelf import Mount, Shelf
from domain.errors import Unsupported
from domain.sources import parse_source


def place(shelf: Shelf, source: str) -> tuple[str, tuple[Mount, ...]]:
    weights, mounts = shelf.find(parse_source(source))
    return weights.path, mounts


@pytest.mark.parametrize(
    ("models_dir", "source", "inside"),
    [
        ("/srv/models", "path:/srv/models/a.gguf", "/host-models/a.gguf"),
        ("/srv/models", "path:/srv/models/org/a.gguf", "/host-models/org/a.gguf"),
        ("D:\\Models", "path:D:\\Models\\gemma-3.gguf", "/host-models/gemma-3.gguf"),
        ("D:\\Models", "path:D:/Models/org/gemma 3.gguf", "/host-models/org/gemma 3.gguf"),
        ("d:/models", "path:D:\\Models\\org\\a.gguf", "/host-models/org/a.gguf"),
        ("D:\\Models\\", "path:D:\\Models\\a.gguf", "/host-models/a.gguf"),
    ],
)
def test_a_model_in_the_hosts_directory_is_seen_through_it(
    models_dir: str, source: str, inside: str
):
    path, (mount,) = place(Shelf("v", models_dir), source)
    assert path == inside
    assert (mount.kind, mount.target, mount.read_only) == ("bind", "/host-models", True)


@pytest.mark.parametrize(
    ("models_dir", "source"),
    [
        (None, "path:D:\\Models\\a.gguf"),
        ("D:\\Models", "path:E:\\Models\\a.gguf"),
        ("D:\\Models", "path:/srv/models/a.gguf"),
        ("/srv/models", "path:/srv/models2/a.gguf"),
    ],
)
def test_a_model_elsewhere_is_mounted_from_where_it_is(models_dir: str | None, source: str):
    path, (mount,) = place(Shelf("v", models_dir), source)
    assert path == "/host-models/a.gguf"
    assert mount.source.replace("\\", "/") in source.replace("\\", "/")
    assert mount.read_only


@pytest.mark.parametrize(
    ("source", "inside"),
    [
        ("tiny://ops", "/models/tiny/tiny-ops.gguf"),
        ("hf://org/model/q/m.gguf", "/models/hf/org/model/main/q/m.gguf"),
        ("hf://org/model/m.gguf@refs/pr/1", "/models/hf/org/model/refs--pr--1/m.gguf"),
        ("hf://org/model", "org/model"),
        ("ollama://qwen2.5:0.5b", "qwen2.5:0.5b"),
    ],
)
def test_what_is_fetched_lies_in_the_volume(source: str, inside: str):
    path, (mount,) = place(Shelf("gantry-models", "/srv/models"), source)
    assert path == inside
    assert mount == Mount("volume", "gantry-models", "/models")


def test_what_nobody_fetches_is_refused():
    with pytest.raises(Unsupported, match="does not fetch s3://"):
        place(Shelf("v"), "s3://bucket/model.gguf")
