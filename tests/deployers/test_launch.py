from __future__ import annotations

from pathlib import Path

import pytest

from deployers.engines import llamacpp
from deployers.engines.llamacpp import Tuning
from deployers.process import launch
from deployers.process.launch import Host, ModelFile
from domain.errors import Unsupported
from domain.services import Placement, ServiceSpec
from domain.sources import parse_source

HOST = Host("/usr/bin/python3", cpus=8)
TINY = ModelFile(Path("/m/tiny.gguf"), 3_000_000, context=512)
BIG = ModelFile(Path("/m/big.gguf"), 5_000_000_000, context=131_072)
FOLDER = Path("/h/tiny/tiny-3fa9c1-0")
PROGRAM = str(Path(launch.__file__).with_name("serve_gguf.py"))


def spec(settings: dict[str, str] | None = None, **fields: object) -> ServiceSpec:
    return ServiceSpec.model_validate(
        {
            "name": "tiny",
            "source": parse_source("tiny://ops"),
            "placements": (Placement(target="here", replicas=1),),
            "settings": tuple((settings or {}).items()),
        }
        | fields
    )


def flag(line: tuple[str, ...], name: str) -> str:
    return line[line.index(name) + 1]


def test_the_whole_command_line():
    assert launch.command(spec(), TINY, HOST, FOLDER) == (
        *("/usr/bin/python3", "-P", PROGRAM),
        *("--replica-dir", "/h/tiny/tiny-3fa9c1-0"),
        *("--model", "/m/tiny.gguf"),
        *("--alias", "tiny"),
        *("--context", "2048"),
        *("--parallel", "4"),
        *("--batch", "512"),
        *("--threads", "1"),
        *("--port", "0"),
    )


def test_the_whole_command_line_with_everything_set():
    settings = {"parallel": "2", "threads": "6", "port": "8123", "batch": "256"}
    want = spec(settings, gpu="none", context=1000)

    assert launch.command(want, BIG, HOST, FOLDER) == (
        *("/usr/bin/python3", "-P", PROGRAM),
        *("--replica-dir", "/h/tiny/tiny-3fa9c1-0"),
        *("--model", "/m/big.gguf"),
        *("--alias", "tiny"),
        *("--context", "2000"),
        *("--parallel", "2"),
        *("--batch", "256"),
        *("--threads", "6"),
        *("--port", "8123"),
        *("--gpu-layers", "0"),
    )


@pytest.mark.parametrize(
    ("asked", "trained", "total"),
    [(None, 131_072, 8192 * 4), (None, 512, 2048), (None, None, 8192), (100_000, 512, 400_000)],
)
def test_context_is_what_was_asked_else_what_was_trained_within_bounds(
    asked: int | None, trained: int | None, total: int
):
    model = ModelFile(Path("/m/x.gguf"), 1, trained)

    line = launch.command(spec(context=asked), model, HOST, FOLDER)

    assert flag(line, "--context") == str(total)


@pytest.mark.parametrize(
    ("model", "cpus", "allowed", "threads"),
    [(BIG, 8, 0, 4), (BIG, 1, 0, 1), (BIG, 8, 3, 3), (TINY, 8, 3, 1)],
)
def test_threads_are_half_the_processors_unless_said_or_tiny(
    model: ModelFile, cpus: int, allowed: int, threads: int
):
    line = launch.command(spec(), model, Host("python", cpus, allowed), FOLDER)

    assert flag(line, "--threads") == str(threads)


@pytest.mark.parametrize("gpu", ["auto", 1])
def test_with_a_graphics_card_llama_cpp_decides_how_much_goes_there(gpu: object):
    assert "--gpu-layers" not in launch.command(spec(gpu=gpu), BIG, HOST, FOLDER)


def test_settings_left_out_are_left_to_us():
    assert llamacpp.tuning(spec()) == Tuning(parallel=4, threads=None, port=0, batch=512)


@pytest.mark.parametrize(
    ("key", "value"),
    [("parallel", "0"), ("port", "65536"), ("batch", "-1"), ("threads", "two"), ("port", "²")],
)
def test_a_value_out_of_range_names_the_range(key: str, value: str):
    with pytest.raises(Unsupported) as caught:
        llamacpp.tuning(spec({key: value}))

    assert caught.value.hint.startswith(f"{key} is a number from ")


def test_an_unknown_setting_names_the_nearest_and_all():
    with pytest.raises(Unsupported) as caught:
        llamacpp.tuning(spec({"thread": "2"}))

    assert caught.value.hint == "did you mean `threads`? it has parallel, threads, port, batch"


def test_a_model_in_several_files_is_not_reckoned_by_its_first():
    model = ModelFile(Path("/m/big.gguf"), 5_000, 512, 10, 10, "Q8_0")
    whole, part = (
        spec().model_copy(update={"source": parse_source(f"path:/m/{name}.gguf")})
        for name in ("big", "big-00001-of-00003")
    )
    assert launch.need(whole, model).quantisation == "Q8_0"
    assert launch.need(part, model) is None
