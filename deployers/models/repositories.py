"""What a repository of safetensors comes to in memory, from its config.json and its files. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import Refused
from domain.fit import Need

_CACHED = 2
"""Bytes of one number in the cache: engines keep it in 16 bits, whatever the weights are in."""
_WIDTHS = {"float32": 4, "float16": 2, "bfloat16": 2}
_SHOWN = 5
"""Files of a repository that are listed to people."""
_ONE_FILE = "consolidated"
"""Begins the names of files that hold the same weights once more, for other engines."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model's configuration says of itself."""

    architecture: str | None = None
    context: int | None = None
    """Tokens it was made for."""
    cache_per_token: int | None = None
    """Bytes of keys and values one token takes; None for a model whose layers differ."""
    width: int | None = None
    """Bytes of one number in the weights as they are stored; None for quantised ones."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at a hub, as far as memory is concerned."""

    weights: int
    """Bytes of its safetensors."""
    shape: Shape


class OnlyFiles(Refused):
    """A repository of GGUF files, of which each is a model: one has to be named."""

    @classmethod
    def of(cls, repository: str, files: list[str]) -> OnlyFiles:
        """Say which there are."""
        named = ", ".join(f"hf://{repository}/{name}" for name in files[:_SHOWN])
        more = f", and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
        return cls(
            f"{repository} holds GGUF files and no safetensors: it has no model that is whole",
            hint=f"name one of them: {named}{more}",
        )


def shape(config: Mapping[str, Any]) -> Shape:
    """Read a config.json of transformers. What it does not say, or says strangely, is None."""
    text = config.get("text_config")  # of a model that sees, the part that reads
    said = text if isinstance(text, Mapping) else config
    context = _number(said, "max_position_embeddings", "n_positions")
    names = config.get("architectures")
    first = names[0] if isinstance(names, list) and names else None
    kept = said.get("dtype") or said.get("torch_dtype") or config.get("torch_dtype")
    quantised = "quantization_config" in config
    width = None if quantised else _WIDTHS.get(str(kept))
    return Shape(first if isinstance(first, str) else None, context, _cache(said), width)


def listed(listing: Any) -> list[tuple[str, int]]:
    """(name, bytes) of each file in what the hub's API says of a repository."""
    found = [(each["rfilename"], each.get("size")) for each in dict(listing).get("siblings", [])]
    return [(str(name), size) for name, size in found if isinstance(size, int)]


def gguf(files: Iterable[tuple[str, int]]) -> list[str]:
    """The names of its GGUF files."""
    return sorted(name for name, _ in files if name.endswith(".gguf"))


def weights(files: Iterable[tuple[str, int]]) -> int:
    """Bytes of the files, by (name, size), that an engine loads."""
    return sum(
        size
        for name, size in files
        if name.endswith(".safetensors") and "/" not in name and not name.startswith(_ONE_FILE)
    )


def need(found: Repository, context: int, conversations: int, overhead: int) -> Need | None:
    """Memory of a replica for so many conversations of so many tokens; None where the shape does
    not tell. `overhead` is the engine's own, in bytes. Weights in 32 bits are loaded in 16."""
    each, width = found.shape.cache_per_token, found.shape.width
    if each is None or not found.weights:
        return None
    loaded = found.weights // 2 if width == 4 else found.weights
    tokens = context * conversations
    return Need(loaded, each * tokens, overhead, tokens, conversations)


def _cache(said: Mapping[str, Any]) -> int | None:
    """Layers x key-value heads x head length x 2 (keys and values) x 2 bytes.

    With multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, 2.1) a token keeps one latent
    vector and one rotary key for each layer instead.
    """
    layers = _number(said, "num_hidden_layers", "n_layer")
    heads = _number(said, "num_attention_heads", "n_head")
    hidden = _number(said, "hidden_size", "n_embd")
    if not layers or _differ(said):
        return None
    latent, rotary = _number(said, "kv_lora_rank"), _number(said, "qk_rope_head_dim")
    if latent and rotary:
        return layers * (latent + rotary) * _CACHED
    length = _number(said, "head_dim") or (hidden // heads if hidden and heads else None)
    shared = _number(said, "num_key_value_heads") or heads
    return 2 * layers * shared * length * _CACHED if shared and length else None


def _differ(said: Mapping[str, Any]) -> bool:
    """Whether some layers keep less than the whole context: a window, or a state of fixed size."""
    kinds = said.get("layer_types")
    if isinstance(kinds, list) and kinds:
        return set(map(str, kinds)) != {"full_attention"}
    window = said.get("sliding_window") and said.get("use_sliding_window", True)
    return bool(window or said.get("sliding_window_pattern") or said.get("layers_block_type"))


def _number(said: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = said.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None
