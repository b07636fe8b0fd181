"""A model of a size that people really deploy: the shape of Qwen2.5-0.5B-Instruct, and noise in it.

How long a server takes to load a model and to give a first token depends on how large it is and how
it is built, and not on what it has learned. So its weights are random, of our own making, and no
hub is asked.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import BinaryIO

from deployers.models.gguf import MAGIC

LAYERS, WIDTH, HEADS, KV_HEADS, HIDDEN, VOCABULARY = 24, 896, 14, 2, 4864, 151_936
"""As its config.json has them; what it ends in is what it begins with (tied embeddings)."""

NAME = "qwen2.5-0.5b-shaped-q8_0.gguf"

_CONTEXT, _ROPE_BASE, _EPSILON = 32_768, 1e6, 1e-6
_LEARNED = 151_643
"""Tokens that are no specials; the rest of the vocabulary is not used."""
_SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

_SEED = 20
_ALIGNED = 32
_BLOCK = 32
"""Weights of q8_0 that share a scale."""
_SCALE = 0.02 / 74
"""Weights come to a deviation of about 0.02: whole numbers of eight random bits have one of 74."""
_POOL = 65_521
"""Blocks that are drawn; what is written goes round and round in them."""

_F32, _Q8_0 = 0, 8
_U32, _FLOAT, _BOOL, _TEXT, _ARRAY = 4, 6, 7, 8, 9
_NORMAL, _CONTROL, _UNUSED = 1, 3, 5
"""GGUF's numbers for these, and llama.cpp's for kinds of tokens."""


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    """The innermost first, as GGUF has it."""
    ones: bool = False
    """Of a vector: whether it is full of ones, or of zeros."""

    @property
    def kind(self) -> int:
        return _Q8_0 if len(self.shape) > 1 else _F32

    @property
    def size(self) -> int:
        """Bytes."""
        if self.kind == _F32:
            return 4 * self.shape[0]
        return self.shape[0] * self.shape[1] // _BLOCK * (2 + _BLOCK)


def model_file(folder: Path) -> Path:
    """The file in that folder, written unless it is there: about 530 MB, the same bytes always."""
    kept = folder / NAME
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{NAME}.{os.getpid()}"
        try:
            with draft.open("wb") as file:
                _write(file)
            draft.replace(kept)
        finally:
            draft.unlink(missing_ok=True)
    return kept


def _write(file: BinaryIO) -> None:
    tensors, pairs = list(_tensors()), list(_pairs())
    file.write(MAGIC + struct.pack("<IQQ", 3, len(tensors), len(pairs)))
    file.writelines(pairs)
    at = 0
    for each in tensors:
        shape = struct.pack(f"<I{len(each.shape)}Q", len(each.shape), *each.shape)
        file.write(_text(each.name) + shape + struct.pack("<IQ", each.kind, at))
        at += -(-each.size // _ALIGNED) * _ALIGNED
    rng = Random(_SEED)  # noqa: S311
    scale = struct.pack("<e", _SCALE)
    pool = b"".join(scale + rng.randbytes(_BLOCK) for _ in range(_POOL))
    for each in tensors:
        file.write(bytes(-file.tell() % _ALIGNED))
        if each.kind == _F32:
            file.write(struct.pack("<f", float(each.ones)) * each.shape[0])
        else:
            first = rng.randrange(_POOL) * (2 + _BLOCK)
            rounds = -(-(first + each.size) // len(pool))
            file.write(memoryview(pool * rounds)[first : first + each.size])


def _tensors() -> Iterator[_Tensor]:
    kv = WIDTH // HEADS * KV_HEADS
    yield _Tensor("token_embd.weight", (WIDTH, VOCABULARY))
    for layer in range(LAYERS):
        here = f"blk.{layer}"
        yield _Tensor(f"{here}.attn_norm.weight", (WIDTH,), ones=True)
        for name, wide in (("q", WIDTH), ("k", kv), ("v", kv)):
            yield _Tensor(f"{here}.attn_{name}.weight", (WIDTH, wide))
            yield _Tensor(f"{here}.attn_{name}.bias", (wide,))
        yield _Tensor(f"{here}.attn_output.weight", (WIDTH, WIDTH))
        yield _Tensor(f"{here}.ffn_norm.weight", (WIDTH,), ones=True)
        yield _Tensor(f"{here}.ffn_gate.weight", (WIDTH, HIDDEN))
        yield _Tensor(f"{here}.ffn_up.weight", (WIDTH, HIDDEN))
        yield _Tensor(f"{here}.ffn_down.weight", (HIDDEN, WIDTH))
    yield _Tensor("output_norm.weight", (WIDTH,), ones=True)


def _pairs() -> Iterator[bytes]:
    """What the header says. The vocabulary comes last, as in the files of others."""
    yield _pair("general.architecture", _TEXT, _text("qwen2"))
    yield _pair("general.name", _TEXT, _text("noise in the shape of Qwen2.5-0.5B-Instruct"))
    numbers = {
        "general.file_type": 7,
        "general.quantization_version": 2,
        "qwen2.block_count": LAYERS,
        "qwen2.context_length": _CONTEXT,
        "qwen2.embedding_length": WIDTH,
        "qwen2.feed_forward_length": HIDDEN,
        "qwen2.attention.head_count": HEADS,
        "qwen2.attention.head_count_kv": KV_HEADS,
        "tokenizer.ggml.bos_token_id": _LEARNED,
        "tokenizer.ggml.eos_token_id": _LEARNED + 2,
        "tokenizer.ggml.padding_token_id": _LEARNED,
    }
    for name, number in numbers.items():
        yield _pair(name, _U32, struct.pack("<I", number))
    yield _pair("qwen2.rope.freq_base", _FLOAT, struct.pack("<f", _ROPE_BASE))
    epsilon = struct.pack("<f", _EPSILON)
    yield _pair("qwen2.attention.layer_norm_rms_epsilon", _FLOAT, epsilon)
    yield _pair("tokenizer.ggml.add_bos_token", _BOOL, b"\0")
    yield _pair("tokenizer.chat_template", _TEXT, _text(_TEMPLATE))
    yield _pair("tokenizer.ggml.model", _TEXT, _text("gpt2"))
    yield _pair("tokenizer.ggml.pre", _TEXT, _text("qwen2"))
    tokens, merges = _vocabulary()
    unused = VOCABULARY - _LEARNED - len(_SPECIALS)
    names = [*tokens, *_SPECIALS, *(f"[PAD{n}]" for n in range(unused))]
    kinds = [_NORMAL] * _LEARNED + [_CONTROL] * len(_SPECIALS) + [_UNUSED] * unused
    numbered = struct.pack(f"<IQ{VOCABULARY}i", 5, VOCABULARY, *kinds)
    yield _pair("tokenizer.ggml.tokens", _ARRAY, _texts(names))
    yield _pair("tokenizer.ggml.token_type", _ARRAY, numbered)
    yield _pair("tokenizer.ggml.merges", _ARRAY, _texts(merges))


def _vocabulary() -> tuple[list[str], list[str]]:
    """(tokens, merges): every byte, every two of them, and as many of three as there is room
    for."""
    stand_ins = iter(range(256, 512))
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(byte if byte in shown else next(stand_ins)) for byte in range(256)]
    twos = list(itertools.product(letters, letters))
    joined = ("".join(two) for two in twos)
    merged = [*twos, *itertools.product(joined, letters)][: _LEARNED - len(letters)]
    return [*letters, *("".join(parts) for parts in merged)], [" ".join(parts) for parts in merged]


def _pair(key: str, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _texts(texts: Iterable[str]) -> bytes:
    parts = [_text(each) for each in texts]
    return struct.pack("<IQ", _TEXT, len(parts)) + b"".join(parts)
