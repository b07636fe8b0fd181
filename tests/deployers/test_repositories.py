"""What whole repositories come to, from the configurations of models as they are published."""

from __future__ import annotations

import json

import pytest

from deployers.models.hub import Hub
from deployers.models.repositories import OnlyFiles, Repository, Shape, need, shape, weights
from domain.errors import Refused, Unreachable
from domain.fit import Need
from domain.sources import parse_source
from tests.deployers.hub_double import HubDouble
from tests.deployers.test_glances import hub
from tests.deployers.test_hub import HastyClock

SOURCE = parse_source("hf://org/model")

QWEN_05B = {
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_size": 896,
    "max_position_embeddings": 32768,
    "max_window_layers": 21,
    "num_attention_heads": 14,
    "num_hidden_layers": 24,
    "num_key_value_heads": 2,
    "sliding_window": 32768,
    "torch_dtype": "bfloat16",
    "use_sliding_window": False,
    "vocab_size": 151936,
}


def config(layers, heads, shared, hidden, **more):
    return {
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": shared,
        "hidden_size": hidden,
        **more,
    }


@pytest.mark.parametrize(
    ("model", "said", "bytes_"),
    [
        ("Qwen2.5-0.5B", QWEN_05B, 12_288),
        ("Qwen2.5-7B", config(28, 28, 4, 3584), 57_344),
        ("Llama-3.1-8B", config(32, 32, 8, 4096), 131_072),
        ("Llama-3.1-70B", config(80, 64, 8, 8192), 327_680),
        ("TinyLlama-1.1B", config(22, 32, 4, 2048), 22_528),
        ("Qwen3-0.6B: heads wider than the rest", config(28, 16, 8, 1024, head_dim=128), 114_688),
        ("GPT-2: other names", {"n_layer": 12, "n_head": 12, "n_embd": 768}, 36_864),
        (
            "DeepSeek-V3: latent attention",
            config(61, 128, 128, 7168, kv_lora_rank=512, qk_rope_head_dim=64),
            70_272,
        ),
        ("one that sees", {"text_config": config(32, 32, 8, 4096)}, 131_072),
        ("all layers alike", config(2, 4, 2, 64, layer_types=["full_attention"] * 2), 256),
        ("a window", config(32, 32, 8, 4096, sliding_window=4096), None),
        ("mixed layers", config(2, 4, 2, 64, layer_types=["full_attention", "mamba"]), None),
        ("nothing", {}, None),
        ("nonsense", config("many", None, True, -3), None),
    ],
)
def test_what_a_token_takes_is_reckoned_from_the_shape(model, said, bytes_):
    assert shape(said).cache_per_token == bytes_, model


def test_the_rest_of_a_configuration_is_read_as_it_is_published():
    assert shape(QWEN_05B) == Shape("Qwen2ForCausalLM", 32_768, 12_288, 2)
    assert shape({"torch_dtype": "float32"}).width == 4
    assert shape({"dtype": "float16", "quantization_config": {}}).width is None


def test_only_what_an_engine_loads_is_counted():
    files = [
        ("model-00001-of-00002.safetensors", 5),
        ("model-00002-of-00002.safetensors", 3),
        ("consolidated.safetensors", 8),
        ("original/model.safetensors", 8),
        ("pytorch_model.bin", 8),
        ("tokenizer.json", 1),
    ]
    assert weights(files) == 8


@pytest.mark.parametrize(
    ("found", "needed"),
    [
        (
            Repository(988_097_824, shape(QWEN_05B)),
            Need(988_097_824, 12_288 * 8192, 7, 8192, 2),
        ),
        (Repository(800, Shape(cache_per_token=1, width=4)), Need(400, 8192, 7, 8192, 2)),
        (Repository(800, Shape()), None),
        (Repository(0, Shape(cache_per_token=1)), None),
    ],
)
def test_a_need_is_weights_and_cache_and_the_engine(found, needed):
    assert need(found, 4096, 2, 7) == needed


def double(**more):
    files = {"config.json": json.dumps(QWEN_05B).encode(), "model.safetensors": 988_097_824}
    return HubDouble(b"", repository=files | more)


def asked(server: HubDouble, token: str | None = None) -> Hub:
    return Hub(server.endpoint, token, HastyClock())


async def test_a_repository_is_known_by_two_small_answers():
    async with hub(double()) as server:
        found = await asked(server).repository(SOURCE)
    assert found == Repository(988_097_824, shape(QWEN_05B))
    assert {who for who, *_ in server.seen} == {"hub"}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"config.json": b"not json"}, "cannot be read"),
        ({"config.json": b"[1, 2]"}, "cannot be read"),
        ({"model.safetensors": b"", "config.json": b"{}"}, "holds no safetensors"),
    ],
)
async def test_one_that_cannot_be_told_is_refused(files, told):
    async with hub(double(**files)) as server:
        with pytest.raises(Refused, match=told):
            await asked(server).repository(SOURCE)


async def test_one_of_single_files_has_them_listed():
    names = [f"m-{n}.gguf" for n in range(6)]
    async with hub(HubDouble(b"", repository=dict.fromkeys(names, 5))) as server:
        with pytest.raises(OnlyFiles, match="holds GGUF files and no safetensors") as caught:
            await asked(server).repository(SOURCE)
    assert caught.value.hint.startswith("name one of them: hf://org/model/m-0.gguf, hf://")
    assert caught.value.hint.endswith("m-4.gguf, and 1 more")


@pytest.mark.parametrize(
    ("error", "raised", "told"),
    [
        ((401, "GatedRepo"), Refused, "is gated"),
        ((404, "RepoNotFound"), Refused, "there is no repository org/model"),
        ((503, ""), Unreachable, "answered 503"),
    ],
)
async def test_one_that_is_not_to_be_had_says_why(error, raised, told):
    async with hub(HubDouble(b"", error=error)) as server:
        with pytest.raises(raised, match=told):
            await asked(server).repository(SOURCE)
