"""The model that is deployed to measure it has the shape of a real one."""

from __future__ import annotations

import io
import struct
from math import prod

from bench import model_file
from deployers.models.gguf import Header, read_header


def test_it_has_as_many_weights_as_the_one_it_is_shaped_like():
    """Qwen2.5-0.5B-Instruct: 494,032,768 by its model card's safetensors."""
    assert sum(prod(each.shape) for each in model_file._tensors()) == 494_032_768


def test_its_vocabulary_is_whole_and_each_token_comes_from_one_merge():
    tokens, merges = model_file._vocabulary()

    assert len(tokens) == len(set(tokens)) == 151_643
    assert [merge.replace(" ", "") for merge in merges] == tokens[256:]


def test_its_header_says_so():
    pairs = list(model_file._pairs())
    file = io.BytesIO(b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs))

    assert read_header(file) == Header(
        "qwen2", 32_768, 2 * 24 * 2 * (64 + 64), 4 * (151_936 + 896), "Q8_0"
    )
