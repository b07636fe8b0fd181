"""Writes the model that is measured, with the `gguf` library: its shape is in bench/model_shape.py.

Run in an environment that has gguf and numpy: `python -m bench.model_writing FILE`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gguf
import numpy as np

from bench import model_shape as model

_SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_Q8_0 = gguf.GGMLQuantizationType.Q8_0
_SEED, _DEVIATION = 20, 0.02


def write(path: Path) -> None:
    """Write it whole; the same bytes each time."""
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("noise in the shape of Qwen2.5-0.5B-Instruct")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_block_count(model.LAYERS)
    writer.add_context_length(32_768)
    writer.add_embedding_length(model.WIDTH)
    writer.add_feed_forward_length(model.HIDDEN)
    writer.add_head_count(model.HEADS)
    writer.add_head_count_kv(model.KV_HEADS)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    _add_vocabulary(writer)
    _add_tensors(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: gguf.GGUFWriter) -> None:
    tokens, merges = model.vocabulary()
    unused = model.VOCABULARY - len(tokens) - len(_SPECIALS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*tokens, *_SPECIALS, *(f"[PAD{n}]" for n in range(unused))])
    kinds = gguf.TokenType
    writer.add_token_types(
        [kinds.NORMAL] * len(tokens) + [kinds.CONTROL] * len(_SPECIALS) + [kinds.UNUSED] * unused
    )
    writer.add_token_merges(merges)
    writer.add_bos_token_id(model.LEARNED)
    writer.add_eos_token_id(model.LEARNED + 2)
    writer.add_pad_token_id(model.LEARNED)
    writer.add_add_bos_token(False)
    writer.add_chat_template(_TEMPLATE)


def _add_tensors(writer: gguf.GGUFWriter) -> None:
    rng = np.random.default_rng(_SEED)
    for name, shape in model.tensors():
        if len(shape) == 1:
            full = np.zeros if name.endswith(".bias") else np.ones
            writer.add_tensor(name, full(shape, dtype=np.float32))
        else:
            noise = rng.standard_normal(shape, dtype=np.float32) * np.float32(_DEVIATION)
            writer.add_tensor(name, gguf.quantize(noise, _Q8_0), raw_dtype=_Q8_0)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
