"""What vLLM is told when Gantry starts it, and what Gantry makes of it when it does not."""

import json
import re
import subprocess
from contextlib import ExitStack

import pytest

from deployers.engines.preset import Weights
from deployers.engines.vllm import _WORDS, Vllm
from deployers.models.repositories import shape
from domain.diagnosis import Ending, diagnose
from tests.vllm import server
from tests.vllm.server import make_model

VALUES = {
    "dtype": "bfloat16",
    "quantization": "fp8",
    "gpu-memory": "0.5",
    "kv-cache-dtype": "auto",
    "chat-template": "/models/turns.jinja",
    "tool-call-parser": "hermes",
    "reasoning-parser": "deepseek_r1",
    "parallel": "8",
}
"""A value for each setting there is."""


def test_every_option_that_a_service_may_have_is_known_and_takes_its_value(vllm_python):
    """It reads its command line before all else, and names what it does not know there."""
    assert set(_WORDS) < set(VALUES)
    spec = server.service(context=512, gpu=1, settings=tuple(VALUES.items()))
    words = Vllm().start(spec, Weights("/models/x"), "cuda").command
    asked = [vllm_python.with_name("vllm"), "serve", *words, "--revision", "main"]
    told = subprocess.run([*asked, "--no-such-option"], check=False, capture_output=True, text=True)
    assert told.returncode == 2
    assert "unrecognized arguments: --no-such-option\n" in told.stderr


def test_memory_for_a_context_is_what_it_reckons_itself(vllm, vllm_model):
    config = json.loads((vllm_model / "config.json").read_text())
    page = vllm.get("/metrics")
    size = re.search(r'kv_cache_memory_bytes="(\d+)"', page)
    tokens = re.search(r'kv_cache_size_tokens="(\d+)"', page)
    assert shape(config).cache_per_token == int(size[1]) / int(tokens[1])


@pytest.fixture
def failing(vllm_python, vllm_model, tmp_path):
    """Starts one that is not to start; returns how its end is read."""
    with ExitStack() as stack:

        def fail(*options, model=None, fields=None, **more):
            folder = model or vllm_model
            if fields:
                folder = make_model(vllm_python, tmp_path / "odd", **fields)
            started = server.Vllm.started(vllm_python, folder, *options, **more)
            running = stack.enter_context(started)
            code = running.ended()
            return diagnose(Ending(code, log=tuple(running.log().splitlines())))

        yield fail


def test_a_context_that_does_not_fit_is_told_with_what_does(failing):
    failure = failing(fields={"max_position_embeddings": 4_194_304})
    assert failure.kind == "kv-cache-too-small"
    assert re.search(r"of a context of 4194304 tokens, 20\d{5} fit", failure.what)


def test_a_context_longer_than_the_model_is_told(failing):
    failure = failing(context=100_000)
    assert failure.kind == "context-too-long"
    assert "longer than the 512" in failure.what


@pytest.mark.parametrize(
    "fields", [{"architectures": ["NopeForCausalLM"]}, {"model_type": "nope"}], ids=str
)
def test_a_model_of_an_unknown_kind_is_told(failing, fields):
    failure = failing(fields=fields)
    assert failure.kind == "unsupported-architecture"
    assert "`nope" in failure.what.lower()


def test_a_folder_that_is_not_there_is_told(failing):
    failure = failing(model="/models/none")
    assert (failure.kind, "/models/none" in failure.what) == ("missing-file", True)


def test_weights_that_are_cut_short_are_told(failing, vllm_python, tmp_path):
    model = make_model(vllm_python, tmp_path / "cut")
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100_000])
    assert failing(model=model).kind == "not-a-model"


def test_a_port_that_is_taken_is_told(failing, vllm):
    assert failing(port=int(vllm.url.rpartition(":")[2])).kind == "port-taken"
