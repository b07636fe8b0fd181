"""The shape of Qwen2.5-0.5B-Instruct, for a model that is measured (pure)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

LAYERS, WIDTH, HEADS, KV_HEADS, HIDDEN, VOCABULARY = 24, 896, 14, 2, 4864, 151_936
"""As its config.json has them; what it ends in is what it begins with (tied embeddings)."""

LEARNED = 151_643
"""Tokens that are no specials; the rest of the vocabulary is not used."""


def tensors() -> Iterator[tuple[str, tuple[int, ...]]]:
    """(name, shape) of each; of a matrix (out, in)."""
    kv = WIDTH // HEADS * KV_HEADS
    yield "token_embd.weight", (VOCABULARY, WIDTH)
    for layer in range(LAYERS):
        here = f"blk.{layer}"
        yield f"{here}.attn_norm.weight", (WIDTH,)
        for name, wide in (("q", WIDTH), ("k", kv), ("v", kv)):
            yield f"{here}.attn_{name}.weight", (wide, WIDTH)
            yield f"{here}.attn_{name}.bias", (wide,)
        yield f"{here}.attn_output.weight", (WIDTH, WIDTH)
        yield f"{here}.ffn_norm.weight", (WIDTH,)
        yield f"{here}.ffn_gate.weight", (HIDDEN, WIDTH)
        yield f"{here}.ffn_up.weight", (HIDDEN, WIDTH)
        yield f"{here}.ffn_down.weight", (WIDTH, HIDDEN)
    yield "output_norm.weight", (WIDTH,)


def vocabulary() -> tuple[list[str], list[str]]:
    """(tokens, merges): every byte, every two of them, and as many of three as there is room
    for."""
    stand_ins = iter(range(256, 512))
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(byte if byte in shown else next(stand_ins)) for byte in range(256)]
    twos = list(itertools.product(letters, letters))
    joined = ("".join(two) for two in twos)
    merged = [*twos, *itertools.product(joined, letters)][: LEARNED - len(letters)]
    return [*letters, *("".join(parts) for parts in merged)], [" ".join(parts) for parts in merged]
