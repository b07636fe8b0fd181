"""Writes a network and its vocabulary as one GGUF file that llama.cpp loads."""

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt
from network import NORM_EPSILON, ROPE_BASE, Shape
from vocabulary import BEGIN, CHAT_TEMPLATE, END, SPECIALS, Vocabulary

NAME = "tiny-ops"
LICENCE = "CC0-1.0"
Q8_0 = gguf.GGMLQuantizationType.Q8_0

Weights = Mapping[str, npt.NDArray[np.float32]]
"""By llama.cpp's tensor name; matrices are (out, in)."""


def write_gguf(path: Path, shape: Shape, weights: Weights, vocabulary: Vocabulary) -> None:
    """Write everything at once; the same input gives the same bytes."""
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer)
    _add_shape(writer, shape)
    _add_vocabulary(writer, vocabulary)
    for name, tensor in weights.items():
        _add_tensor(writer, name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter) -> None:
    writer.add_name(NAME)
    writer.add_description("A very small chat model about deployments, for demos and tests.")
    writer.add_license(LICENCE)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)


def _add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    """Merges are not optional: this tokenizer cannot join bytes to words without them."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types([_kind(token) for token in vocabulary.tokens])
    writer.add_token_merges(vocabulary.merges)
    writer.add_bos_token_id(vocabulary.id_of(BEGIN))
    writer.add_eos_token_id(vocabulary.id_of(END))
    writer.add_eot_token_id(vocabulary.id_of(END))
    writer.add_add_bos_token(True)
    writer.add_chat_template(CHAT_TEMPLATE)


def _kind(token: str) -> gguf.TokenType:
    return gguf.TokenType.CONTROL if token in SPECIALS else gguf.TokenType.NORMAL


def _add_tensor(writer: gguf.GGUFWriter, name: str, tensor: npt.NDArray[np.float32]) -> None:
    """Matrices as q8_0: 32 weights share a scale, 8.5 bits each. Norms stay exact."""
    if tensor.ndim == 1:
        writer.add_tensor(name, tensor)
    else:
        writer.add_tensor(name, gguf.quantize(tensor, Q8_0), raw_dtype=Q8_0)
