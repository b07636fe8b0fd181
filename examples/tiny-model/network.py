"""The network: a llama, only small.

Modules carry the names that llama.cpp gives their tensors, so `state_dict()` is the list of
tensors of a model file as it stands. Two choices follow what llama.cpp expects of this
architecture: rotary embeddings turn neighbouring pairs (0, 1), (2, 3), ..., so nothing needs
permuting, and there is no output matrix, which makes it reuse the token embedding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

NORM_EPSILON = 1e-5
ROPE_BASE = 10_000.0


@dataclass(frozen=True)
class Shape:
    """Sizes of the network. Each matrix row must divide by 32 for q8_0."""

    vocabulary: int
    width: int = 160
    layers: int = 4
    heads: int = 5
    hidden: int = 448
    """Width inside the feed-forward part."""
    context: int = 1024
    """Tokens the file promises; training sees far shorter conversations."""

    @property
    def head_width(self) -> int:
        """Numbers per token that one head looks at."""
        return self.width // self.heads


class Norm(nn.Module):
    """Root-mean-square norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Scale the last axis to a mean square of 1, then by the weights."""
        return functional.rms_norm(x, self.weight.shape, self.weight, NORM_EPSILON)


class Block(nn.Module):
    """Causal attention, then a gated feed-forward part, each added to what came in."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.attn_norm = Norm(shape.width)
        self.attn_q = nn.Linear(shape.width, shape.width, bias=False)
        self.attn_k = nn.Linear(shape.width, shape.width, bias=False)
        self.attn_v = nn.Linear(shape.width, shape.width, bias=False)
        self.attn_output = nn.Linear(shape.width, shape.width, bias=False)
        self.ffn_norm = Norm(shape.width)
        self.ffn_gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.ffn_up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.ffn_down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, turns: Tensor) -> Tensor:
        """Map (batch, tokens, width) to the same; `turns` as from `rotations`."""
        x = x + self._attend(self.attn_norm(x), turns)
        y = self.ffn_norm(x)
        out: Tensor = self.ffn_down(functional.silu(self.ffn_gate(y)) * self.ffn_up(y))
        return x + out

    def _attend(self, x: Tensor, turns: Tensor) -> Tensor:
        query = rotated(self._by_head(self.attn_q(x)), turns)
        key = rotated(self._by_head(self.attn_k(x)), turns)
        value = self._by_head(self.attn_v(x))
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        out: Tensor = self.attn_output(mixed.transpose(1, 2).flatten(2))
        return out

    def _by_head(self, x: Tensor) -> Tensor:
        """(batch, tokens, width) -> (batch, heads, tokens, head width)"""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class TinyLlama(nn.Module):
    """Token ids in, a score for every possible next token out."""

    turns: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = Norm(shape.width)
        self.register_buffer("turns", rotations(shape), persistent=False)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        """(batch, tokens) -> (batch, tokens, vocabulary)"""
        x = self.token_embd(ids)
        turns = self.turns[:, : ids.shape[1]]
        for block in self.blk:
            x = block(x, turns)
        return functional.linear(self.output_norm(x), self.token_embd.weight)


def rotations(shape: Shape) -> Tensor:
    """Cosine and sine of the angle at every position: (2, context, head width / 2)."""
    steps = torch.arange(0, shape.head_width, 2) / shape.head_width
    angles = torch.outer(torch.arange(shape.context), ROPE_BASE**-steps)
    return torch.stack((angles.cos(), angles.sin()))


def rotated(x: Tensor, turns: Tensor) -> Tensor:
    """Turn each neighbouring pair of (..., tokens, head width) by its position's angle."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cosine, sine = turns
    pairs = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1)
    return pairs.flatten(-2)
