"""The model that is deployed to measure it has the shape of a real one."""

from __future__ import annotations

from math import prod

from bench import model_shape


def test_it_has_as_many_weights_as_the_one_it_is_shaped_like():
    """Qwen2.5-0.5B-Instruct: 494,032,768 by its model card's safetensors."""
    assert sum(prod(shape) for _, shape in model_shape.tensors()) == 494_032_768


def test_its_vocabulary_is_whole_and_each_token_comes_from_one_merge():
    tokens, merges = model_shape.vocabulary()

    assert len(tokens) == len(set(tokens)) == model_shape.LEARNED
    assert [merge.replace(" ", "") for merge in merges] == tokens[256:]
